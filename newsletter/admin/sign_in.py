"""Signing in at the desk, not faster than a person types: guessing passwords is slowed per network.

In: a name, a password and the request they came by. Out: the user, or nobody. A network that guesses locks out nobody
else; the bucket is kept in the database, so it holds for all processes and with Redis away.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from subscriptions.addresses import client_address, network_of
from subscriptions.rate_limits import Limit, take

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest

TRIES = Limit("sign-in", 20, timedelta(minutes=1))


class PatientBackend(ModelBackend):
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if request is not None and not take(TRIES, whom=_network(request), now=timezone.now()):
            raise PermissionDenied
        return super().authenticate(request, username=username, password=password, **kwargs)


def _network(request: HttpRequest) -> str:
    peer, forwarded = request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", "")
    return network_of(client_address(peer, forwarded, trusted_proxies=settings.TRUSTED_PROXY_COUNT))
