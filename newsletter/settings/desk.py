"""The desk: name, icon, colours and navigation of the admin."""

from __future__ import annotations

from newsletter.settings.environment import VERSION
from newsletter.settings.site import SITE_NAME

UNFOLD = {
    "SITE_TITLE": SITE_NAME,
    "SITE_HEADER": SITE_NAME,
    "SITE_SUBHEADER": f"Paperboy {VERSION}",  # on every page
    "SITE_URL": "/",
    "SITE_ICON": "newsletter.admin.theme.icon",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "newsletter.admin.theme.icon"}],
    "SHOW_HISTORY": True,
    "STYLES": ["newsletter.admin.theme.style"],
    "DASHBOARD_CALLBACK": "newsletter.admin.dashboard.fill",
    "ACCOUNT": {"navigation": "newsletter.admin.theme.account"},
    "SIDEBAR": {"navigation": "newsletter.admin.theme.navigation"},
    # Ink and amber: the site's colours, in the steps that Unfold's classes use.
    "COLORS": {
        "base": {
            **{"50": "#f7f6f2", "100": "#f1f0eb", "200": "#e3e1d9"},
            **{"300": "#cfccc2", "400": "#9c998e", "500": "#6f6c63"},
            **{"600": "#55534c", "700": "#3f3d38", "800": "#2b2a27", "900": "#191917", "950": "#131312"},
        },
        "primary": {
            **{"50": "#fff9e6", "100": "#fff1c7", "200": "#ffe48f"},
            **{"300": "#ffd45c", "400": "#ffcc33", "500": "#d39a0c"},
            **{"600": "#8a5d00", "700": "#704b00", "800": "#583b00", "900": "#402b00", "950": "#2a1c00"},
        },
    },
}
