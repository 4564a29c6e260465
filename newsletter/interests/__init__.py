"""What one reader wants, and what of an edition that is.

In: topics, verdicts and the candidates of an edition. Out: ordered picks, each with its reason. Writes verdicts only;
choosing is pure and gives the same picks for the same rows. Next: planning, which records the picks.
"""
