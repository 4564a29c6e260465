"""Search: what somebody typed finds papers, also when they use other words than the field or slip on the keyboard.

words → entries (what is compared, kept by each database in an index of its own) → query → candidates (a bounded number
of papers from the index and from the index, which holds the newest papers as numbers) → ranking. `find` goes the way.
"""

from newsletter.search.find import Found, find
from newsletter.search.index_entries import keep_up
from newsletter.search.query import QueryError

__all__ = ["Found", "QueryError", "find", "keep_up"]
