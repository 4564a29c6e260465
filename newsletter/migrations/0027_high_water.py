from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0026_operators_see_sign_ins")]

    operations = [
        migrations.CreateModel(
            name="HighWater",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("installation", models.CharField(max_length=32)),
                ("number", models.BigIntegerField(default=0)),
                ("at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.CheckConstraint(name="one_high_water_mark", condition=models.Q(("id", 1)))],
            },
        ),
    ]
