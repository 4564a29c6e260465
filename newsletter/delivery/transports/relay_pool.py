"""Several relays as one transport: shared by weight, and whatever one relay cannot take goes to another.

In: lanes with weights. Out: outcomes, as `transports` promises. A relay that no conversation came about with, that
names a limit, or that keeps us waiting for its greeting rests for a while; its messages move on untouched, and only
when every relay has failed one does the caller hear of it.
"""

from __future__ import annotations

import selectors
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from newsletter.delivery.transports import OutcomeKind, Phase, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from newsletter.delivery.transports import Message, Outcome
    from newsletter.delivery.transports.smtp_transport import SmtpTransport

REST_SECONDS = 30.0
STUCK_SECONDS = 3.0  # with one relay, while another may send at once
_LOOK_SECONDS = 0.25  # members watch their own deadlines only when polled


@dataclass(slots=True, eq=False)
class Member:
    """One relay. ``weight`` is its share; 0 keeps it spare, for when no other can take mail."""

    lane: SmtpTransport
    weight: int = 1
    resting_until: float = 0.0
    credit: int = 0
    stuck_since: float = 0.0  # its relay has not greeted, or wants less; 0 while it takes mail


class RelayPool:
    """Keeps the `Transport` promise over all its members."""

    def __init__(self, members: Sequence[Member], *, rest_seconds: float = REST_SECONDS) -> None:
        self._members = list(members)
        self._rest_seconds = rest_seconds
        self._owners: dict[int, Member] = {}
        self._messages: dict[int, Message] = {}  # until settled, so that they can move
        self._tried: dict[int, set[Member]] = {}
        self._selector = selectors.DefaultSelector()  # not select(), which knows no descriptor from 1,024 on
        for member in self._members:
            self._selector.register(member.lane.fileno(), selectors.EVENT_READ)

    def capacity(self) -> int:
        return sum(member.lane.capacity() for member in _fittest(self._members))

    def enqueue(self, messages: Sequence[Message]) -> None:
        shares: dict[Member, list[Message]] = {}
        room = {member: member.lane.capacity() for member in _fittest(self._members)}
        for message in messages:
            member = self._choose([one for one in room if room[one] > 0] or list(room))
            room[member] -= 1
            shares.setdefault(member, []).append(message)
            self._messages[message.key] = message
            self._owners[message.key] = member
        for member, share in shares.items():
            member.lane.enqueue(share)

    def poll(self, timeout: float) -> Turn:
        deadline = time.monotonic() + timeout
        turn = Turn()
        while True:
            for member in self._members:
                self._gather(member, turn)
            rest = deadline - time.monotonic()
            if turn.outcomes or turn.ready or rest <= 0:
                return turn
            self._selector.select(min(rest, _LOOK_SECONDS))

    def release(self, keys: Iterable[int]) -> None:
        for member, share in self._by_owner(keys).items():
            member.lane.release(share)

    def withhold(self, keys: Iterable[int]) -> None:
        for member, share in self._by_owner(keys).items():
            member.lane.withhold(share)
            for key in share:
                self._forget(key)

    def is_opening(self) -> bool:
        return any(member.lane.is_opening() for member in self._members)

    def drain(self) -> list[int]:
        keys = [key for member in self._members for key in member.lane.drain()]
        for key in keys:
            self._forget(key)
        return keys

    def close(self) -> None:
        self._selector.close()
        for member in self._members:
            member.lane.close()

    def _choose(self, among: list[Member]) -> Member:
        """Choose a relay by smooth weighted round robin: in any stretch each gets its share, evenly spread."""
        for member in among:
            member.credit += max(1, member.weight)
        chosen = max(among, key=lambda member: member.credit)
        chosen.credit -= sum(max(1, member.weight) for member in among)
        return chosen

    def _gather(self, member: Member, turn: Turn) -> None:
        part = member.lane.poll(0)
        turn.ready += part.ready
        for outcome in part.outcomes:
            if _is_about_the_relay(outcome):
                member.resting_until = time.monotonic() + self._rest_seconds
                if self._moved_on(outcome, member):
                    continue
            self._forget(outcome.key)
            turn.outcomes.append(outcome)
        self._relieve(member)

    def _relieve(self, member: Member) -> None:
        """Give what waits for a relay that does not greet, or named a limit, to another; it rests for a while."""
        now = time.monotonic()
        if not member.lane.is_stuck():
            member.stuck_since = 0.0
            return
        member.stuck_since = member.stuck_since or now
        if now - member.stuck_since < STUCK_SECONDS or member.lane.is_drained:
            return
        others = [one for one in self._members if one.stuck_since == 0.0 and one.resting_until <= now]
        if others:
            member.resting_until = now + self._rest_seconds
            for message in member.lane.take_back():
                self._hand_to(self._choose(_fittest(others)), message)

    def _moved_on(self, outcome: Outcome, member: Member) -> bool:
        message = self._messages.get(outcome.key)
        if message is None:
            return False
        tried = self._tried.setdefault(outcome.key, set())
        tried.add(member)
        others = [one for one in self._members if one not in tried and not one.lane.is_drained]
        if not others:
            return False
        self._hand_to(self._choose(_fittest(others)), message)
        return True

    def _hand_to(self, member: Member, message: Message) -> None:
        self._owners[message.key] = member
        member.lane.enqueue([message])

    def _by_owner(self, keys: Iterable[int]) -> dict[Member, list[int]]:
        shares: dict[Member, list[int]] = {}
        for key in keys:
            owner = self._owners.get(key)
            if owner is not None:
                shares.setdefault(owner, []).append(key)
        return shares

    def _forget(self, key: int) -> None:
        self._owners.pop(key, None)
        self._messages.pop(key, None)
        self._tried.pop(key, None)


def _is_about_the_relay(outcome: Outcome) -> bool:
    """Whether the relay is at fault: unreachable, or a limit before RCPT (there it is the recipient's)."""
    if outcome.kind is OutcomeKind.LIMITED:
        return outcome.phase in {Phase.MAIL, Phase.DATA}
    return outcome.kind is OutcomeKind.INFRASTRUCTURE


def _fittest(members: list[Member]) -> list[Member]:
    """The relays that share the load now: those that do not rest, else the spares that do not rest, else all."""
    now = time.monotonic()
    rested = [member for member in members if member.resting_until <= now]
    return [member for member in rested if member.weight] or rested or members
