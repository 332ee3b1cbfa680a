"""Running a compiler: in a temporary folder, for a bounded time, and stopped at once by Ctrl-C.

It runs beside this process until its output is wanted. If that takes more than a second, a terminal shows a
line on stderr, above the progress bar if there is one. Without a terminal nothing is written, so that logs and
notebooks stay as they are.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tinygrad_seq.scan.c import disk

SECONDS = 60.0  # the most that a compilation may take
SILENT = 1.0  # seconds before a terminal shows that a compilation is running
ERROR = re.compile(r"\berror\b|undefined|failed", re.IGNORECASE)


class CompileError(RuntimeError):
    """There is no library: the compiler is missing, fails, takes too long, or writes what cannot be loaded."""


class Running:
    """A compiler that was started in a folder of its own, which holds `files`: their texts by name.

    It is stopped, and the folder removed, at the end of a `with` block, when nobody refers to this object any
    more, and when the process that started it ends. Raises CompileError if it cannot be started.
    """

    def __init__(self, command: Sequence[str], files: Mapping[str, str]) -> None:
        self.name, self.since, self.owner = os.path.basename(command[0]), time.monotonic(), os.getpid()
        started: list[subprocess.Popen[str]] = []
        with failing():
            self.folder = Path(tempfile.mkdtemp(prefix="tinygrad_seq-"))
            self.end = weakref.finalize(self, end, started, self.folder, self.owner)
            for name, text in files.items():
                (self.folder / name).write_text(text, encoding="utf-8")
            with uninterrupted():
                self.process = subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env=environment(command, self.folder),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    encoding="utf-8",
                    errors="replace",
                    process_group=0,  # of its own, so that the programs that it starts can be stopped with it
                )
                started.append(self.process)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def output(self) -> str:
        """What it has written, when it is finished.

        Raises CompileError, with the first line about an error, if it fails; TimeoutError.
        """
        try:
            output, messages = self._written(SILENT)
        except subprocess.TimeoutExpired:
            show(f"{self.name} compiles a loop; this takes some seconds, and only once")
            try:
                output, messages = self._written(SECONDS)
            except subprocess.TimeoutExpired:
                raise TimeoutError(f"it had not finished after {SECONDS:g} s") from None
        if self.process.returncode != 0:
            lines = [line for line in (messages + output).splitlines() if line.strip()]
            told = [line for line in lines if ERROR.search(line)] or lines
            raise CompileError(told[0].strip() if told else f"exit status {self.process.returncode}")
        return output

    def _written(self, seconds: float) -> tuple[str, str]:
        """What it writes on stdout and stderr until its end, which is `seconds` after its start or earlier.

        It may have ended long ago, so there is always time to read.
        """
        return self.process.communicate(timeout=max(SILENT, self.since + seconds - time.monotonic()))


def run(command: Sequence[str], files: Mapping[str, str]) -> str:
    """The output of a compiler, in a folder that holds `files`."""
    with Running(command, files) as running:
        return running.output()


@contextlib.contextmanager
def failing() -> Iterator[None]:
    """Every OSError of the block is a CompileError."""
    try:
        yield
    except OSError as error:
        raise CompileError(str(error)) from error


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C in this block takes effect at its end; so no process is started that nobody knows of."""
    arrived = []
    try:
        before = signal.signal(signal.SIGINT, lambda *_: arrived.append(True))
    except ValueError:  # not the main thread, and so never interrupted
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if arrived:
            signal.raise_signal(signal.SIGINT)


def environment(command: Sequence[str], folder: Path) -> dict[str, str]:
    """The variables of a compiler that runs in `folder`: its messages are in English, its own files there.

    ziglang compiles its C library when it is first used, which takes 4 s, and needs a place to keep it.
    """
    given = {**os.environ, "LC_ALL": "C", "TMPDIR": str(folder)}
    if Path(command[0]).stem == "zig":
        given["ZIG_LOCAL_CACHE_DIR"] = str(folder)
        if "ZIG_GLOBAL_CACHE_DIR" not in given:
            given["ZIG_GLOBAL_CACHE_DIR"] = str(disk.lasting() or temporary())
    return given


@functools.cache
def temporary() -> Path:
    """A folder that is removed when this process ends."""
    folder = tempfile.mkdtemp(prefix="tinygrad_seq-")
    atexit.register(end, [], folder, os.getpid())
    return Path(folder)


def end(started: Sequence[subprocess.Popen[str]], folder: str | Path, owner: int) -> None:
    """Stop compilers that are not finished, and the programs that they have started; remove their folder."""
    if os.getpid() != owner:  # a fork of it
        return
    for process in started:
        with process, contextlib.suppress(OSError):  # it may just have ended
            if process.returncode is None:
                process.kill() if sys.platform == "win32" else os.killpg(process.pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def show(text: str) -> None:
    """Show a line on a terminal, as the training loop does: with a progress bar, above it."""
    if sys.stderr is not None and sys.stderr.isatty():
        if tqdm := sys.modules.get("tqdm"):
            tqdm.tqdm.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)
