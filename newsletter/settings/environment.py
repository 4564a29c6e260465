"""The environment that all settings are read from, and what several of them need."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from subscriptions.settings_from_env import Environment, read_file

BASE_DIR = Path(__file__).resolve().parent.parent.parent
read_file(os.environ, BASE_DIR / ".env")
env = Environment(os.environ)
env.text("ENV_FILE")  # read above
DEBUG = env.flag("DEBUG")
VAR_DIR = env.writable_folder("VAR_DIR", BASE_DIR / "var")
VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
TEN_YEARS = 3650  # days
A_MILLION = 1_000_000


def required(name: str, default: str, why: str) -> str:
    """Return the setting, or its default when DEBUG is on; else stop with a sentence that says what to set."""
    if value := env.text(name):
        return value
    if DEBUG:
        return default
    raise ImproperlyConfigured(f"Set {name} ({why}). See .env.example; for a local try-out set DEBUG=1 instead.")
