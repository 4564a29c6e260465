"""Search: what somebody typed finds papers, also when they use other words than the field or slip on the keyboard.

tokens → index_entries (what is compared, kept by each database in an index of its own) → query → index_lookup and
nearest_neighbours (a bounded number of papers) → relevance. `find` runs them in order.
"""

from newsletter.search.find import Found, find
from newsletter.search.index_entries import keep_up
from newsletter.search.query import QueryError

__all__ = ["Found", "QueryError", "find", "keep_up"]
