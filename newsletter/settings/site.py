"""The site: its keys, addresses and name; the parts of Django that it is made of."""

from __future__ import annotations

from newsletter.settings.environment import BASE_DIR, DEBUG, env, required
from subscriptions.settings_from_env import HOST

SECRET_KEY = required("SECRET_KEY", "insecure-development-key-never-for-a-real-site", "a long random string")
SECRET_KEY_FALLBACKS = env.several("SECRET_KEY_FALLBACKS", r".+", "earlier secret keys, separated by commas")
# Suppression and erasure recognise an address by this key. It must never change: rotating SECRET_KEY leaves it alone.
ADDRESS_HASH_KEY = required("ADDRESS_HASH_KEY", "development-address-key", "a second long random string, never changed")
SITE_URL = required("SITE_URL", "http://localhost:8000", "the public address, such as https://papers.example.org")
SITE_URL = SITE_URL.rstrip("/")
SITE_NAME = env.text("SITE_NAME", "Paperboy")
SITE_HOST = env.site_url("SITE_URL", SITE_URL, encrypted=not DEBUG).hostname or ""
ALLOWED_HOSTS = env.several("ALLOWED_HOSTS", HOST, "host names without scheme and port, separated by commas") or [
    SITE_HOST,
    *(["localhost", "127.0.0.1", "[::1]"] if DEBUG else []),
]
POSTAL_ADDRESS = required(
    "POSTAL_ADDRESS", "Paperboy, 1 Example Street, Example Town", "the postal address the law wants in every digest"
)
# How many reverse proxies stand in front: 0 means the address of the connection is the reader's own.
TRUSTED_PROXY_COUNT = env.whole("TRUSTED_PROXY_COUNT", 0, at_least=0, at_most=10)
ADMIN_PATH = env.matching(
    "ADMIN_PATH",
    r"/?[a-z0-9_-]+(/[a-z0-9_-]+)*/?",
    "letters, digits, - and _, such as admin or behind/the-desk",
    "admin",
)
ADMIN_PATH = ADMIN_PATH.strip("/") + "/"

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin.apps.SimpleAdminConfig",  # urls.py loads the admin: workers never need it in memory
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "django_otp_webauthn",
    "csp",
    "subscriptions",
    "newsletter",
]
MIDDLEWARE = [
    "newsletter.views.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "newsletter.views.request_log.RequestLogMiddleware",
    "newsletter.admin.csp.ContentPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "newsletter.admin.admin_language.AdminLanguageMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "newsletter.admin.second_factor_gate.SecondFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "newsletter.urls"
WSGI_APPLICATION = "newsletter.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "newsletter.views.page_context.site",
            ],
            "libraries": {
                "formulas": "newsletter.views.formulas",
                "author_links": "newsletter.views.author_links",
            },
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
