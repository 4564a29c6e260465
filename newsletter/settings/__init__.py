"""Every setting of Paperboy, read from the environment (and from `.env` beside manage.py), a file for each concern.

With DEBUG on, everything has a safe local default: SQLite, a mail catcher on port 2525, no broker.
With DEBUG off, a missing secret or postal address stops the start with a sentence that says what to set.
"""

from __future__ import annotations

import logging

from newsletter.settings.data import *
from newsletter.settings.delivery import *
from newsletter.settings.desk import *
from newsletter.settings.environment import *
from newsletter.settings.environment import env
from newsletter.settings.language_and_files import *
from newsletter.settings.mail import *
from newsletter.settings.papers import *
from newsletter.settings.readers import *
from newsletter.settings.safety import *
from newsletter.settings.site import *
from newsletter.settings.watching import *
from newsletter.settings.worker import *

SETTINGS_LIKE_REFERENCES = env.references()  # told by `check --deploy`
for _sentence in env.misspelt():  # not a refusal: the environment belongs to other programs too
    logging.getLogger(__name__).warning("%s", _sentence)
