"""Loaded before the settings (`-p tests.environment`): the suite has local defaults and its own var folder."""

import os
import tempfile

os.environ["DEBUG"] = "1"
os.environ["SITE_URL"] = "https://papers.example.org"
os.environ["SITE_NAME"] = "Paperboy"
os.environ.setdefault("VAR_DIR", tempfile.mkdtemp(prefix="paperboy-tests-"))
