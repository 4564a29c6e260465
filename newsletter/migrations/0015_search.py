"""What search compares, and the index each database keeps of it: triggers on SQLite, a generated column on PostgreSQL.

Whoever alters SearchEntry on SQLite makes its triggers anew: Django copies the table and would drop them.
"""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

NEW = "INSERT INTO newsletter_searchwords (rowid, title, body, names) VALUES (new.paper_id, new.title, new.body, new.names);"
OLD = (
    "INSERT INTO newsletter_searchwords (newsletter_searchwords, rowid, title, body, names)"
    " VALUES ('delete', old.paper_id, old.title, old.body, old.names);"
)
SQLITE = [
    # Stems come cut and folded already. Which column holds a word is kept, where in it is not: phrases are compared
    # on the few papers that have all of their words.
    "CREATE VIRTUAL TABLE newsletter_searchwords USING fts5(title, body, names, content='newsletter_searchentry',"
    " content_rowid='paper_id', detail='column', tokenize=\"ascii tokenchars '+#'\")",
    f"CREATE TRIGGER newsletter_searchwords_insert AFTER INSERT ON newsletter_searchentry BEGIN {NEW} END",
    f"CREATE TRIGGER newsletter_searchwords_delete AFTER DELETE ON newsletter_searchentry BEGIN {OLD} END",
    f"CREATE TRIGGER newsletter_searchwords_update AFTER UPDATE OF title, body, names ON newsletter_searchentry BEGIN {OLD} {NEW} END",
]
# A word, the same word in the title ("title:word"), a name ("name:word"): one index answers for all three.
POSTGRESQL = [
    "ALTER TABLE newsletter_searchentry ADD COLUMN lexemes tsvector NOT NULL GENERATED ALWAYS AS (array_to_tsvector("
    "string_to_array(title, ' ') || string_to_array(body, ' ')"
    r" || string_to_array(regexp_replace(title, '(\S+)', 'title:\1', 'g'), ' ')"
    r" || string_to_array(regexp_replace(names, '(\S+)', 'name:\1', 'g'), ' '))) STORED",
    # Without the list of pending entries a search costs the same right after an ingest.
    "CREATE INDEX papers_by_word ON newsletter_searchentry USING gin (lexemes) WITH (fastupdate = off)",
]


def make_index(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    for statement in POSTGRESQL if editor.connection.vendor == "postgresql" else SQLITE:
        editor.execute(statement)


def drop_index(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute("ALTER TABLE newsletter_searchentry DROP COLUMN lexemes")
    else:
        for name in ("insert", "delete", "update"):
            editor.execute(f"DROP TRIGGER newsletter_searchwords_{name}")
        editor.execute("DROP TABLE newsletter_searchwords")


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0014_copy_sort_keys")]
    operations = [
        migrations.CreateModel(
            name="SearchEntry",
            fields=[
                (
                    "paper",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="search_entry",
                        serialize=False,
                        to="newsletter.paper",
                    ),
                ),
                ("title", models.TextField(blank=True)),
                ("body", models.TextField(blank=True)),
                ("names", models.TextField(blank=True)),
                (
                    "is_stale",
                    models.BooleanField(
                        default=False, help_text="The paper's words have changed; read them again."
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("is_stale", True)), fields=["paper"], name="stale_search_entries"
                    )
                ]
            },
        ),
        migrations.CreateModel(
            name="SearchMemory",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("learnt_at", models.DateTimeField()),
                ("newest_paper", models.BigIntegerField()),
                ("data", models.BinaryField()),
            ],
        ),
        migrations.RunPython(make_index, drop_index, elidable=False),
    ]
