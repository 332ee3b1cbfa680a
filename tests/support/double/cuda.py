"""Two pretended devices, and the questions about them that a program asks: `cupy.cuda`."""

from __future__ import annotations

import threading
from types import SimpleNamespace

from double.counting import synchronised

COUNT = 2


class CUDARuntimeError(RuntimeError):
    """What the CUDA runtime complains of, with its status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Current(threading.local):
    """The device that the calls of a thread work on."""

    id = 0


current = Current()


class Device:
    """Device number `id`, without one the current one; as a context it is the current one."""

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
    """The queue of work, which is always done here; to wait for it counts all the same."""

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
