"""Search: what somebody typed finds papers, also when they use other words than the field or slip on the keyboard.

tokens → index_entries (what is compared, kept by each database in an index of its own) → query → index_lookup and
nearest_neighbours (a bounded number of papers) → relevance. `search_papers` runs them in order. The other way round, a
new paper finds what readers follow: query_matching → query_hits, and standing_queries for what was followed just now.
"""

from newsletter.search.query import QueryError
from newsletter.search.search_papers import Found, find
from newsletter.search.standing_queries import keep_queries
from newsletter.search.update_index import keep_up

__all__ = ["Found", "QueryError", "find", "keep_queries", "keep_up"]
