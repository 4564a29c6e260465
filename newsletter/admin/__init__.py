"""The admin for curators and operators. Thin: every button calls one function of a step and reports the result."""

from newsletter.admin import (
    approval,
    deliveries,
    editions,
    empty_states,
    mail_settings,
    papers,
    sending_pauses,
    sources,
    standing_queries,
    submissions,
    unrecognised_bounces,
    users,
    webhooks,
)

__all__ = [
    "approval",
    "deliveries",
    "editions",
    "empty_states",
    "mail_settings",
    "papers",
    "sending_pauses",
    "sources",
    "standing_queries",
    "submissions",
    "unrecognised_bounces",
    "users",
    "webhooks",
]

empty_states.say()
