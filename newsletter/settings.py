"""Every setting of Paperboy, read from the environment (and from `.env` beside manage.py).

With DEBUG on, everything has a safe local default: SQLite, a mail catcher on port 2525, no broker.
With DEBUG off, a missing secret or postal address stops the start with a sentence that says what to set.
"""

from __future__ import annotations

import logging
import os
import sys
import tomllib
from datetime import UTC, datetime
from email.utils import parseaddr
from importlib.util import find_spec
from pathlib import Path

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from subscriptions.settings_from_env import ADDRESS, DOMAIN, HOST, Environment, read_file

BASE_DIR = Path(__file__).resolve().parent.parent
read_file(os.environ, BASE_DIR / ".env")
env = Environment(os.environ)
env.text("ENV_FILE")  # read above
VAR_DIR = env.writable_folder("VAR_DIR", BASE_DIR / "var")
VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
_TEN_YEARS = 3650  # days
_A_MILLION = 1_000_000


def _required(name: str, default: str, why: str) -> str:
    """Return the setting, or its default when DEBUG is on; else stop with a sentence that says what to set."""
    if value := env.text(name):
        return value
    if DEBUG:
        return default
    raise ImproperlyConfigured(f"Set {name} ({why}). See .env.example; for a local try-out set DEBUG=1 instead.")


