"""The admin for curators and operators. Thin: every button calls one function of a step and reports the result."""

from newsletter.admin import deliveries, editions, letters, papers, sources, streams, submissions, users, webhooks

__all__ = ["deliveries", "editions", "letters", "papers", "sources", "streams", "submissions", "users", "webhooks"]
