"""Curators and operators plan when editions go out by themselves. A group of that name that is gone stays gone."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

WANTED = ["view_absence", "add_absence", "change_absence", "delete_absence"]
WHO = ["Curators", "Operators"]


def let_curators(apps, schema_editor):
    using = schema_editor.connection.alias
    config = apps.get_app_config("newsletter")
    if not getattr(config, "models_module", None):
        config.models_module = True  # the config of a migration has none, and is passed over without
    create_permissions(config, apps=apps, using=using, verbosity=0)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    for group in apps.get_model("auth", "Group").objects.using(using).filter(name__in=WHO):
        group.permissions.add(*permissions.filter(content_type__app_label="newsletter", codename__in=WANTED))


def forget(apps, schema_editor):
    using = schema_editor.connection.alias
    for group in apps.get_model("auth", "Group").objects.using(using).filter(name__in=WHO):
        group.permissions.remove(*group.permissions.filter(codename__in=WANTED))


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0063_approval_by_a_second_person")]
    operations = [migrations.RunPython(let_curators, forget)]
