"""Operators see who tried to sign in. A group of that name that is gone stays gone."""

from django.contrib.auth.management import create_permissions
from django.db import migrations


def let_operators(apps, schema_editor):
    using = schema_editor.connection.alias
    config = apps.get_app_config("newsletter")
    if not getattr(config, "models_module", None):
        config.models_module = True  # the config of a migration has none, and is passed over without
    create_permissions(config, apps=apps, using=using, verbosity=0)
    permission = apps.get_model("auth", "Permission").objects.using(using)
    group = apps.get_model("auth", "Group").objects.using(using).filter(name="Operators").first()
    if group:
        group.permissions.add(*permission.filter(content_type__app_label="newsletter", codename="view_signin"))


def forget(apps, schema_editor):
    using = schema_editor.connection.alias
    group = apps.get_model("auth", "Group").objects.using(using).filter(name="Operators").first()
    if group:
        group.permissions.remove(*group.permissions.filter(codename="view_signin"))


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0025_sign_ins")]
    operations = [migrations.RunPython(let_operators, forget)]
