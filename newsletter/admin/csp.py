"""Content-Security-Policy: a strict policy for the site, and one that lets the admin work.

In: a response on its way out. Out: its header. The admin runs scripts of our own origin only;
Alpine, which Unfold's menus are written in, evaluates expressions of its attributes, and widgets set style attributes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponseBase

DESK = {
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "frame-src": [SELF],  # previews of digests
}


class ContentPolicyMiddleware(CSPMiddleware):
    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith(f"/{settings.ADMIN_PATH}") and not report_only and parts.replace is None:
            parts.replace = DESK
        return parts
