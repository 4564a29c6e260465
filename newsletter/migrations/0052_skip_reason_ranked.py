from django.db import migrations, models

REASONS = [
    ("empty", "no new ranked paper in the followed topics"),
    ("unsubscribed", "the reader unsubscribed"),
    ("suppressed", "the address is suppressed"),
    ("paused", "the reader paused"),
    ("thin", "fewer papers than the reader wants a mail for"),
    ("late", "too late to be news"),
    ("cancelled", "the edition was cancelled"),
    ("rehearsal", "a rehearsal for others: see MAIL_DRY_RUN_TO"),
    ("restored", "sent before a restore, as far as is known"),
]


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0051_later_versions")]
    operations = [
        migrations.AlterField(
            model_name="delivery",
            name="skip_reason",
            field=models.CharField(blank=True, choices=REASONS, max_length=12),
        ),
    ]
