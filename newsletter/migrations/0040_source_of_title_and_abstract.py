from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0039_key_sentence")]

    operations = [
        migrations.AddField(
            model_name="paper",
            name="title_source",
            field=models.TextField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="paper",
            name="abstract_source",
            field=models.TextField(editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="paper",
            index=models.Index(
                fields=["-first_seen_at", "-id"],
                condition=models.Q(title_source__isnull=True, arxiv_id__isnull=False, merged_into__isnull=True),
                name="papers_without_source",
            ),
        ),
    ]
