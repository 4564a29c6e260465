#!/usr/bin/env python
"""Paperboy's command line: `python manage.py help` lists what it can do."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsletter.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        if sys.argv[1:] in (["version"], ["--version"]):  # Django would print its own
            from newsletter.settings import VERSION

            sys.stdout.write(f"{VERSION}\n")
            return
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))  # the sentence alone: a traceback above it is the last thing an operator reads


if __name__ == "__main__":
    main()
