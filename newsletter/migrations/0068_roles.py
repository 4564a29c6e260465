"""Three more roles: editors do not approve, approvers do not edit, observers see numbers and no address.

Operators make keys and bar addresses in the browser. A group of such a name that exists already is left alone.
"""

from django.contrib.auth.management import create_permissions
from django.db import migrations

EDITORS = [
    *("view_paper", "change_paper", "view_sighting", "view_submission", "change_submission", "view_absence"),
    *("view_papertopic", "add_papertopic", "change_papertopic", "delete_papertopic"),
    *("view_edition", "change_edition", "view_editionitem", "change_editionitem", "view_sourcerun", "view_sourcehost"),
    *("view_topic", "add_topic", "change_topic"),
]
APPROVERS = [
    *("view_paper", "view_sighting", "view_papertopic", "view_edition", "view_editionitem", "approve_edition"),
    *("view_topic", "view_absence", "add_absence", "change_absence", "delete_absence"),
]
OBSERVERS = [
    *("view_edition", "view_editionitem", "view_paper", "view_papertopic", "view_sighting", "view_topic"),
    *("view_absence", "view_stream", "view_heartbeat", "view_sourcerun", "view_sourcehost", "view_refusedrequest"),
]
ROLES = {"Editors": EDITORS, "Approvers": APPROVERS, "Observers": OBSERVERS}
OPERATORS = ["add_apikey", "add_suppression", "view_refusedrequest"]


def add_roles(apps, schema_editor):
    using = schema_editor.connection.alias
    for name in ("newsletter", "subscriptions"):
        config = apps.get_app_config(name)
        if not getattr(config, "models_module", None):
            config.models_module = True  # the config of a migration has none, and is passed over without
        create_permissions(config, apps=apps, using=using, verbosity=0)
    known = apps.get_model("auth", "Permission").objects.using(using)
    known = known.filter(content_type__app_label__in=["newsletter", "subscriptions"])
    groups = apps.get_model("auth", "Group").objects.using(using)
    for role, wanted in ROLES.items():
        group, is_new = groups.get_or_create(name=role)
        if is_new:
            group.permissions.add(*known.filter(codename__in=wanted))
    if operators := groups.filter(name="Operators").first():
        operators.permissions.add(*known.filter(codename__in=OPERATORS))


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0067_headline_lead_and_revisions"), ("subscriptions", "0023_mail_settings")]
    operations = [migrations.RunPython(add_roles, migrations.RunPython.noop)]
