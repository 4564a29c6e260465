"""The admin for curators and operators. Thin: every button calls one function of a step and reports the result."""

from newsletter.admin import (
    admin_language,
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
    "admin_language",
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
admin_language.translate_names()
