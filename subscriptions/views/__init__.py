"""Readers' pages: sign-up, preferences, unsubscribe, privacy."""

from subscriptions.views.guards import secret_page
from subscriptions.views.interests import one, several
from subscriptions.views.preferences import ask_link, move, preferences
from subscriptions.views.privacy_and_embed import embed_code, privacy
from subscriptions.views.signup import confirm, embed, sent, subscribe
from subscriptions.views.unsubscribe_page import unsubscribe

__all__ = [
    "ask_link",
    "confirm",
    "embed",
    "embed_code",
    "move",
    "one",
    "preferences",
    "privacy",
    "secret_page",
    "sent",
    "several",
    "subscribe",
    "unsubscribe",
]
