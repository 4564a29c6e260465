"""Corrections of topics from before they had a time count as made now."""

from django.db import migrations
from django.utils import timezone


def date_them(apps, schema_editor):
    rows = apps.get_model("newsletter", "PaperTopic").objects.using(schema_editor.connection.alias)
    rows.filter(origin="curator", curated_at=None).update(curated_at=timezone.now())


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0011_welcome_deliveries")]
    operations = [migrations.RunPython(date_them, migrations.RunPython.noop)]
