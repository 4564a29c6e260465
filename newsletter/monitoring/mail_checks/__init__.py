"""Checks of what receivers look at: SPF, DKIM, DMARC, where bounces go, and what a signature covers.

In: names and settings, a function that answers from the DNS, or the bytes of a delivered message. Out: findings, one
sentence each that says what to do. Nothing is stored; ask as often as you like.
"""

from newsletter.monitoring.mail_checks.dkim_coverage import check_message
from newsletter.monitoring.mail_checks.domain import Sender, check_sender
from newsletter.monitoring.mail_checks.findings import Finding, Level, Lookup, NoAnswer

__all__ = ["Finding", "Level", "Lookup", "NoAnswer", "Sender", "check_message", "check_sender"]
