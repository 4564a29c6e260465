from django.db import migrations, models


class Migration(migrations.Migration):
    """Mails with pictures are a fourth form; no column changes, and older code sends their readers text."""

    dependencies = [
        ("subscriptions", "0024_why_no_digest_came"),
    ]

    operations = [
        migrations.AlterField(
            model_name="subscriber",
            name="mail_format",
            field=models.CharField(
                choices=[
                    ("html", "HTML with a text part"),
                    ("pics", "HTML with pictures from this site"),
                    ("text", "text only"),
                    ("feed", "no mail: my private feed"),
                ],
                default="html",
                max_length=4,
            ),
        ),
    ]
