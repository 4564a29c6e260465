from django.db import migrations, models
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce

from newsletter.models.papers import UNLISTED

BATCH = 20_000


def date_papers_of_no_list(apps, schema_editor):
    """Give the topics of papers that no daily list had the day of publication, by which *Newest* sorts them."""
    Paper, PaperTopic = apps.get_model("newsletter", "Paper"), apps.get_model("newsletter", "PaperTopic")
    day = Paper.objects.filter(pk=OuterRef("paper_id")).values("published_on")
    rows = PaperTopic.objects.filter(listed_on=UNLISTED, paper__published_on__isnull=False).order_by("pk")
    after = 0
    while pks := list(rows.filter(pk__gt=after).values_list("pk", flat=True)[:BATCH]):
        PaperTopic.objects.filter(pk__gte=pks[0], pk__lte=pks[-1], listed_on=UNLISTED).update(
            listed_on=Coalesce(Subquery(day), UNLISTED)
        )
        after = pks[-1]


class Migration(migrations.Migration):
    atomic = False  # batch by batch, each harmless to repeat

    dependencies = [("newsletter", "0033_operators_judge_letters")]

    operations = [
        migrations.AddField(
            model_name="paper",
            name="reworded_at",
            field=models.DateTimeField(
                editable=False,
                help_text="When its title or abstract last changed. Empty: never.",
                null=True,
            ),
        ),
        migrations.RunPython(date_papers_of_no_list, migrations.RunPython.noop),
    ]
