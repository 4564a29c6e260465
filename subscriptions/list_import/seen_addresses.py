"""Which addresses of a file were met, in 16 bytes each: a dry run of a million lines fits where a dict would not.

In: the hash of an address. Out: what was noted of it before. Pure.
"""

from __future__ import annotations

from array import array

FEWEST = 1024  # slots; a power of two


class SeenAddresses:
    """A hash table with open addressing; at most half of its slots are taken. A slot holds 62 bits and the flag."""

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * FEWEST))
        self._taken = 0

    def note(self, address_hash: str, *, is_reader: bool) -> bool | None:
        """Remember whether the address is of a reader; who left stays so. Returns what was noted before."""
        key = (int(address_hash[:16], 16) >> 2 or 1) << 1
        at = self._place(key)
        before = bool(self._slots[at] & 1) if self._slots[at] else None
        self._slots[at] = key | (is_reader and before is not False)
        if before is None:
            self._taken += 1
            if self._taken * 2 > len(self._slots):
                self._grow()
        return before

    def _place(self, key: int) -> int:
        """Where the key is, or would be."""
        slots, last = self._slots, len(self._slots) - 1
        at = (key >> 1) & last
        while slots[at] and slots[at] >> 1 != key >> 1:
            at = (at + 1) & last
        return at

    def _grow(self) -> None:
        old, self._slots = self._slots, array("Q", bytes(16 * len(self._slots)))
        for slot in old:
            if slot:
                self._slots[self._place(slot)] = slot
