from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0029_who_said_what")]

    operations = [
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_index=True)),
                ("days", models.PositiveSmallIntegerField(help_text="How many days it looked back.")),
                ("report", models.JSONField()),
            ],
        ),
    ]
