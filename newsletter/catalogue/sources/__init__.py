"""Sources of papers: each module turns the bytes of one source into observations.

In: bytes and the moment they were fetched. Out: frozen `Observation` values. Pure: the same bytes always give the
same observations, so everything here may run twice. A source that cannot be read raises `SourceError`.
"""
