"""Leave room on the pages of deliveries: each row is updated twice after its claim, in place where there is room."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def leave_room(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute("ALTER TABLE newsletter_delivery SET (fillfactor = 50)")


def fill_up(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    if editor.connection.vendor == "postgresql":
        editor.execute("ALTER TABLE newsletter_delivery RESET (fillfactor)")


class Migration(migrations.Migration):
    dependencies = [("newsletter", "0003_groups")]
    operations = [migrations.RunPython(leave_room, fill_up, elidable=False)]
