"""What gunicorn serves."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsletter.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from newsletter.views.request_body_limits import ReadBodiesFirst

application = ReadBodiesFirst(get_wsgi_application(), trusted_proxies=settings.TRUSTED_PROXY_COUNT)
