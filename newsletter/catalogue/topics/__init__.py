"""Topics of papers: classified by words and meaning, learned from examples and from what curators corrected.

In: titles and abstracts. Out: PaperTopic rows and, with the extra `semantic`, one embedding a paper.
"""
