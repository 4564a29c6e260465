"""`manage.py key_sentences --jsonl FILE`: the sentence that Paperboy would show of each abstract."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from newsletter.catalogue.key_sentence import key_sentence
from newsletter.management.json_lines import read_json_lines


class Command(BaseCommand):
    help = 'Choose the key sentence of each abstract: {"title","abstract"} a line in, {"title","sentence"} a line out.'

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--jsonl", metavar="FILE", required=True, help="the file; - reads standard input")

    def handle(self, *args: Any, **options: Any) -> None:
        for line in read_json_lines(options["jsonl"]):
            title = line.text("title")
            answer = {"title": title, "sentence": key_sentence(title, line.text("abstract"))}
            self.stdout.write(json.dumps(answer, ensure_ascii=False))
