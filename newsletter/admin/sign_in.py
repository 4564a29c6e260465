"""Admin login with rate limits per network and per account, so that passwords cannot be guessed quickly.

In: a name, a password and the request they came by. Out: the user, or nobody, and a SignIn row with a line in the log
(the account and the network, never the password, nor a name that is no account: people type passwords there). The
buckets are kept in the database, so they hold for all processes and with Redis away. All networks together have few
tries for one account; a person who signed in lately is not held up by tries from other networks.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from newsletter.models import SignIn
from subscriptions.addresses import client_address, networks_of
from subscriptions.rate_limits import Limit, take_all

if TYPE_CHECKING:
    from django.http import HttpRequest

log = logging.getLogger(__name__)
TRIES, REFILL = 20, timedelta(minutes=1)  # of one network
OF_ACCOUNT = Limit("sign-in-account", 50, timedelta(minutes=2))


class PatientBackend(ModelBackend):
    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if request is None or username is None:
            return super().authenticate(request, username=username, password=password, **kwargs)
        now, networks = timezone.now(), networks_of(_client(request))
        name = username if User.objects.filter(username=username).exists() else ""
        network = networks[-1][0]
        wanted = [(Limit("sign-in", TRIES * share, REFILL / share), each) for each, share in networks]
        if not SignIn.objects.is_at_home(name=name, network=network, now=now):
            wanted.append((OF_ACCOUNT, username[:150]))
        if not take_all(wanted, now=now):
            log.warning("Sign-in of %s from %s was refused unread: too many tries", name or "no account", network)
            raise PermissionDenied
        user = super().authenticate(request, username=username, password=password, **kwargs)
        SignIn.objects.note(name=name, network=network, succeeded=user is not None, now=now)
        if user is None:
            log.warning("Sign-in of %s from %s failed", name or "no account", network)
        return user


def _client(request: HttpRequest) -> str:
    peer, forwarded = request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", "")
    return client_address(peer, forwarded, trusted_proxies=settings.TRUSTED_PROXY_COUNT)
