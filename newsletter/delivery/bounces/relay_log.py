"""What a relay's own log says of our messages: the last word on deliveries that are `unknown`.

In: lines of a Postfix log (syslog or journal), or JSON lines with `message_id` and `status`. Out: Message-IDs the relay
took, each with what it says became of it. A line that makes no sense is passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_QUEUED = re.compile(r"cleanup\[\d+\]: (?P<queue>[0-9A-Za-z]+): message-id=<(?P<id>[^>]+)>")
_STATUS = re.compile(
    r"postfix\S*\[\d+\]: (?P<queue>[0-9A-Za-z]+): to=<[^>]*>.*\bstatus=(?P<status>\w+)(?: \((?P<text>.*)\))?"
)


@dataclass(frozen=True, slots=True)
class Fate:
    """``accepted``: the relay took it over. ``status``: the relay's word (sent, bounced, deferred …) or ""."""

    message_id: str
    status: str = ""
    text: str = ""


def fates(lines: Iterable[str]) -> Iterator[Fate]:
    """One per message the log mentions, in the order of their arrival, with the last status it tells."""
    arrived: dict[str, str] = {}  # queue id -> Message-ID
    last: dict[str, Fate] = {}
    for line in lines:
        if queued := _QUEUED.search(line):
            arrived[queued["queue"]] = queued["id"]
            last.setdefault(queued["id"], Fate(queued["id"]))
        elif (told := _STATUS.search(line)) and told["queue"] in arrived:
            message_id = arrived[told["queue"]]
            last[message_id] = Fate(message_id, told["status"], (told["text"] or "")[:250])
        elif line.lstrip().startswith("{") and (fate := _from_json(line)):
            last[fate.message_id] = fate
    yield from last.values()


def _from_json(line: str) -> Fate | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    if not isinstance(told, dict) or not isinstance(told.get("message_id"), str):
        return None
    return Fate(told["message_id"].strip("<> "), str(told.get("status", "")), str(told.get("text", ""))[:250])
