"""Sweep the papers after each pass of the scores, not after a fifth of the table changed: lists read swept pages from
their index alone."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def sweep_often(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute("ALTER TABLE newsletter_paper SET (autovacuum_vacuum_scale_factor = 0.01)")


def sweep_as_usual(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute("ALTER TABLE newsletter_paper RESET (autovacuum_vacuum_scale_factor)")


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0018_vectors_need_no_hash")]
    operations = [migrations.RunPython(sweep_often, sweep_as_usual, elidable=False)]
