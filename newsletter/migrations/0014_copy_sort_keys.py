"""Give every topic of every paper the paper's day, votes and whether it has code, some thousand papers at a time."""

from datetime import date

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import Max, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce

CHUNK = 20_000


def copy_sort_keys(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    papers = apps.get_model("newsletter", "Paper").objects.using(editor.connection.alias)
    topics = apps.get_model("newsletter", "PaperTopic").objects.using(editor.connection.alias)
    paper = papers.filter(pk=OuterRef("paper_id"))
    for start in range(0, (papers.aggregate(last=Max("pk"))["last"] or 0) + 1, CHUNK):
        topics.filter(paper_id__gte=start, paper_id__lt=start + CHUNK).update(
            listed_on=Subquery(paper.values(day=Coalesce("listed_on", date.min))),
            upvotes=Subquery(paper.values("upvotes")),
            has_code=Subquery(paper.annotate(coded=~Q(code_url="")).values("coded")),
        )


class Migration(migrations.Migration):
    atomic = False  # each chunk stands by itself; doing one twice changes nothing
    dependencies = [("newsletter", "0013_sort_keys_of_topics")]
    operations = [migrations.RunPython(copy_sort_keys, migrations.RunPython.noop, elidable=True)]
