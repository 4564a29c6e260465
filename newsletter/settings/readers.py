"""Readers: how many may sign up, what is kept of them and how long, what their mails may link to."""

from __future__ import annotations

from newsletter.settings.environment import A_MILLION, TEN_YEARS, env
from newsletter.settings.site import SITE_NAME
from subscriptions.settings_from_env import DOMAIN

# Mails that strangers can make us send, each a bucket that refills over the hour (subscriptions/rate_limits.py).
# One /24 or /64.
SIGNUPS_PER_NETWORK_AND_HOUR = env.whole("SIGNUPS_PER_NETWORK_AND_HOUR", 30, at_least=1, at_most=A_MILLION)
SIGNUPS_PER_DOMAIN_AND_HOUR = env.whole("SIGNUPS_PER_DOMAIN_AND_HOUR", 300, at_least=1, at_most=A_MILLION)
SIGNUPS_PER_HOUR = env.whole("SIGNUPS_PER_HOUR", 2000, at_least=1, at_most=A_MILLION)
# Requests, good or bad.
SIGNUPS_PER_API_KEY_AND_HOUR = env.whole("SIGNUPS_PER_API_KEY_AND_HOUR", 600, at_least=1, at_most=A_MILLION)
# Of one address, in each web process.
API_READS_PER_MINUTE = env.whole("API_READS_PER_MINUTE", 120, at_least=1, at_most=A_MILLION)
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
RETENTION_UNCONFIRMED_DAYS = env.whole("RETENTION_UNCONFIRMED_DAYS", 30, at_least=1, at_most=TEN_YEARS)
# Network address and browser of a consent.
RETENTION_ORIGIN_DAYS = env.whole("RETENTION_ORIGIN_DAYS", 90, at_least=1, at_most=TEN_YEARS)
# After leaving; then as if they had asked to be erased.
RETENTION_LEFT_DAYS = env.whole("RETENTION_LEFT_DAYS", 365, at_least=1, at_most=TEN_YEARS)
RETENTION_NOTICE_DAYS = env.whole("RETENTION_NOTICE_DAYS", 30, at_least=1, at_most=TEN_YEARS)
RETENTION_DELIVERY_DAYS = env.whole("RETENTION_DELIVERY_DAYS", 90, at_least=1, at_most=TEN_YEARS)
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
