"""What one reader wants, and what of an edition that is.

In: topics, verdicts and an edition's candidates. Out: ordered picks, each with its reason. Writes verdicts, nothing else;
choosing is pure and gives the same picks for the same rows. Next: planning, which records the picks.
"""
