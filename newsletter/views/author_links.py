"""Tags for templates: the name of an author or an institution as a link to the page of their papers."""

from __future__ import annotations

from functools import lru_cache

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from newsletter.search.person_names import author_slug, institution_slug

register = template.Library()


@register.simple_tag
@lru_cache(maxsize=20_000)
def author_link(name: str) -> SafeString:
    """Return the name, escaped, as a link to the person's page; without one when it has no letters."""
    return _link("newsletter:author", author_slug(name), name)


@register.simple_tag
@lru_cache(maxsize=2_000)
def institution_link(name: str) -> SafeString:
    """Return the name, escaped, as a link to the institution's page; without one when it has no letters."""
    return _link("newsletter:institution", institution_slug(name), name)


def _link(page: str, slug: str, name: str) -> SafeString:
    return format_html('<a href="{}">{}</a>' if slug else "{1}", reverse(page, args=[slug]) if slug else "", name)
