"""Questions about a file in words, and how each is answered.

In: a question of a plan. Out: a sentence, and the option of the command that answers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from subscriptions.list_import.reading_plan import Question


def sentence(question: Question) -> str:
    """Return the question as a sentence, in the active language."""
    examples = ", ".join(question.examples)
    match question.id:
        case "email":
            return _("Several columns hold addresses. Which one is the reader's?")
        case "confirmed_at":
            return _("Several columns hold dates. Which one says when they agreed?")
        case "kind":
            return _("The name of the file says that these are no readers. What are they?")
        case "word":
            return _("What does “%s” mean in the column with the state?") % question.about
        case "dates":
            return _("Does the day or the month come first in dates such as %s?") % examples
        case "zone":
            return _("Dates in the file name no time zone. In which one are they?")
        case "confirmed_at_all" if question.is_required:
            return _("The file does not say when these people agreed. When did they?")
        case "confirmed_at_all":
            return _("Some lines do not say when they agreed. When did they? Without an answer they are refused.")
        case "consent_source":
            return _("Where and how did these people agree? Each reader's record keeps your answer as the proof.")
        case _:
            return _("Which topic is the tag “%s”?") % question.about


def option(question: Question) -> str:
    """Return the option of `import_readers` that answers the question."""
    name = question.choices[0] if question.choices else ""
    return {
        "email": f'--map "{name}=email"',
        "confirmed_at": f'--map "{name}=confirmed_at"',
        "kind": "--as",
        "word": f'--word "{question.about}=reader"',
        "dates": "--dates",
        "zone": "--zone Europe/Berlin",
        "confirmed_at_all": "--confirmed-at 2024-05-31",
        "consent_source": '--consent-source "https://… (form)"',
        "tag": f'--tag "{question.about}={question.suggestion}"',
    }[question.id]
