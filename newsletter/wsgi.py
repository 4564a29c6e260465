"""What gunicorn serves."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsletter.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.utils.module_loading import import_string

from newsletter.views.request_body_limits import ReadBodiesFirst

application = ReadBodiesFirst(get_wsgi_application(), trusted_proxies=settings.TRUSTED_PROXY_COUNT)
import_string("newsletter.models.timings.keep_storing")()  # models are there only now
