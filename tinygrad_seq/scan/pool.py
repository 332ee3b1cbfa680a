"""The workspaces of loops between their runs: reused, and bounded in bytes for the whole process.

Fresh memory costs time: the first use of a page, and the views that a loop works on. So a workspace, the memory
of one run of a loop, goes to the *shelf* of its loop when the run ends, and the next run of the same length
takes it from there. All shelves share one pool. It knows in which order the workspaces were used, and when they
hold more bytes than its limit, it drops the one that was not used for the longest time.

A workspace is put on the shelf at once, although the caller still holds its results, and it is taken only when
it is idle. If it is dropped before, its memory is freed with the last of these results. So scan never holds
more than the limit in addition to results that can be reached. A shelf, and all on it, is freed with its loop.

The limit is 256 MB until it is set. An LSTM of width 512 at batch 64 and 100 steps needs 148 MB, a neural
Turing machine at batch 16 and 41 steps 35 MB. A run without a workspace takes 1.1 to 1.4 times as long for
LSTMs of width 100 to 200, 1.6 times for the Turing machine, and 1.02 times for the large LSTM, where the
products outweigh the rest: a model beyond the limit loses little.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from tinygrad_seq.engine.numbers import integer

LIMIT = 2**28  # bytes
ALIKE = 8  # the most workspaces of one loop and one key: `take` looks at each of them


class Work(Protocol):
    """A workspace: how many bytes are freed with it, and whether nobody else holds its arrays."""

    @property
    def nbytes(self) -> int: ...

    def idle(self) -> bool: ...


W = TypeVar("W", bound=Work)


class Pool:
    """The order in which the workspaces on all shelves were used, by ticket, the least recently used first.

    held  their bytes
    left  the tickets of shelves that were freed; noted without the lock, which their thread may hold
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.held = limit, 0
        self.order: OrderedDict[int, tuple[weakref.ref[Shelf], Hashable, int]] = OrderedDict()
        self.tickets = itertools.count()
        self.left: deque[int] = deque()
        self.lock = threading.Lock()

    def forget(self, ticket: int) -> None:
        """Count a workspace no more. Called with the lock held, like `surplus`."""
        self.held -= self.order.pop(ticket)[2]

    def surplus(self) -> list[Work]:
        """Remove the workspaces above the limit; the caller frees them after the lock is released."""
        while self.left:
            if (ticket := self.left.popleft()) in self.order:
                self.forget(ticket)
        gone: list[Work] = []
        while self.held > self.limit:
            ticket, (place, key, _) = next(iter(self.order.items()))
            self.forget(ticket)
            if (shelf := place()) is not None:
                gone.append(shelf.remove(key, ticket))
        return gone


POOL = Pool(LIMIT)


class Shelf(Generic[W]):
    """The workspaces of one loop; a key tells on what a workspace depends, such as the number of steps."""

    def __init__(self, pool: Pool = POOL) -> None:
        self.pool = pool
        self.works: dict[Hashable, dict[int, W]] = {}
        self.place = weakref.ref(self)

    def take(self, key: Hashable) -> W | None:
        """An idle workspace, which from now on belongs to the caller, or None."""
        pool = self.pool
        with pool.lock:
            for ticket, work in reversed(self.works.get(key, {}).items()):
                if work.idle():
                    pool.forget(ticket)
                    return self.remove(key, ticket)
        return None

    def give(self, key: Hashable, work: W) -> None:
        """Put a workspace on the shelf; it may still be in use."""
        pool = self.pool
        with pool.lock:
            alike, ticket = self.works.setdefault(key, {}), next(pool.tickets)
            alike[ticket] = work
            pool.order[ticket] = self.place, key, work.nbytes
            pool.held += work.nbytes
            gone = pool.surplus() if pool.held > pool.limit else []
            if len(alike) > ALIKE:
                oldest = next(iter(alike))
                pool.forget(oldest)
                gone.append(self.remove(key, oldest))
        del gone  # frees memory

    def remove(self, key: Hashable, ticket: int) -> W:
        """Remove a workspace from the shelf."""
        alike = self.works[key]
        work = alike.pop(ticket)
        if not alike:
            del self.works[key]
        return work

    def __del__(self) -> None:
        self.pool.left.extend(ticket for alike in self.works.values() for ticket in alike)


def workspace_limit(nbytes: int) -> int:
    """Let scan keep at most `nbytes` bytes of memory for later runs, from now on; return the limit before.

    The memory of a run is kept for the next run of the same loop and length, up to 256 MB unless this limit is
    set; what was not used for the longest time is freed first. With 0 nothing is kept. Results that can still
    be reached are never freed, and do not count once their loop has given up their memory.

    Raises TypeError or ValueError if `nbytes` is not an integer of at least 0.

    >>> import tinygrad_seq as ts
    >>> before = ts.workspace_limit(10**9)
    >>> ts.workspace_limit(before)
    1000000000
    """
    with POOL.lock:
        before, POOL.limit = POOL.limit, integer("workspace_limit", "nbytes", nbytes, "[0, inf)")
        gone = POOL.surplus()
    del gone  # frees memory
    return before
