"""Three counters: uploads from host to device, downloads back, and synchronisations.

A synchronisation makes the host wait until the device has finished its work; every download is one, too. A
training step should do none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Counts:
    """The number of each in a block of `watch`."""

    uploads: int = 0
    downloads: int = 0
    synchronisations: int = 0


watching: list[Counts] = []


@contextmanager
def watch() -> Iterator[Counts]:
    """Count uploads, downloads and synchronisations in the block; blocks may be nested."""
    counts = Counts()
    watching.append(counts)
    try:
        yield counts
    finally:
        watching[:] = [other for other in watching if other is not counts]


def uploaded() -> None:
    for counts in watching:
        counts.uploads += 1


def downloaded() -> None:
    for counts in watching:
        counts.downloads += 1
        counts.synchronisations += 1


def synchronised() -> None:
    for counts in watching:
        counts.synchronisations += 1
