"""The admin for curators and operators. Thin: every button calls one function of a step and reports the result."""

from newsletter.admin import (
    deliveries,
    editions,
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
    "deliveries",
    "editions",
    "papers",
    "sending_pauses",
    "sources",
    "standing_queries",
    "submissions",
    "unrecognised_bounces",
    "users",
    "webhooks",
]
