"""The least a Django site can do for a request: what the benchmark of signups is compared with."""

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="empty", MIDDLEWARE=[])
django.setup()


@csrf_exempt
def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [path("subscribe/", nothing)]
application = get_wsgi_application()
