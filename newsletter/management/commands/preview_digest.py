"""Preview digests: `manage.py preview_digest --as topics=speech-audio --cadence weekly --open`.

In: preferences of made-up readers. Out: HTML, text and .eml files and a page that lists them. The database stays as it
is.
"""

from __future__ import annotations

import webbrowser
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from newsletter.mail.compile_edition import CompileError
from newsletter.management.preview_files import (
    PERSONA_FIELDS,
    PersonaError,
    Preview,
    edition_to_show,
    persona_of,
    write_index,
    write_preview,
)
from newsletter.models import Edition
from newsletter.monitoring.digest_previews import sample_personas


class Command(BaseCommand):
    help = "Write the digest of made-up readers as HTML, text and .eml files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--as", dest="wishes", action="append", help=f"a reader: {PERSONA_FIELDS}; default: three samples"
        )
        parser.add_argument("--cadence", choices=Edition.Cadence.values, default=Edition.Cadence.DAILY)
        parser.add_argument("--output", type=Path, default=settings.VAR_DIR / "previews", help="folder of the files")
        parser.add_argument("--open", action="store_true", help="open the result in the browser")

    def handle(self, *, wishes: list[str] | None, cadence: str, output: Path, **options: Any) -> None:
        now = timezone.now()
        shown: list[Preview] = []
        try:
            with edition_to_show(cadence, now=now) as edition:
                if not edition.items.exists():
                    raise CommandError("There are no papers to show. Import some, or run `manage.py load_sample`.")
                for persona in [persona_of(each) for each in wishes or []] or sample_personas(edition):
                    shown.append(write_preview(edition, persona=persona, folder=output, now=now))
        except (PersonaError, CompileError) as error:
            raise CommandError(str(error)) from error
        except ValueError as error:
            raise CommandError(f"No paper of the {cadence} edition fits this reader ({error}).") from error
        page = write_index(shown, folder=output)
        for each in shown:
            self.stdout.write(f"{each.stem.with_suffix('.eml')}  {each.subject}")
        if options["open"]:
            webbrowser.open((shown[0].stem.with_suffix(".html") if len(shown) == 1 else page).resolve().as_uri())
