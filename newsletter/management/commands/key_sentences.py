"""`manage.py key_sentences --jsonl FILE`: the sentence that Paperboy would show of each abstract."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from newsletter.catalogue.key_sentence import key_sentence


class Command(BaseCommand):
    help = 'Choose the key sentence of each abstract: {"title","abstract"} a line in, {"title","sentence"} a line out.'

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--jsonl", metavar="FILE", required=True, help="the file; - reads standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["jsonl"]
        if name == "-":
            return self._answer(sys.stdin)
        try:
            with Path(name).open(encoding="utf-8") as file:
                self._answer(file)
        except OSError as error:
            raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{name} is not UTF-8. Convert it first.") from error

    def _answer(self, lines: IO[str]) -> None:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                paper = json.loads(line)
                title, abstract = paper["title"], paper["abstract"]
                sentence = key_sentence(title, abstract)
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise CommandError(
                    f'Line {number} is not an object with "title" and "abstract" as strings. Mend it and run again.'
                ) from error
            self.stdout.write(json.dumps({"title": title, "sentence": sentence}, ensure_ascii=False))
