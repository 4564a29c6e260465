"""A provider's webhook over HTTP, in a process of its own: anymail is installed only where it is configured."""

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import django
django.setup()
from datetime import timedelta
from django.test import Client
from django.utils import timezone
from newsletter import planning
from newsletter.delivery.bounces import act_on_report
from newsletter.delivery.compose_message import message_id
from newsletter.models import Delivery, DeliveryEvent, Edition
from subscriptions.models import Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
make_edition(papers=[assign(make_paper(score_daily=1.0), "vision")], state=Edition.State.FROZEN)
make_reader()
planning.plan_due(now=NOON)
row = Delivery.objects.get()
body = {"RecordType": "SpamComplaint", "ID": 42, "Type": "SpamComplaint", "MessageID": "x", "Email": "r@example.net",
        "BouncedAt": "2026-03-18T12:00:00Z", "Metadata": {"delivery": str(row.pk)}}
import sys, json
auth = sys.argv[1]
def post(**headers):
    return Client().post("/anymail/postmark/tracking/", json.dumps(body), content_type="application/json", **headers)
answers = [post().status_code, post(HTTP_AUTHORIZATION=auth).status_code, post(HTTP_AUTHORIZATION=auth).status_code]
act_on_report.act_on_events(now=timezone.now())
print(json.dumps([answers, DeliveryEvent.objects.count(), Subscriber.objects.get().state]))
"""


def test_a_providers_complaint_suppresses_its_reader_once_and_only_with_the_secret(
    migrated_file: Path, tmp_path: Path
) -> None:
    database = shutil.copy(migrated_file, tmp_path / "webhook.sqlite3")
    auth = "Basic " + base64.b64encode(b"hook:secret").decode()
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "newsletter.settings",
        "DATABASE_URL": f"sqlite:///{database}",
        "VAR_DIR": str(tmp_path),
        "EMAIL_BACKEND": "anymail.backends.postmark.EmailBackend",
        "ANYMAIL": json.dumps({"POSTMARK_SERVER_TOKEN": "t", "WEBHOOK_SECRET": "hook:secret"}),
        "ALLOWED_HOSTS": "testserver",
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-c", SCRIPT, auth]
    result = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    answers, events, state = json.loads(result.stdout)
    assert answers == [400, 200, 200]
    assert (events, state) == (1, "suppressed")
