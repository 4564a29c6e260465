"""Papers are ranked: votes and stars become trend scores, and sentences that say why.

In: Signal rows of young papers, readers' votes. Out: a trend score per paper and cadence with the numbers behind it.
May run twice: a score is computed from the rows alone. Next: editions.
"""
