"""Languages, time zone, static files and pictures."""

from __future__ import annotations

from newsletter.settings.environment import BASE_DIR, DEBUG, VAR_DIR, env

LANGUAGES = [
    ("en", "English"),
    ("de", "Deutsch"),
    ("es", "Español"),
    ("fr", "Français"),
    ("zh-hans", "简体中文"),
    ("ja", "日本語"),
]
# Where a reader, or a browser, has none of these.
LANGUAGE_CODE = env.one_of("LANGUAGE_CODE", tuple(dict(LANGUAGES)), default="en")
LOCALE_PATHS = [  # before Django's: its "Save" is "Sichern"
    BASE_DIR / "newsletter" / "locale",
    BASE_DIR / "newsletter" / "admin" / "locale",  # what the desk alone says, in German
]
# No cookie says it: caches tell public pages apart by Accept-Language, and one visitor's cookie would be everybody's.
LANGUAGE_COOKIE_NAME = None
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = env.folder("STATIC_ROOT", VAR_DIR / "static")
if DEBUG:
    STATIC_ROOT = env.writable_folder(
        "STATIC_ROOT", VAR_DIR / "static"
    )  # WhiteNoise finds the files of a checkout by itself, but wants it
MEDIA_ROOT = VAR_DIR / "media"  # pictures of papers, where STORAGES keeps files on this machine
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_ROOT = BASE_DIR / "newsletter" / "static" / "newsletter" / "root"  # what browsers ask for by its bare name
WHITENOISE_MANIFEST_STRICT = False  # a forgotten collectstatic costs the looks of a page, not the way to leave
