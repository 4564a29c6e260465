"""The curator's and the operator's desk. Thin: every button calls one function of a step and says what happened."""

from newsletter.admin import community, deliveries, editions, papers, people, sources, streams, webhooks

__all__ = ["community", "deliveries", "editions", "papers", "people", "sources", "streams", "webhooks"]
