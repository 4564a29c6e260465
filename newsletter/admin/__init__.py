"""The curator's and the operator's desk. Thin: every button calls one function of a step and says what happened."""

from newsletter.admin import deliveries, editions, papers, sources, streams, webhooks
from newsletter.admin import submissions as community
from newsletter.admin import users as people

__all__ = ["community", "deliveries", "editions", "papers", "people", "sources", "streams", "webhooks"]
