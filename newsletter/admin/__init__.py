"""The curator's and the operator's desk. Thin: every button calls one function of a step and says what happened."""

from newsletter.admin import deliveries, editions, letters, papers, sources, streams, submissions, users, webhooks

__all__ = ["deliveries", "editions", "letters", "papers", "sources", "streams", "submissions", "users", "webhooks"]
