"""The default topics, as data: curators edit them from then on, and running this again changes nothing."""

import json
from pathlib import Path

from django.db import migrations

_TOPICS = Path(__file__).resolve().parent.parent / "data" / "topics.json"


def add_default_topics(apps, schema_editor):
    topics = apps.get_model("subscriptions", "Topic")
    for position, fields in enumerate(json.loads(_TOPICS.read_text(encoding="utf-8"))):
        slug = fields.pop("slug")
        topics.objects.get_or_create(slug=slug, defaults=fields | {"position": position})


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0001_initial"), ("subscriptions", "0001_initial")]
    operations = [migrations.RunPython(add_default_topics, migrations.RunPython.noop)]
