"""Sentences that say why a search is refused and what to change.

In: a QueryError. Out: the sentence, in the reader's language. Reads the names of topics; may run any number of times.
"""

from __future__ import annotations

from django.utils.translation import gettext as _

from newsletter.search.query import LONGEST, MOST_WORDS, Problem, QueryError
from subscriptions.models import Topic

_EXAMPLES = 20  # topics named


def sentence_of(error: QueryError) -> str:
    part = error.part[:60]
    match error.problem:
        case Problem.TOO_LONG:
            return _("Your search is too long. Use at most %(number)d characters.") % {"number": LONGEST}
        case Problem.TOO_MANY_WORDS:
            return _("Your search has too many words. Use at most %(number)d.") % {"number": MOST_WORDS}
        case Problem.NO_SUCH_FIELD:
            return _(
                "There is no field “%(field)s:”. Use topic:, author:, org:, has:code, after: or before:. If the "
                "colon is part of a title, put a space after it."
            ) % {"field": part}
        case Problem.NO_VENUES:
            return _("There is no “venue:”, because our sources do not say where a paper was published. Leave it out.")
        case Problem.ONLY_EXCLUSIONS:
            return _("This only says what to leave out. Add a word, a topic or an author to look for.")
        case Problem.NOTHING_TO_FOLLOW:
            return _("This names nothing to follow. Add a word, a topic or an author.")
        case Problem.DATE_EXCLUDED:
            return _("A date cannot be left out with “-”. Use after: and before: without it.")
        case Problem.EMPTY_FIELD:
            return _("“%(field)s” needs a value right after the colon, such as topic:vision.") % {"field": part}
        case Problem.NO_SUCH_TOPIC:
            slugs = Topic.objects.filter(is_active=True).values_list("slug", flat=True)[:_EXAMPLES]
            return _("There is no topic “%(topic)s”. Use one of these: %(topics)s.") % {
                "topic": part,
                "topics": ", ".join(slugs),
            }
        case Problem.NOT_A_DATE:
            return _(
                "“%(text)s” is not a date. Write a year, a month or a day, such as 2026, 2026-03 or 2026-03-18."
            ) % {"text": part}
        case Problem.ONLY_CODE:
            return _("“has:” only works as has:code, for papers with code.")
        case Problem.ENDS_BEFORE_IT_BEGINS:
            return _("The date of after: is later than that of before:. Swap them.")
        case Problem.NO_LETTERS:
            return _("The papers are in English. Search for English words, names or numbers.")
        case Problem.NO_TELLING_WORDS:
            return _("These words are too common. Add a more specific one.")
