"""The plain way: for each reader read the row, render the digest, send it over a kept-open connection, mark the row.

`python -m tests.bench.peers.django_loop --digests FILE --count N --size BYTES --port P`, on our own rows.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import django
from django.core.mail import EmailMultiAlternatives, get_connection
from django.template import Context, Template
from django.utils import timezone

from tests.bench.peers import digests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digests", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    args = parser.parse_args()
    django.setup()
    from newsletter.models import Delivery

    known = digests.load(args.digests)
    readers = {reader["id"]: reader for reader in known["readers"]}
    plain = Template(digests.template("txt"))

    def compose(row: Delivery, html: Template) -> EmailMultiAlternatives:
        reader = readers[row.subscriber_id]
        values = Context(digests.context(known, reader))
        message = EmailMultiAlternatives(
            subject=digests.subject(known, reader),
            body=plain.render(values),
            from_email=digests.SENDER,
            to=[row.subscriber.email or ""],
            headers=digests.headers(reader),
        )
        message.attach_alternative(html.render(values), "text/html")
        return message

    rows = Delivery.objects.select_related("subscriber")
    pks = list(rows.filter(state="queued").order_by("pk").values_list("pk", flat=True)[: args.count])
    bare = len(compose(rows.get(pk=pks[0]), Template(digests.template("html"))).message().as_bytes(linesep="\r\n"))
    html = Template(digests.template("html", padding=args.size - bare))
    size = len(compose(rows.get(pk=pks[0]), html).message().as_bytes(linesep="\r\n"))
    began, cpu_began = time.perf_counter(), time.process_time()
    with get_connection(host="127.0.0.1", port=args.port) as connection:
        for pk in pks:
            connection.send_messages([compose(rows.get(pk=pk), html)])
            Delivery.objects.filter(pk=pk).update(state="sent", sent_at=timezone.now(), not_before=None)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    print(json.dumps({"sent": len(pks), "seconds": seconds, "cpu_ms": 1000 * cpu / len(pks), "size": size}))


if __name__ == "__main__":
    main()
