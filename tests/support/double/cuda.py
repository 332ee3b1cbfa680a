"""Two simulated devices, and the functions of `cupy.cuda` that a program uses."""

from __future__ import annotations

import threading
from types import SimpleNamespace

from double.counting import synchronised

COUNT = 2


class CUDARuntimeError(RuntimeError):
    """An error of the CUDA runtime, with its status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Current(threading.local):
    """The device on which the calls of a thread run."""

    id = 0


current = Current()


class Device:
    """Device number `id`, or the current device; used as a context, it becomes the current device."""

    def __init__(self, device: int | Device | None = None) -> None:
        self.id = current.id if device is None else int(device)
        self._before: list[int] = []

    def use(self) -> None:
        if not 0 <= self.id < COUNT:
            raise CUDARuntimeError(101, "cudaErrorInvalidDevice: invalid device ordinal")
        current.id = self.id

    def synchronize(self) -> None:
        synchronised()

    def __enter__(self) -> Device:
        self._before.append(current.id)
        self.use()
        return self

    def __exit__(self, *error: object) -> None:
        current.id = self._before.pop()

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"


class Stream:
    """The queue of work, which is always finished here; waiting for it is counted nevertheless."""

    null: Stream

    def synchronize(self) -> None:
        synchronised()


Stream.null = Stream()


def get_current_stream() -> Stream:
    return Stream.null


runtime = SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    getDeviceCount=lambda: COUNT,
    getDevice=lambda: current.id,
    runtimeGetVersion=lambda: 13000,
    driverGetVersion=lambda: 13000,
    getDeviceProperties=lambda number: {"name": b"device double", "major": 9, "minor": 0},
)
