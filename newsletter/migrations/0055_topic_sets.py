"""Topics of other fields, switched off, as data: curators switch sets on and edit them from then on.

Topics that are there already, or bear the name of one, stay as they are.
"""

import json
from pathlib import Path

from django.db import migrations

_DATA = Path(__file__).resolve().parent.parent / "data"
_APART = 100  # positions between two fields


def add_sets(apps, schema_editor):
    topics = apps.get_model("subscriptions", "Topic").objects
    translations = apps.get_model("subscriptions", "TopicTranslation").objects
    known = json.loads((_DATA / "topics.json").read_text(encoding="utf-8"))
    topics.filter(slug__in=[one["slug"] for one in known]).update(field="computer-science")
    for number, field in enumerate(json.loads((_DATA / "fields.json").read_text(encoding="utf-8")), start=1):
        for place, said in enumerate(field["topics"]):
            if topics.filter(slug=said["slug"]).exists() or topics.filter(name__iexact=said["name"]).exists():
                continue
            texts = {name: said[name] for name in ("slug", "name", "description", "keywords")}
            stands = {"field": field["slug"], "position": number * _APART + place, "is_active": False}
            translations.create(topic=topics.create(**texts, **stands), language="de", **said["de"])


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0054_timing_buckets"), ("subscriptions", "0017_topic_fields")]
    operations = [migrations.RunPython(add_sets, migrations.RunPython.noop)]
