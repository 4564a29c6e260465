"""Papers come in and get topics.

In: what sources answer, what people submit. Out: Paper, Sighting and Signal rows, merged by identity, with topics.
Everything may run twice: the same observation changes nothing the second time. Next: ranking.
"""
