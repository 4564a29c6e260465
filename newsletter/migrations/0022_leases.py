from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0021_papers_by_day")]

    operations = [
        migrations.CreateModel(
            name="Lease",
            fields=[
                ("name", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("holder", models.CharField(max_length=100)),
                ("until", models.DateTimeField()),
            ],
        ),
    ]
