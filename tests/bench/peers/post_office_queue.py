"""django-post_office as its documentation tunes it: 2 processes of 10 threads, rows with a template and a context.

Run by the Python of its own virtual environment; arguments as of django_loop, and `--database URL` of an empty one.
Queueing is not counted, as our planning is not; rendering and sending are.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
from tests.bench.peers import digests

PROCESSES, THREADS, BATCH = 2, 10, 1000


def configure(database: str, port: int) -> None:
    url = urlsplit(database)
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": url.path[1:],
                "USER": url.username,
                "PASSWORD": unquote(url.password or ""),
                "HOST": url.hostname,
                "PORT": url.port,
            }
        },
        TEMPLATES=[
            {"BACKEND": "django.template.backends.django.DjangoTemplates"},
            {"BACKEND": "post_office.template.backends.post_office.PostOfficeTemplates"},
        ],
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=port,
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        POST_OFFICE={
            "BACKENDS": {"default": "django.core.mail.backends.smtp.EmailBackend"},
            "BATCH_SIZE": BATCH,
            "THREADS_PER_PROCESS": THREADS,
            "DEFAULT_PRIORITY": "medium",
            "LOG_LEVEL": 0,
        },
    )
    django.setup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--digests", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--database", required=True)
    args = parser.parse_args()
    configure(args.database, args.port)
    logging.disable(logging.INFO)
    from django.core.management import call_command
    from django.db import connection
    from post_office import mail
    from post_office.models import STATUS, Email, EmailTemplate

    call_command("migrate", verbosity=0)
    known = digests.load(args.digests)
    Email.objects.all().delete()
    EmailTemplate.objects.all().delete()
    stored = EmailTemplate.objects.create(
        name="digest",
        subject="{{ papers.0.title }} + 9 more",
        content=digests.template("txt"),
        html_content=digests.template("html"),
    )
    readers = known["readers"][: args.count]
    mail.send_many(
        [
            {
                "recipients": [reader["email"]],
                "sender": digests.SENDER,
                "template": stored,
                "context": digests.context(known, reader),
                "headers": digests.headers(reader),
                "render_on_delivery": True,
            }
            for reader in readers
        ]
    )
    first = Email.objects.select_related("template").order_by("pk")[0]
    padding = args.size - len(first.email_message().message().as_bytes(linesep="\r\n"))
    stored.html_content = digests.template("html", padding=padding)
    stored.save()
    first = Email.objects.select_related("template").order_by("pk")[0]
    size = len(first.email_message().message().as_bytes(linesep="\r\n"))
    began = time.perf_counter()
    while Email.objects.filter(status=STATUS.queued).exists():
        mail.send_queued(processes=PROCESSES, log_level=0)
        connection.close()  # its children have closed the socket they inherited; its own command does the same
    seconds = time.perf_counter() - began
    sent = Email.objects.filter(status=STATUS.sent).count()
    print(json.dumps({"sent": sent, "seconds": seconds, "size": size}))


if __name__ == "__main__":
    main()
