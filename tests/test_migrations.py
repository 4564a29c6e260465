"""Migrations run while the code of before goes on working (docs/operations.md, Upgrading)."""

from __future__ import annotations

from django.db import models
from django.db.migrations import AddField, CreateModel, Migration
from django.db.migrations.loader import MigrationLoader

OURS = ("newsletter", "subscriptions")


def created_by(migration: Migration) -> set[str]:
    """Tables that come with the same migration: the code of before writes none of their rows."""
    return {operation.name_lower for operation in migration.operations if isinstance(operation, CreateModel)}


def test_the_code_of_before_can_write_rows_without_columns_it_does_not_know() -> None:
    """It names no new column in its INSERTs, and Django takes a ``default`` out of the database again."""
    loader = MigrationLoader(None)
    now = loader.project_state().models
    added = {
        (app, operation.model_name_lower, operation.name)
        for (app, name), migration in loader.disk_migrations.items()
        if app in OURS and name != "0001_initial"
        for operation in migration.operations
        if isinstance(operation, AddField) and operation.model_name_lower not in created_by(migration)
    }
    assert added
    fields = {(app, model, name): now[app, model].fields.get(name) for app, model, name in added}
    refused = [
        ".".join(place)
        for place, field in fields.items()
        if field is not None and not field.null and field.db_default is models.NOT_PROVIDED
    ]
    assert refused == []
