"""Editions: drafted from the ranking, curated, approved, frozen; and their public facts.

In: trend scores, curators' choices. Out: Edition and EditionItem rows, public facts. Each change of state is a
conditional update, so that doing it twice does it once. Next: planning.
"""
