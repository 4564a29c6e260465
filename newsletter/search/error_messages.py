"""Why a query cannot be searched for, as a sentence for whoever typed it.

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
            return _("A search can be %(number)d characters long at most.") % {"number": LONGEST}
        case Problem.TOO_MANY_WORDS:
            return _("A search can have %(number)d words at most.") % {"number": MOST_WORDS}
        case Problem.NO_SUCH_FIELD:
            return _(
                "There is no field “%(field)s:”. There are topic:, author:, has:code, after: and before:."
                " Put a blank after the colon if it is part of a title."
            ) % {"field": part}
        case Problem.EMPTY_FIELD:
            return _("“%(field)s” needs a value right after the colon, such as topic:vision.") % {"field": part}
        case Problem.NO_SUCH_TOPIC:
            slugs = Topic.objects.filter(is_active=True).values_list("slug", flat=True)[:_EXAMPLES]
            return _("There is no one topic “%(topic)s”. The topics are: %(topics)s.") % {
                "topic": part,
                "topics": ", ".join(slugs),
            }
        case Problem.NOT_A_DATE:
            return _("“%(text)s” is no date. Write a year, a month or a day, such as 2026, 2026-03 or 2026-03-18.") % {
                "text": part
            }
        case Problem.ONLY_CODE:
            return _("“has:” knows only has:code: papers that come with their code.")
        case Problem.ENDS_BEFORE_IT_BEGINS:
            return _(
                "No paper can be from after that day and from before the other. Do you mean it the other way round?"
            )
        case Problem.NO_LETTERS:
            return _("The papers here are in English: search for English words, names or numbers.")
        case Problem.NO_TELLING_WORDS:
            return _("These words stand in almost every text. Add one that tells the papers you want from the others.")
