"""What readers see and press, by what they do: coming, staying, leaving."""

from subscriptions.views.about import embed_code, privacy
from subscriptions.views.guards import secret_page
from subscriptions.views.leaving import unsubscribe
from subscriptions.views.preferences import ask_link, move, preferences
from subscriptions.views.signup import confirm, embed, sent, subscribe

__all__ = [
    "ask_link",
    "confirm",
    "embed",
    "embed_code",
    "move",
    "preferences",
    "privacy",
    "secret_page",
    "sent",
    "subscribe",
    "unsubscribe",
]
