"""Operators set relay and sender names. A group of that name that is gone stays gone."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

WANTED = ["view_mailsettings", "change_mailsettings"]


def let_operators(apps, schema_editor):
    using = schema_editor.connection.alias
    for name in ("newsletter", "subscriptions"):
        config = apps.get_app_config(name)
        if not getattr(config, "models_module", None):
            config.models_module = True  # the config of a migration has none, and is passed over without
        create_permissions(config, apps=apps, using=using, verbosity=0)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    group = apps.get_model("auth", "Group").objects.using(using).filter(name="Operators").first()
    if group:
        group.permissions.add(*permissions.filter(codename__in=WANTED))


def forget(apps, schema_editor):
    using = schema_editor.connection.alias
    group = apps.get_model("auth", "Group").objects.using(using).filter(name="Operators").first()
    if group:
        group.permissions.remove(*group.permissions.filter(codename__in=WANTED))


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0064_curators_plan_absences"), ("subscriptions", "0023_mail_settings")]
    operations = [migrations.RunPython(let_operators, forget)]
