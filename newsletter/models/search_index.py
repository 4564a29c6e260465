"""The search index: stems of each paper's words, and the statistics learnt from all papers.

Both tables are made from papers by newsletter.search and may be emptied at any time. Each database looks words up in
an index of its own, which it keeps in step by itself (migration 0015): on SQLite an FTS5 table filled by triggers, on
PostgreSQL a generated column ``lexemes`` under a GIN index.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.sql.compiler import SQLCompiler

from newsletter.models.papers import Paper


class SearchEntry(models.Model):
    """A paper's words as search knows them: stems between blanks, in order.

    Altering this table on SQLite drops its triggers: a migration that does makes them anew, as 0015 does.
    """

    paper = models.OneToOneField(Paper, on_delete=models.CASCADE, primary_key=True, related_name="search_entry")
    title = models.TextField(blank=True)
    body = models.TextField(blank=True)
    names = models.TextField(blank=True)  # of its authors
    is_stale = models.BooleanField(default=False, help_text="The paper's words have changed; read them again.")

    class Meta:
        indexes = [models.Index(fields=["paper"], condition=Q(is_stale=True), name="stale_search_entries")]

    def __str__(self) -> str:
        return self.title


class SearchMemory(models.Model):
    """What was last learnt from the words of the catalogue; one row. `search.latent_semantics` makes the bytes."""

    learnt_at = models.DateTimeField()
    newest_paper = models.BigIntegerField()  # the last one it was learnt from
    data = models.BinaryField()

    def __str__(self) -> str:
        return f"learnt {self.learnt_at:%Y-%m-%d %H:%M}"


class Holds(models.Lookup):
    """`paper_id__holds=query`: what the index finds for a query in the database's own language (search.candidates)."""

    lookup_name = "holds"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> Any:
        column, params = self.process_lhs(compiler, connection)
        found = "SELECT rowid FROM newsletter_searchwords WHERE newsletter_searchwords MATCH %s"
        return f"{column} IN ({found})", [*params, self.rhs]

    def as_postgresql(self, compiler: SQLCompiler, connection: Any) -> Any:
        return '"newsletter_searchentry"."lexemes" @@ %s::tsquery', [self.rhs]


SearchEntry._meta.get_field("paper").register_lookup(Holds)
