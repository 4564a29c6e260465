"""The address an operator names for a test mail: a real one, not barred, within a rehearsal if there is one."""

from __future__ import annotations

from django.core.management.base import CommandError

from newsletter.delivery import trial_mail
from subscriptions.addresses import Address, parse_address


def mailable(text: str) -> Address:
    """Return the address. Raises CommandError with a sentence when no test mail may go there."""
    try:
        address = parse_address(text)
    except ValueError as error:
        raise CommandError(f"{text!r} is no mail address: {error}") from error
    if reason := trial_mail.why_not(address):
        raise CommandError(reason)
    return address
