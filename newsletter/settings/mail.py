"""The relay or provider that mails leave by, their senders, and the mailboxes that answers come back to."""

from __future__ import annotations

from email.utils import parseaddr

from django.core.exceptions import ImproperlyConfigured

from newsletter.settings.environment import env
from newsletter.settings.site import INSTALLED_APPS, SITE_HOST, SITE_NAME
from subscriptions.settings_from_env import ADDRESS, DOMAIN

# smtp: the fast lane; backend: any EMAIL_BACKEND
DIGEST_TRANSPORT = env.one_of("DIGEST_TRANSPORT", ("smtp", "backend"), default="smtp")
RELAYS = {"smtp": False, "smtp+tls": True, "smtps": True, "smtp+ssl": True}
_NO_RELAYS = dict.fromkeys(("consolemail", "filemail", "memorymail", "dummymail"), True)
vars().update(env.mail_server("EMAIL_URL", RELAYS | _NO_RELAYS, default="smtp://127.0.0.1:2525"))
EMAIL_TIMEOUT = env.whole("EMAIL_TIMEOUT", 60, at_least=1, at_most=3600)
EMAIL_SUBJECT_PREFIX = ""
# A provider instead of a relay: EMAIL_BACKEND of django-anymail, its options as JSON (keys, WEBHOOK_SECRET …), and
# DIGEST_TRANSPORT=backend. Its bounces and complaints then come in at /anymail/<provider>/tracking/.
if _backend := env.dotted_path("EMAIL_BACKEND"):
    EMAIL_BACKEND = _backend
ANYMAIL = env.options("ANYMAIL")
if ANYMAIL:
    INSTALLED_APPS.append("anymail")
    if not ANYMAIL.get("WEBHOOK_SECRET"):
        raise ImproperlyConfigured(
            'ANYMAIL needs "WEBHOOK_SECRET": "user:password", or anybody could report bounces. See .env.example.'
        )
    _secrets = ANYMAIL["WEBHOOK_SECRET"]
    for _secret in _secrets if isinstance(_secrets, list) else [_secrets]:
        if not isinstance(_secret, str) or not all(_secret.partition(":")[::2]):
            raise ImproperlyConfigured(
                'The "WEBHOOK_SECRET" in ANYMAIL must be "user:password": without the colon '
                "all events of the provider would be refused. See .env.example."
            )
MAIL_SIGNER = "newsletter.delivery.choose_transport.signed"  # what signs confirmations and notices, with DKIM_KEY_FILE
NOTICE_GATE = "newsletter.delivery.claim_deliveries.may_confirm"  # says whether they may leave: a switch in the admin
EMAIL_CA_FILE = env.certificates("EMAIL_CA_FILE")  # authorities trusted besides the system's, for a private relay
_mail_host = SITE_HOST if "." in SITE_HOST else "paperboy.example"
# Digests and confirmations leave from different addresses, so that trouble with one stream does not touch the other.
DIGEST_FROM_EMAIL = env.mailbox("DIGEST_FROM_EMAIL", f"{SITE_NAME} <digest@{_mail_host}>")
DEFAULT_FROM_EMAIL = env.mailbox("DEFAULT_FROM_EMAIL", f"{SITE_NAME} <hello@{_mail_host}>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
REPLY_TO_EMAIL = env.mailbox("REPLY_TO_EMAIL", DEFAULT_FROM_EMAIL)
# Where people report a hole in our safety: /.well-known/security.txt names it (RFC 9116).
SECURITY_CONTACT = env.text("SECURITY_CONTACT", f"mailto:{parseaddr(DEFAULT_FROM_EMAIL)[1]}")
if not SECURITY_CONTACT.startswith(("mailto:", "https://")):
    raise ImproperlyConfigured(
        f"SECURITY_CONTACT must begin with mailto: or https://, not {SECURITY_CONTACT!r}. See .env.example."
    )
MAIL_DOMAIN = parseaddr(DIGEST_FROM_EMAIL)[1].rpartition("@")[2]
BOUNCE_DOMAIN = env.domain("BOUNCE_DOMAIN", MAIL_DOMAIN)  # bounces come back to b+<id>@BOUNCE_DOMAIN
# The mailbox bounces come back to: imaps://user:password@host/INBOX, pop3s://… or maildir:///path; empty: not read.
BOUNCE_MAILBOX_URL = env.service(
    "BOUNCE_MAILBOX_URL",
    {"imaps": True, "imap+tls": True, "pop3s": True, "maildir": True, "imap": False, "pop3": False},
    "imaps://user:password@host/INBOX",
)
UNSUBSCRIBE_MAILBOX = env.bare_mailbox("UNSUBSCRIBE_MAILBOX")  # set only when that mailbox is really read
LIST_ID = env.domain("LIST_ID", f"digest.{MAIL_DOMAIN}")
EHLO_NAME = env.matching("EHLO_NAME", rf"{DOMAIN}|\[[0-9a-fv:.]+\]", "a host name or [IP address]", MAIL_DOMAIN)
FEEDBACK_SENDER_ID = env.matching("FEEDBACK_SENDER_ID", r"[\w.-]{1,60}", "letters, digits, - and _", "paperboy")
# When set, only these addresses are mailed.
MAIL_DRY_RUN_TO = env.several("MAIL_DRY_RUN_TO", ADDRESS, "mail addresses, separated by commas")
