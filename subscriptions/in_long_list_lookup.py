"""`field__any_of=[…]`: membership in a long list as one parameter.

`__in` puts every value into the text of the statement, which costs more to build and parse than the query takes to
run. One array (PostgreSQL) or one JSON text (SQLite) keeps the statement the same however many values there are.
"""

from __future__ import annotations

import json
from typing import Any

from django.db.models import Field, ForeignKey, Lookup
from django.db.models.sql.compiler import SQLCompiler


class AnyOf(Lookup):
    lookup_name = "any_of"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> Any:
        column, params = self.process_lhs(compiler, connection)
        return f"{column} IN (SELECT value FROM json_each(%s))", [*params, json.dumps(list(self.rhs))]  # noqa: S608

    def as_postgresql(self, compiler: SQLCompiler, connection: Any) -> Any:
        column, params = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", [*params, list(self.rhs)]


Field.register_lookup(AnyOf)
ForeignKey.register_lookup(AnyOf)
