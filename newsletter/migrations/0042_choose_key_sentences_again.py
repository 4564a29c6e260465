from django.db import migrations

BATCH = 5_000


def forget_key_sentences(apps, schema_editor):
    """Make every paper due: the background step chooses by the new weights, newest first."""
    Paper = apps.get_model("newsletter", "Paper")
    rows = Paper.objects.filter(key_sentence__isnull=False).order_by("pk")
    after = 0
    while pks := list(rows.filter(pk__gt=after).values_list("pk", flat=True)[:BATCH]):
        Paper.objects.filter(pk__gte=pks[0], pk__lte=pks[-1]).update(key_sentence=None)
        after = pks[-1]


class Migration(migrations.Migration):
    atomic = False  # batch by batch, each harmless to repeat

    dependencies = [("newsletter", "0041_followed_items")]

    operations = [migrations.RunPython(forget_key_sentences, migrations.RunPython.noop)]
