"""`field__any_of=[…]`: membership in a long list as one parameter.

`__in` puts every value into the text of the statement, which costs more to build and parse than the query takes to
run. One array (PostgreSQL) or one JSON text (SQLite) keeps the statement the same however many values there are.
Of a list Django still checks each value, several times; where a query is made for thousands of keys at a time, `Keys`
spares that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.db.models import Field, ForeignKey, Lookup
from django.db.models.sql.compiler import SQLCompiler


class Keys:
    """Primary keys, written out once; not iterable, so that Django takes them as one value."""

    __slots__ = ("text",)

    def __init__(self, keys: Iterable[int]) -> None:
        self.text = ",".join(map(str, keys))


class AnyOf(Lookup):
    lookup_name = "any_of"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> Any:
        column, params = self.process_lhs(compiler, connection)
        values = f"[{self.rhs.text}]" if isinstance(self.rhs, Keys) else json.dumps(list(self.rhs))
        return f"{column} IN (SELECT value FROM json_each(%s))", [*params, values]  # noqa: S608

    def as_postgresql(self, compiler: SQLCompiler, connection: Any) -> Any:
        column, params = self.process_lhs(compiler, connection)
        if isinstance(self.rhs, Keys):
            return f"{column} = ANY(%s::bigint[])", [*params, f"{{{self.rhs.text}}}"]
        return f"{column} = ANY(%s)", [*params, list(self.rhs)]


Field.register_lookup(AnyOf)
ForeignKey.register_lookup(AnyOf)
