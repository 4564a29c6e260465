"""What processes do now: when each last did its work, and which work only one of them may do."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q


class Heartbeat(models.Model):
    """When a process last did its work; the health page reports one that stops."""

    name = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField()
    detail = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M:%S}"


class Lease(models.Model):
    """A lease on work that one process at a time does: held until a moment, renewed while the work goes on.

    A row and not an advisory lock: those belong to a connection, which PgBouncer in transaction mode does not keep.
    """

    name = models.CharField(max_length=64, primary_key=True)
    holder = models.CharField(max_length=100)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.holder} until {self.until:%H:%M:%S}"

    @classmethod
    def take(cls, name: str, *, holder: str, now: datetime, seconds: int) -> bool:
        """Take or renew the lease. False: another process holds it."""
        until = now + timedelta(seconds=seconds)
        free = cls.objects.filter(Q(holder=holder) | Q(until__lte=now), name=name)
        if free.update(holder=holder, until=until):
            return True
        return cls.objects.get_or_create(name=name, defaults={"holder": holder, "until": until})[1]

    @classmethod
    def let_go(cls, name: str, *, holder: str) -> None:
        cls.objects.filter(name=name, holder=holder).delete()
