"""Delivery: how fast digests and webhooks leave, how often they are tried, who signs them."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from newsletter.settings.environment import A_MILLION, DEBUG, TEN_YEARS, env
from newsletter.settings.mail import MAIL_DOMAIN, RELAYS

# A digest later than this is skipped, not sent.
DELIVERY_GRACE_HOURS = env.whole("DELIVERY_GRACE_HOURS", 6, at_least=1, at_most=720)
DELIVERY_CHUNK = env.whole("DELIVERY_CHUNK", 500, at_least=1, at_most=100_000)
DELIVERY_LEASE_SECONDS = env.whole("DELIVERY_LEASE_SECONDS", 60, at_least=1, at_most=86_400)
DELIVERY_MAX_ATTEMPTS = env.whole("DELIVERY_MAX_ATTEMPTS", 8, at_least=1, at_most=100)
DELIVERY_RETRY_SECONDS = env.whole("DELIVERY_RETRY_SECONDS", 300, at_least=1, at_most=86_400)
# Relays of the fast lane, as EMAIL_URL writes them, each with ?weight=N; empty: EMAIL_URL alone.
DIGEST_RELAYS = env.services("DIGEST_RELAYS", RELAYS, "smtp+tls://user:password@host:587?weight=3")
SMTP_CONNECTIONS = env.whole("SMTP_CONNECTIONS", 16, at_least=1, at_most=10_000)  # per worker process
SMTP_MESSAGES_PER_CONNECTION = env.whole("SMTP_MESSAGES_PER_CONNECTION", 1000, at_least=1, at_most=A_MILLION)
SMTP_SECONDS_PER_CONNECTION = env.whole("SMTP_SECONDS_PER_CONNECTION", 300, at_least=1, at_most=86_400)
# How long the relay may think about a whole message. Giving up early leaves doubtful mails (RFC 5321 §4.5.3.2.6).
SMTP_DOT_TIMEOUT = env.whole("SMTP_DOT_TIMEOUT", 180, at_least=120, at_most=3600)
# Sign digests ourselves, for a relay that does not: an RSA key of 2048 bits or more, in a file outside the project.
DKIM_KEY_FILE = env.signing_key("DKIM_KEY_FILE")
DKIM_SELECTOR = env.domain("DKIM_SELECTOR", "paperboy")
DKIM_DOMAIN = env.domain("DKIM_DOMAIN", MAIL_DOMAIN)
DELIVERY_RATE = env.rate("DELIVERY_RATE", 0.0, at_most=A_MILLION)  # messages a second over all workers; 0: no limit
DELIVERY_DOMAIN_RATES = env.rates("DELIVERY_DOMAIN_RATES", at_most=A_MILLION)  # gmail.com=20,default=50
# Warm-up of a new sending domain: a cap per recipient domain and day that grows until WARMUP_DAYS have passed.
DELIVERY_WARMUP_START_ON = env.day("DELIVERY_WARMUP_START_ON")
DELIVERY_WARMUP_FIRST_DAY = env.whole("DELIVERY_WARMUP_FIRST_DAY", 200, at_least=1, at_most=A_MILLION)
DELIVERY_WARMUP_GROWTH = env.number("DELIVERY_WARMUP_GROWTH", 1.5, at_least=1, at_most=10)
DELIVERY_WARMUP_DAYS = env.whole("DELIVERY_WARMUP_DAYS", 21, at_least=1, at_most=200)
# Of an endpoint that takes nothing.
WEBHOOK_OFF_AFTER_DAYS = env.whole("WEBHOOK_OFF_AFTER_DAYS", 5, at_least=1, at_most=TEN_YEARS)
# Post webhooks to http and to addresses inside this network too: for trying them out on one machine, never for a site.
WEBHOOK_PRIVATE_TARGETS = env.flag("WEBHOOK_PRIVATE_TARGETS")
if WEBHOOK_PRIVATE_TARGETS and not DEBUG:
    raise ImproperlyConfigured("WEBHOOK_PRIVATE_TARGETS lets webhooks reach into your network: only with DEBUG=1.")
# A WebSub hub that tells subscribers of feeds at once; empty: none.
WEBSUB_HUB_URL = env.matching("WEBSUB_HUB_URL", r"https://[\w.-]+(?::\d+)?(?:/[!-;=?-~]*)?", "an https address")
SEND_JITTER_SECONDS = env.whole("SEND_JITTER_SECONDS", 600, at_least=0, at_most=86_400)