# --- the site -------------------------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG")
SECRET_KEY = _required("SECRET_KEY", "insecure-development-key-never-for-a-real-site", "a long random string")
SECRET_KEY_FALLBACKS = env.several("SECRET_KEY_FALLBACKS", r".+", "earlier secret keys, separated by commas")
# Suppression and erasure recognise an address by this key. It must never change: rotating SECRET_KEY leaves it alone.
ADDRESS_HASH_KEY = _required(
    "ADDRESS_HASH_KEY", "development-address-key", "a second long random string, never changed"
)
SITE_URL = _required("SITE_URL", "http://localhost:8000", "the public address, such as https://papers.example.org")
SITE_URL = SITE_URL.rstrip("/")
SITE_NAME = env.text("SITE_NAME", "Paperboy")
SITE_HOST = env.site_url("SITE_URL", SITE_URL, encrypted=not DEBUG).hostname or ""
ALLOWED_HOSTS = env.several("ALLOWED_HOSTS", HOST, "host names without scheme and port, separated by commas") or [
    SITE_HOST,
    *(["localhost", "127.0.0.1", "[::1]"] if DEBUG else []),
]
POSTAL_ADDRESS = _required(
    "POSTAL_ADDRESS", "Paperboy, 1 Example Street, Example Town", "the postal address the law wants in every digest"
)
# How many reverse proxies stand in front: 0 means the address of the connection is the reader's own.
TRUSTED_PROXY_COUNT = env.whole("TRUSTED_PROXY_COUNT", 0, at_least=0, at_most=10)
ADMIN_PATH = env.matching(
    "ADMIN_PATH",
    r"/?[a-z0-9_-]+(/[a-z0-9_-]+)*/?",
    "letters, digits, - and _, such as admin or behind/the-desk",
    "admin",
)
ADMIN_PATH = ADMIN_PATH.strip("/") + "/"

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin.apps.SimpleAdminConfig",  # urls.py loads the admin: workers never need it in memory
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "subscriptions",
    "newsletter",
]
MIDDLEWARE = [
    "newsletter.views.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "newsletter.views.request_log.RequestLogMiddleware",
    "newsletter.admin.csp.ContentPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "newsletter.admin.admin_language.AdminLanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "newsletter.urls"
WSGI_APPLICATION = "newsletter.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "newsletter.views.page_context.site",
            ],
            "libraries": {
                "formulas": "newsletter.views.formulas",
                "author_links": "newsletter.views.author_links",
            },
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- data -----------------------------------------------------------------------------------------------------------
DATABASES = {"default": env.database("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'paperboy.sqlite3'}")}
_CONN_MAX_AGE = env.whole("CONN_MAX_AGE", 60, at_least=0, at_most=86_400)
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # The site and `work` write side by side: write-ahead log, write locks taken at BEGIN, a wait instead of an error.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = _CONN_MAX_AGE
    # PgBouncer in transaction mode gives the next statement another connection, where such a cursor does not exist.
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # libpq's own words. A server that vanishes without a word, as in a failover, is noticed within half a minute; what
    # stands behind ? in DATABASE_URL outranks these.
    _FAILOVER = {"connect_timeout": 5, "keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 2}
    _FAILOVER["tcp_user_timeout"] = 30_000  # milliseconds
    DATABASES["default"]["OPTIONS"] = _FAILOVER | DATABASES["default"].get("OPTIONS", {})

# Empty: no broker, `manage.py work` does everything in one process.
REDIS_URL = env.service("REDIS_URL", {"redis": True, "rediss": True, "unix": True}, "redis://host:6379/0")
# In each process, not in Redis: what is kept is small and soon made anew, and no page ever waits for the broker.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- mail -----------------------------------------------------------------------------------------------------------
# smtp: the fast lane; backend: any EMAIL_BACKEND
DIGEST_TRANSPORT = env.one_of("DIGEST_TRANSPORT", ("smtp", "backend"), default="smtp")
_RELAYS = {"smtp": False, "smtp+tls": True, "smtps": True, "smtp+ssl": True}
_NO_RELAYS = dict.fromkeys(("consolemail", "filemail", "memorymail", "dummymail"), True)
vars().update(env.mail_server("EMAIL_URL", _RELAYS | _NO_RELAYS, default="smtp://127.0.0.1:2525"))
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

# --- readers --------------------------------------------------------------------------------------------------------
# Mails that strangers can make us send, each a bucket that refills over the hour (subscriptions/rate_limits.py).
# One /24 or /64.
SIGNUPS_PER_NETWORK_AND_HOUR = env.whole("SIGNUPS_PER_NETWORK_AND_HOUR", 30, at_least=1, at_most=_A_MILLION)
SIGNUPS_PER_DOMAIN_AND_HOUR = env.whole("SIGNUPS_PER_DOMAIN_AND_HOUR", 300, at_least=1, at_most=_A_MILLION)
SIGNUPS_PER_HOUR = env.whole("SIGNUPS_PER_HOUR", 2000, at_least=1, at_most=_A_MILLION)
# Requests, good or bad.
SIGNUPS_PER_API_KEY_AND_HOUR = env.whole("SIGNUPS_PER_API_KEY_AND_HOUR", 600, at_least=1, at_most=_A_MILLION)
# Of one address, in each web process.
API_READS_PER_MINUTE = env.whole("API_READS_PER_MINUTE", 120, at_least=1, at_most=_A_MILLION)
# A form filled in faster was not filled in by a person.
SIGNUP_SECONDS_MIN = env.whole("SIGNUP_SECONDS_MIN", 2, at_least=0, at_most=600)
# Mail domains whose addresses are not taken, such as those of throw-away mailboxes; a domain stands for all below it.
REFUSED_MAIL_DOMAINS = env.several("REFUSED_MAIL_DOMAINS", DOMAIN, "mail domains, separated by commas")
# A function(request) -> bool that says whether a signup comes from a person: a captcha or proof of work of your own.
SIGNUP_GUARD = env.dotted_path("SIGNUP_GUARD")
# Where the signup form finds two current papers of each topic: a function that returns titles by topic slug.
TOPIC_EXAMPLES = "newsletter.views.signup_preview.examples"
# What reads a query that somebody wants to follow, and what tells what it would have brought in the last 30 days.
READ_FOLLOW = "newsletter.search.standing_queries.follow_key"
FOLLOW_PREVIEW = "newsletter.views.follow_preview.told"
# What reads the papers that somebody brings while signing up, and what puts them into the library once confirmed.
READ_LIBRARY = "newsletter.interests.library_from_signup.read_at_signup"
KEEP_LIBRARY = "newsletter.interests.library_from_signup.keep_from_signup"
# What writes and reads what readers told of papers, in their CSV: library, verdicts, what they removed from profiles.
CSV_ROWS = "newsletter.interests.library_and_feedback_csv.CsvRows"
# Which digests a reader was planned for already, and which one comes next: functions that ask the rows.
DIGESTS_HAD = "newsletter.planning.next_digest.digests_had"
NEXT_DIGEST = "newsletter.planning.next_digest.next_digest"
# What takes the address of an erased reader out of rows that `subscriptions` does not know.
FORGET_ADDRESS = "newsletter.delivery.bounces.unrecognised.forget"
# How long we keep what we know; the privacy page tells readers these very numbers.
RETENTION_UNCONFIRMED_DAYS = env.whole("RETENTION_UNCONFIRMED_DAYS", 30, at_least=1, at_most=_TEN_YEARS)
# Network address and browser of a consent.
RETENTION_ORIGIN_DAYS = env.whole("RETENTION_ORIGIN_DAYS", 90, at_least=1, at_most=_TEN_YEARS)
# After leaving; then as if they had asked to be erased.
RETENTION_LEFT_DAYS = env.whole("RETENTION_LEFT_DAYS", 365, at_least=1, at_most=_TEN_YEARS)
RETENTION_NOTICE_DAYS = env.whole("RETENTION_NOTICE_DAYS", 30, at_least=1, at_most=_TEN_YEARS)
RETENTION_DELIVERY_DAYS = env.whole("RETENTION_DELIVERY_DAYS", 90, at_least=1, at_most=_TEN_YEARS)
# Count which papers are opened from the mails, of readers who tick a box of their own for it. Off: no trace of it.
CLICK_TRACKING = env.flag("CLICK_TRACKING")
PRIVACY_CONTROLLER = env.text("PRIVACY_CONTROLLER", SITE_NAME)
# "Company, country: what for", one each.
PRIVACY_PROCESSORS = env.several("PRIVACY_PROCESSORS", r".+", "names, separated by commas")
# Hosts that a digest may link to beside our own; a leading dot takes every host below.
PAPER_LINK_HOSTS = env.several(
    "PAPER_LINK_HOSTS",
    rf"\.?{DOMAIN}",
    "host names, separated by commas",
    default=[
        *("arxiv.org", "github.com", "www.github.com", ".github.io", "gitlab.com", ".gitlab.io", "gitee.com"),
        *("huggingface.co", ".hf.space", "openreview.net", "aclanthology.org", "doi.org", "www.nature.com"),
        *("proceedings.mlr.press", "papers.nips.cc", "openaccess.thecvf.com", "www.biorxiv.org", "www.medrxiv.org"),
        *("anonymous.4open.science", "sites.google.com", "zenodo.org", "monai.io"),
    ],
)

# --- the pipeline ---------------------------------------------------------------------------------------------------
# Sources that are asked over the network, one file each; none on a laptop. See docs/adding-a-source.md.
_SOURCES = [
    file.stem
    for file in sorted((BASE_DIR / "newsletter/catalogue/sources").glob("*.py"))
    if "\nPOLL_EVERY = " in file.read_text(encoding="utf-8")
]
SOURCES = env.some_of("SOURCES", _SOURCES, default=[] if DEBUG else _SOURCES)
# Ask each link of a paper once whether it answers, and GitHub, GitLab, Codeberg, Hugging Face for licence and stars.
CHECK_LINKS = env.flag("CHECK_LINKS", default=bool(SOURCES))
GITHUB_TOKEN = env.text("GITHUB_TOKEN", "")  # without scopes; 5,000 questions an hour instead of 60
# Where readers' own libraries are fetched from, when they ask for it.
ZOTERO_API_URL = env.text("ZOTERO_API_URL", "https://api.zotero.org").rstrip("/")
ORCID_API_URL = env.text("ORCID_API_URL", "https://pub.orcid.org").rstrip("/")
for _name, _url in (("ZOTERO_API_URL", ZOTERO_API_URL), ("ORCID_API_URL", ORCID_API_URL)):
    env.site_url(_name, _url, encrypted=not DEBUG)
ARXIV_CATEGORIES = env.several(
    "ARXIV_CATEGORIES",
    r"[a-z]+(-[a-z]+)*(\.[a-z-]+)?",
    "categories of arXiv such as cs.AI,stat.ML",
    default=["cs.AI", "cs.CL", "cs.CV", "cs.LG"],
)
# Sources that are asked only for what is named here.
FEEDS = env.several(
    "FEEDS",
    r"https://[^\s,]{1,1900}",
    "https addresses of Atom or RSS feeds, separated by commas (one within is %2C)",
)
HACKER_NEWS = env.flag("HACKER_NEWS")  # count the points of stories about papers
OPENALEX_CITATIONS = env.flag("OPENALEX_CITATIONS")  # count the citations of young papers
OPENALEX_FILTER = env.several(
    "OPENALEX_FILTER",
    r"[a-z_.]+:[^\s,&?#]{1,500}",
    "filters of works that all have to fit, such as primary_topic.field.id:20,language:en",
)
OPENALEX_KEY = env.text("OPENALEX_KEY")
OPENREVIEW_VENUES = env.several(
    "OPENREVIEW_VENUES", r"[\w.-]+(/[\w.-]+){0,9}", "ids of venues such as ICLR.cc/2026/Conference,TMLR"
)
PREPRINT_SERVERS = env.several("PREPRINT_SERVERS", "biorxiv|medrxiv", "biorxiv, medrxiv or both")
# Counters that do not count for the ranking, though they are kept.
MUTED_SIGNALS = env.some_of(
    "MUTED_SIGNALS", ("upvotes", "stars", "comments", "votes", "verdicts", "points", "citations"), default=[]
)
# auto: the extra `semantic` is used where it is installed; off: as if it were not
SEMANTIC = env.one_of("SEMANTIC", ("auto", "off"), default="auto")
EDITION_AUTO_APPROVE = env.flag("EDITION_AUTO_APPROVE")
EDITION_SECOND_PERSON = env.flag("EDITION_SECOND_PERSON")  # who edited an edition last does not approve it
CURATOR_MAILS = env.flag("CURATOR_MAILS", default=True)  # tell curators by mail that a draft waits for them
EDITION_CUTOFF_HOUR = env.whole("EDITION_CUTOFF_HOUR", 4, at_least=0, at_most=23)  # UTC; arXiv has announced by then
EDITION_SIZE = env.whole("EDITION_SIZE", 60, at_least=1, at_most=5000)  # candidate papers in one edition
DIGEST_MIN_PAPERS = env.whole("DIGEST_MIN_PAPERS", 1, at_least=0, at_most=100)
WELCOME_DIGEST = env.flag("WELCOME_DIGEST", default=True)  # the newest edition, once a reader has confirmed
# A digest later than this is skipped, not sent.
DELIVERY_GRACE_HOURS = env.whole("DELIVERY_GRACE_HOURS", 6, at_least=1, at_most=720)
DELIVERY_CHUNK = env.whole("DELIVERY_CHUNK", 500, at_least=1, at_most=100_000)
DELIVERY_LEASE_SECONDS = env.whole("DELIVERY_LEASE_SECONDS", 60, at_least=1, at_most=86_400)
DELIVERY_MAX_ATTEMPTS = env.whole("DELIVERY_MAX_ATTEMPTS", 8, at_least=1, at_most=100)
DELIVERY_RETRY_SECONDS = env.whole("DELIVERY_RETRY_SECONDS", 300, at_least=1, at_most=86_400)
# Relays of the fast lane, as EMAIL_URL writes them, each with ?weight=N; empty: EMAIL_URL alone.
DIGEST_RELAYS = env.services("DIGEST_RELAYS", _RELAYS, "smtp+tls://user:password@host:587?weight=3")
SMTP_CONNECTIONS = env.whole("SMTP_CONNECTIONS", 16, at_least=1, at_most=10_000)  # per worker process
SMTP_MESSAGES_PER_CONNECTION = env.whole("SMTP_MESSAGES_PER_CONNECTION", 1000, at_least=1, at_most=_A_MILLION)
SMTP_SECONDS_PER_CONNECTION = env.whole("SMTP_SECONDS_PER_CONNECTION", 300, at_least=1, at_most=86_400)
# How long the relay may think about a whole message. Giving up early leaves doubtful mails (RFC 5321 §4.5.3.2.6).
SMTP_DOT_TIMEOUT = env.whole("SMTP_DOT_TIMEOUT", 180, at_least=120, at_most=3600)
# Sign digests ourselves, for a relay that does not: an RSA key of 2048 bits or more, in a file outside the project.
DKIM_KEY_FILE = env.signing_key("DKIM_KEY_FILE")
DKIM_SELECTOR = env.domain("DKIM_SELECTOR", "paperboy")
DKIM_DOMAIN = env.domain("DKIM_DOMAIN", MAIL_DOMAIN)
DELIVERY_RATE = env.rate("DELIVERY_RATE", 0.0, at_most=_A_MILLION)  # messages a second over all workers; 0: no limit
DELIVERY_DOMAIN_RATES = env.rates("DELIVERY_DOMAIN_RATES", at_most=_A_MILLION)  # gmail.com=20,default=50
# Warm-up of a new sending domain: a cap per recipient domain and day that grows until WARMUP_DAYS have passed.
DELIVERY_WARMUP_START_ON = env.day("DELIVERY_WARMUP_START_ON")
DELIVERY_WARMUP_FIRST_DAY = env.whole("DELIVERY_WARMUP_FIRST_DAY", 200, at_least=1, at_most=_A_MILLION)
DELIVERY_WARMUP_GROWTH = env.number("DELIVERY_WARMUP_GROWTH", 1.5, at_least=1, at_most=10)
DELIVERY_WARMUP_DAYS = env.whole("DELIVERY_WARMUP_DAYS", 21, at_least=1, at_most=200)
# Of an endpoint that takes nothing.
WEBHOOK_OFF_AFTER_DAYS = env.whole("WEBHOOK_OFF_AFTER_DAYS", 5, at_least=1, at_most=_TEN_YEARS)
# Post webhooks to http and to addresses inside this network too: for trying them out on one machine, never for a site.
WEBHOOK_PRIVATE_TARGETS = env.flag("WEBHOOK_PRIVATE_TARGETS")
if WEBHOOK_PRIVATE_TARGETS and not DEBUG:
    raise ImproperlyConfigured("WEBHOOK_PRIVATE_TARGETS lets webhooks reach into your network: only with DEBUG=1.")
# A WebSub hub that tells subscribers of feeds at once; empty: none.
WEBSUB_HUB_URL = env.matching("WEBSUB_HUB_URL", r"https://[\w.-]+(?::\d+)?(?:/[!-;=?-~]*)?", "an https address")
SEND_JITTER_SECONDS = env.whole("SEND_JITTER_SECONDS", 600, at_least=0, at_most=86_400)

# --- Celery: wakes only; rows in the database drive (docs/decisions) -----------------------------------------------
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SOFT_TIME_LIMIT = 420  # a slice of delivery and the longest wait for a relay's last answer
CELERY_TASK_TIME_LIMIT = 480
CELERY_VISIBILITY_TIMEOUT = 3600  # must exceed the hard limit times (prefetch + 1), or a task runs twice at once
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": CELERY_VISIBILITY_TIMEOUT,
    "socket_timeout": 30,
    "socket_connect_timeout": 5,
    "socket_keepalive": True,
    "health_check_interval": 25,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "global_keyprefix": "paperboy:",
}
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"visibility_timeout": CELERY_VISIBILITY_TIMEOUT}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = env.whole("WORKER_SOFT_SHUTDOWN_SECONDS", 30, at_least=0, at_most=3600)
CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE = False  # rows drive: nothing is lost, and an idle worker ends at once
CELERY_WORKER_MAX_TASKS_PER_CHILD = 1000
# KiB; a worker that has read papers by the extra `semantic` holds its model
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 256_000 if SEMANTIC == "off" or find_spec("onnxruntime") is None else 768_000
CELERY_WORKER_ETA_TASK_LIMIT = 1000
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "maintenance"
CELERY_TASK_ROUTES = {
    "subscriptions.tasks.send_notices": {"queue": "confirm"},
    "newsletter.tasks.mail_curators": {"queue": "ingest"},  # the queue `confirm` is for who waits in front of a page
    "newsletter.tasks.deliver": {"queue": "digest"},
    "newsletter.tasks.plan": {"queue": "digest"},
    "newsletter.tasks.ingest": {"queue": "ingest"},
    "newsletter.tasks.check_links": {"queue": "ingest"},
    "newsletter.tasks.ping_hub": {"queue": "ingest"},
    "newsletter.tasks.call_webhooks": {"queue": "ingest"},  # as slow as other people's hosts are
    "newsletter.tasks.listen": {"queue": "ingest"},  # as slow as the bounce mailbox is
    "newsletter.tasks.reconcile": {"queue": "ingest"},  # minutes for a long list
}
TICK_SECONDS = env.whole("TICK_SECONDS", 60, at_least=1, at_most=3600)
# A task that waited longer is dropped: a later tick asked the same. Far above what clocks of workers may be apart, as
# the worker's own clock judges it: one that is two minutes ahead must not drop all its tasks.
TASK_EXPIRES_SECONDS = max(300, 5 * TICK_SECONDS)
CELERY_BEAT_SCHEDULE = {
    "tick": {
        "task": "newsletter.tasks.tick",
        "schedule": TICK_SECONDS,
        "options": {"expires": TASK_EXPIRES_SECONDS},
        "last_run_at": datetime(2000, 1, 1, tzinfo=UTC),  # due when beat starts, not a tick later
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_TIMEZONE = "UTC"

# --- watching -------------------------------------------------------------------------------------------------------
# Who may read /metrics: who sends this as a bearer token, or comes from one of these networks. Neither: no such page.
METRICS_TOKEN = env.matching("METRICS_TOKEN", r"\S{16,200}", "16 characters or more, without spaces")
METRICS_NETWORKS = env.networks("METRICS_NETWORKS")
# Errors of every process go there, without addresses, readers' links, form fields or cookies. Empty: nowhere.
SENTRY_DSN = env.service("SENTRY_DSN", {"https": True, "http": True}, "https://key@sentry.example.org/1")
SENTRY_ENVIRONMENT = env.matching("SENTRY_ENVIRONMENT", r"[\w.-]{1,64}", "letters, digits, - and _", "production")
LOG_FORMAT = env.one_of("LOG_FORMAT", ("line", "json"), default="line")

# --- language, time, static files -----------------------------------------------------------------------------------
LANGUAGES = [
    ("en", "English"),
    ("de", "Deutsch"),
    ("es", "Español"),
    ("fr", "Français"),
    ("zh-hans", "简体中文"),
    ("ja", "日本語"),
]
# Where a reader, or a browser, has none of these.
LANGUAGE_CODE = env.one_of("LANGUAGE_CODE", tuple(dict(LANGUAGES)), default="en")
LOCALE_PATHS = [BASE_DIR / "newsletter" / "locale"]  # before Django's: its "Save" is "Sichern"
# No cookie says it: caches tell public pages apart by Accept-Language, and one visitor's cookie would be everybody's.
LANGUAGE_COOKIE_NAME = None
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = env.folder("STATIC_ROOT", VAR_DIR / "static")
if DEBUG:
    STATIC_ROOT = env.writable_folder(
        "STATIC_ROOT", VAR_DIR / "static"
    )  # WhiteNoise finds the files of a checkout by itself, but wants it
MEDIA_ROOT = VAR_DIR / "media"  # pictures of papers, where STORAGES keeps files on this machine
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_ROOT = BASE_DIR / "newsletter" / "static" / "newsletter" / "root"  # what browsers ask for by its bare name
WHITENOISE_MANIFEST_STRICT = False  # a forgotten collectstatic costs the looks of a page, not the way to leave

# --- safety ---------------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["newsletter.sign_in.PatientBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SECURE_SSL_REDIRECT = False  # the proxy redirects; a redirect here could hit the one-click POST (RFC 8058)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
SECURE_HSTS_SECONDS = env.whole("SECURE_HSTS_SECONDS", 31_536_000, at_least=0, at_most=_TEN_YEARS * 86_400)
if DEBUG:
    SECURE_HSTS_SECONDS = 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("SECURE_HSTS_INCLUDE_SUBDOMAINS")
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_AGE = 12 * 3600
LOGIN_REDIRECT_URL = "admin:index"
CSRF_COOKIE_HTTPONLY = True
# Only a reader's library comes as a file. It stays in memory and never reaches the disk.
FILE_UPLOAD_MAX_MEMORY_SIZE = 8 * 2**20  # as views/body_deadline.py has it
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
CSRF_TRUSTED_ORIGINS = [SITE_URL]
X_FRAME_OPTIONS = "SAMEORIGIN"
SILENCED_SYSTEM_CHECKS = [
    "models.W040",  # SQLite leaves out what PostgreSQL's indexes carry beside their keys
    "security.W005",  # whether every sub-domain speaks https only, an operator knows: SECURE_HSTS_INCLUDE_SUBDOMAINS
    "security.W008",  # no redirect to https here: see SECURE_SSL_REDIRECT
    "security.W019",  # the admin's previews are frames of our own origin
    "security.W021",  # asking browsers' makers to preload us is nothing a default may do
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [SELF],
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "subscriptions.log_redaction.DiscreetFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
        "json": {"class": "subscriptions.log_context.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "stream": sys.stderr, "formatter": LOG_FORMAT}},
    "root": {
        "handlers": ["stderr"],
        "level": env.one_of("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO"),
    },
    "loggers": {
        "httpx": {"level": "WARNING"},  # a line a request; source runs say more
        "pylatexenc": {"level": "ERROR"},  # a line for each odd macro, hundreds in one abstract
        "bibtexparser": {"level": "ERROR"},  # a line for each broken entry; the reader of the file is told
    },
}
UNFOLD = {
    "SITE_TITLE": SITE_NAME,
    "SITE_HEADER": SITE_NAME,
    "SITE_SUBHEADER": f"Paperboy {VERSION}",  # on every page
    "SITE_URL": "/",
    "SITE_ICON": "newsletter.admin.theme.icon",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "newsletter.admin.theme.icon"}],
    "SHOW_HISTORY": True,
    "STYLES": ["newsletter.admin.theme.style"],
    "DASHBOARD_CALLBACK": "newsletter.admin.dashboard.fill",
    "ACCOUNT": {"navigation": "newsletter.admin.theme.account"},
    "SIDEBAR": {"navigation": "newsletter.admin.theme.navigation"},
    # Ink and amber: the site's colours, in the steps that Unfold's classes use.
    "COLORS": {
        "base": {
            **{"50": "#f7f6f2", "100": "#f1f0eb", "200": "#e3e1d9"},
            **{"300": "#cfccc2", "400": "#9c998e", "500": "#6f6c63"},
            **{"600": "#55534c", "700": "#3f3d38", "800": "#2b2a27", "900": "#191917", "950": "#131312"},
        },
        "primary": {
            **{"50": "#fff9e6", "100": "#fff1c7", "200": "#ffe48f"},
            **{"300": "#ffd45c", "400": "#ffcc33", "500": "#d39a0c"},
            **{"600": "#8a5d00", "700": "#704b00", "800": "#583b00", "900": "#402b00", "950": "#2a1c00"},
        },
    },
}
SETTINGS_LIKE_REFERENCES = env.references()  # told by `check --deploy`
for _sentence in env.misspelt():  # not a refusal: the environment belongs to other programs too
    logging.getLogger(__name__).warning("%s", _sentence)
