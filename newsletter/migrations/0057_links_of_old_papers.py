"""Give the code and project page that papers have their rows, some thousand papers at a time."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import Max, Q
from django.utils import timezone

CHUNK = 20_000


def carry_over(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    papers = apps.get_model("newsletter", "Paper").objects.using(editor.connection.alias)
    links = apps.get_model("newsletter", "PaperLink")
    now = timezone.now()
    linked = papers.filter(~Q(code_url="") | ~Q(project_url=""))
    for start in range(0, (papers.aggregate(last=Max("pk"))["last"] or 0) + 1, CHUNK):
        some = linked.filter(pk__gte=start, pk__lt=start + CHUNK)
        rows = [
            links(paper_id=pk, kind=kind, url=url, source=said_by.get(name, "")[:32], seen_at=now, check_after=now)
            for pk, said_by, code, page in some.values_list("pk", "said_by", "code_url", "project_url")
            for name, kind, url in (("code_url", "code", code), ("project_url", "page", page))
            if url
        ]
        links.objects.using(editor.connection.alias).bulk_create(rows, batch_size=2000, ignore_conflicts=True)


class Migration(migrations.Migration):
    atomic = False  # each chunk stands by itself; doing one twice changes nothing
    dependencies = [("newsletter", "0056_paper_links")]
    operations = [migrations.RunPython(carry_over, migrations.RunPython.noop, elidable=True)]
