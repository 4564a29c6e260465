"""Sign-in, cookies, headers, uploads: what keeps strangers out."""

from __future__ import annotations

from csp.constants import NONE, SELF

from newsletter.settings.environment import DEBUG, TEN_YEARS, env
from newsletter.settings.site import SITE_HOST, SITE_NAME, SITE_URL, TRUSTED_PROXY_COUNT

AUTHENTICATION_BACKENDS = ["newsletter.sign_in.PatientBackend"]
# Who must use an authenticator app or a passkey; everybody else may.
SECOND_FACTOR = env.one_of("SECOND_FACTOR", ("nobody", "operators", "staff"), default="nobody")
OTP_TOTP_ISSUER = SITE_NAME
# A passkey is bound to the host name of SITE_URL: another name needs new passkeys.
OTP_WEBAUTHN_RP_ID, OTP_WEBAUTHN_RP_NAME = SITE_HOST, SITE_NAME
OTP_WEBAUTHN_ALLOWED_ORIGINS = [SITE_URL.lower()]  # as browsers write it
OTP_WEBAUTHN_ALLOW_PASSWORDLESS_LOGIN = False
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SECURE_SSL_REDIRECT = False  # the proxy redirects; a redirect here could hit the one-click POST (RFC 8058)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
SECURE_HSTS_SECONDS = env.whole("SECURE_HSTS_SECONDS", 31_536_000, at_least=0, at_most=TEN_YEARS * 86_400)
if DEBUG:
    SECURE_HSTS_SECONDS = 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("SECURE_HSTS_INCLUDE_SUBDOMAINS")
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_AGE = 12 * 3600
LOGIN_REDIRECT_URL = "admin:index"
CSRF_COOKIE_HTTPONLY = True
# Only a reader's library comes as a file. It stays in memory and never reaches the disk.
FILE_UPLOAD_MAX_MEMORY_SIZE = 8 * 2**20  # as views/body_deadline.py has it
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
CSRF_TRUSTED_ORIGINS = [SITE_URL]
X_FRAME_OPTIONS = "SAMEORIGIN"
SILENCED_SYSTEM_CHECKS = [
    "models.W040",  # SQLite leaves out what PostgreSQL's indexes carry beside their keys
    "otp_webauthn.E031",  # http is for DEBUG alone, which SITE_URL sees to
    "security.W005",  # whether every sub-domain speaks https only, an operator knows: SECURE_HSTS_INCLUDE_SUBDOMAINS
    "security.W008",  # no redirect to https here: see SECURE_SSL_REDIRECT
    "security.W019",  # the admin's previews are frames of our own origin
    "security.W021",  # asking browsers' makers to preload us is nothing a default may do
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [SELF],
    },
}
