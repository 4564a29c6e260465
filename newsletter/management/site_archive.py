"""Everything of a site in one signed file, and a new site made of it: `manage.py export_site` and `import_site`.

In: all rows but those that processes, machines and staff accounts own; or a file. Out: a zip of JSON lines, a table
each, with a manifest signed by the key that recognises addresses, which both sites must share. Rows keep their ids, so
links in mails that were sent go on working where SECRET_KEY moves along. Raises ArchiveError, in words.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import zipfile
import zlib
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.color import no_style
from django.core.serializers import deserialize, serialize
from django.core.serializers.base import DeserializationError
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.recorder import MigrationRecorder

FORMAT = 1
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
BATCH = 1000
# What belongs to running processes, to this installation's secrets, or is made anew by itself.
LEFT = {
    *("Allowance", "ApiKey", "Claim", "CuratorMail", "Heartbeat", "HighWater", "Lease", "PaceBucket", "PaperVector"),
    *("SearchEntry", "SearchMemory", "SignIn", "SourceHost", "TimingBucket", "ListImport", "MailSettings"),
    *("WebhookEndpoint", "WebhookEvent", "WebhookDelivery", "Absence", "StaffPreferences", "EditionRevision"),
}
# Settings that say how the site behaves; none holds a secret or an address of this machine.
TOLD = (
    *("SITE_NAME", "LANGUAGE_CODE", "SOURCES", "ARXIV_CATEGORIES", "EDITION_SIZE", "EDITION_CUTOFF_HOUR"),
    *("EDITION_AUTO_APPROVE", "DIGEST_MIN_PAPERS", "WELCOME_DIGEST", "CLICK_TRACKING", "DIGEST_FROM_EMAIL"),
    *("DEFAULT_FROM_EMAIL", "REPLY_TO_EMAIL", "LIST_ID", "POSTAL_ADDRESS", "PRIVACY_CONTROLLER"),
    *("RETENTION_LEFT_DAYS", "RETENTION_DELIVERY_DAYS", "RETENTION_UNCONFIRMED_DAYS"),
)


_BROKEN = (OSError, zipfile.BadZipFile, zlib.error, KeyError, ValueError, DeserializationError, IntegrityError)


class ArchiveError(Exception):
    """The archive cannot be made or taken in; the sentence says what to do."""


def kept_models() -> list[type[models.Model]]:
    """Return the models whose rows move, those without parents first."""
    every = [model for app in ("subscriptions", "newsletter") for model in apps.get_app_config(app).get_models()]
    return [model for model in every if model.__name__ not in LEFT]


def write_archive(file: Path, *, now: datetime) -> dict[str, int]:
    """Write the archive of a database nobody changes meanwhile. Returns the number of rows by model."""
    tables: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(file, "x", zipfile.ZIP_DEFLATED) as archive, transaction.atomic():
        for model in kept_models():
            digest, count = hashlib.sha256(), 0
            with archive.open(f"{model._meta.label}.jsonl", "w") as lines:
                for row in _every_row(model):
                    line = serialize("jsonl", [row]).encode()
                    lines.write(line)
                    digest.update(line)
                    count += 1
            tables[model._meta.label] = {"rows": count, "sha256": digest.hexdigest()}
        manifest = {
            "format": FORMAT,
            "version": settings.VERSION,
            "made_at": now.isoformat(),
            "migrations": _migrations(),
            "settings": {name: getattr(settings, name) for name in TOLD},
            "tables": tables,
        }
        told = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
        archive.writestr(MANIFEST, told)
        archive.writestr(SIGNATURE, _signature(told))
    return {name: table["rows"] for name, table in tables.items()}


def _every_row(model: type[models.Model]) -> Iterator[models.Model]:
    """Yield the rows by key, a batch a question: PostgreSQL's driver would hold the whole table in memory."""
    rows = model._base_manager.order_by("pk")
    batch = list(rows[:BATCH])
    while batch:
        yield from batch
        batch = list(rows.filter(pk__gt=batch[-1].pk)[:BATCH])


def read_archive(file: Path) -> dict[str, int]:
    """Take a whole archive into a new site: all of it or nothing. Returns the number of rows by model."""
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _checked(archive)
            return _take_in(archive, manifest)
    except _BROKEN as error:
        raise ArchiveError(f"{file} is no whole archive of Paperboy ({error}). Copy it again.") from error


def _checked(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Return the manifest. Refuses what is not signed by our key, of another version, or for a site in use."""
    told = archive.read(MANIFEST)
    if not hmac.compare_digest(archive.read(SIGNATURE).decode(), _signature(told)):
        raise ArchiveError(
            "The archive is signed by another key, or was changed. Set ADDRESS_HASH_KEY to that of the site it comes "
            "from: suppressed and erased people are recognised by it."
        )
    manifest: dict[str, Any] = json.loads(told)
    if manifest["format"] != FORMAT or manifest["migrations"] != _migrations():
        raise ArchiveError(
            f"The archive is of Paperboy {manifest['version']}, whose database has another shape. Bring both sites to "
            "one version (manage.py migrate), then export again."
        )
    for name in ("subscriptions.Subscriber", "newsletter.Edition", "newsletter.Paper"):
        if apps.get_model(name)._base_manager.exists():
            raise ArchiveError(
                f"This site has rows of {name} already. An archive is taken in by a new site alone: one that was "
                "migrated and never used."
            )
    return manifest


@transaction.atomic
def _take_in(archive: zipfile.ZipFile, manifest: dict[str, Any]) -> dict[str, int]:
    kept = kept_models()
    for model in reversed(kept):  # what the migrations brought: topics, streams
        model._base_manager.all().delete()
    for model in kept:
        table = manifest["tables"][model._meta.label]
        digest = hashlib.sha256()
        with archive.open(f"{model._meta.label}.jsonl") as lines:
            rows = _rows(lines, digest)
            while chunk := list(islice(rows, BATCH)):
                _insert(model, chunk)
        if digest.hexdigest() != table["sha256"] or model._base_manager.count() != table["rows"]:
            raise ArchiveError(f"The rows of {model._meta.label} are not those that were signed. Copy the file again.")
    connection.check_constraints()
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), kept):
            cursor.execute(statement)
    return {name: table["rows"] for name, table in manifest["tables"].items()}


def _insert(model: type[models.Model], rows: list[models.Model]) -> None:
    """Insert the rows as they are: moments that Django would set to now, too."""
    automatic = [field.name for field in model._meta.concrete_fields if getattr(field, "auto_now_add", False)]
    kept = [[getattr(row, name) for name in automatic] for row in rows]
    model._base_manager.bulk_create(rows)
    if automatic:
        for row, values in zip(rows, kept, strict=True):
            for name, value in zip(automatic, values, strict=True):
                setattr(row, name, value)
        model._base_manager.bulk_update(rows, automatic)


def _rows(lines: Any, digest: Any) -> Iterator[models.Model]:
    """Yield the rows. References to staff accounts, which stay behind, are empty."""
    for line in lines:
        digest.update(line)
        (read,) = deserialize("jsonl", line.decode())
        for field in read.object._meta.concrete_fields:
            if field.related_model and field.related_model._meta.app_label == "auth":
                setattr(read.object, field.attname, None)
        yield read.object


def _migrations() -> dict[str, list[str]]:
    applied = sorted(MigrationRecorder(connection).applied_migrations())
    return {app: [name for of, name in applied if of == app] for app in ("newsletter", "subscriptions")}


def _signature(told: bytes) -> str:
    return hmac.new(f"archive:{settings.ADDRESS_HASH_KEY}".encode(), told, hashlib.sha256).hexdigest()
