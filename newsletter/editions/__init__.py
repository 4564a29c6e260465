"""An edition: drafted from the ranking, curated, approved, frozen; and what anybody may know of it.

In: trend scores, curators' choices. Out: Edition and EditionItem rows, public facts. Each change of state is a
conditional update, so that doing it twice does it once. Next: planning.
"""
