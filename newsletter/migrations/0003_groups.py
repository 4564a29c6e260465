"""Two roles to start with: curators choose papers and see no address; operators also send and look after readers.

Django makes permissions only after all migrations have run, so this one makes those it needs itself; the later pass
finds them there. A group of that name that exists already, with whatever it may do, is left alone.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

CURATORS = {
    "newsletter": [
        *("view_paper", "change_paper", "view_sighting"),
        *("view_papertopic", "add_papertopic", "change_papertopic", "delete_papertopic"),
        *("view_edition", "change_edition", "approve_edition", "view_editionitem", "change_editionitem"),
        *("view_sourcerun", "view_sourcehost"),
    ],
    "subscriptions": ["view_topic", "add_topic", "change_topic"],
}
OPERATORS = {
    "newsletter": [
        *CURATORS["newsletter"],
        *("send_edition", "view_delivery", "view_deliveryevent", "view_stream", "change_stream", "view_heartbeat"),
    ],
    "subscriptions": [
        *CURATORS["subscriptions"],
        *("view_subscriber", "change_subscriber", "delete_subscriber", "view_topicpreference", "view_consentevent"),
        *("view_notice", "change_notice", "view_suppression", "change_suppression"),
        *("view_apikey", "change_apikey"),
    ],
}


def add_groups(apps, schema_editor):
    using = schema_editor.connection.alias
    for label in ("newsletter", "subscriptions"):
        config = apps.get_app_config(label)
        if not getattr(config, "models_module", None):
            config.models_module = True  # the config of a migration has none, and is passed over without
        create_permissions(config, apps=apps, using=using, verbosity=0)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    groups = apps.get_model("auth", "Group").objects.using(using)
    for name, wanted in (("Curators", CURATORS), ("Operators", OPERATORS)):
        group, is_new = groups.get_or_create(name=name)
        if is_new:
            for label, codenames in wanted.items():
                found = permissions.filter(content_type__app_label=label, codename__in=codenames)
                if len(found) != len(codenames):
                    missing = set(codenames).difference(one.codename for one in found)
                    raise RuntimeError(f"No such permission in {label}: {', '.join(sorted(missing))}")
                group.permissions.add(*found)


class Migration(migrations.Migration):
    dependencies = [
        ("newsletter", "0002_default_topics"),
        ("subscriptions", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(add_groups, migrations.RunPython.noop)]
