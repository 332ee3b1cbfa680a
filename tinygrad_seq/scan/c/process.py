"""Running a compiler: in a temporary folder, for a bounded time, and stopped at once by Ctrl-C.

While it runs for more than a second, a terminal shows a line on stderr, above the progress bar if there is one.
Without a terminal nothing is written, so that logs and notebooks stay as they are.
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
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinygrad_seq.scan.c import disk

SECONDS = 60.0  # the most that a compilation may take
SILENT = 1.0  # seconds before a terminal shows that a compilation is running
ERROR = re.compile(r"\berror\b|undefined|failed", re.IGNORECASE)


class CompileError(RuntimeError):
    """There is no library: the compiler is missing, fails, takes too long, or writes what cannot be loaded."""


@contextlib.contextmanager
def building() -> Iterator[Path]:
    """A temporary folder; every OSError of the block is a CompileError."""
    try:
        folder = tempfile.mkdtemp(prefix="tinygrad_seq-")
        try:
            yield Path(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise CompileError(str(error)) from error


def run(command: Sequence[str], folder: Path) -> str:
    """The output of a compiler that runs in `folder`.

    Raises CompileError, with the first line about an error, if it fails; TimeoutError.
    """
    process = None
    try:
        with uninterrupted():
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment(command, folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                process_group=0,  # of its own, so that the programs that it starts can be stopped with it
            )
        try:
            output, messages = process.communicate(timeout=SILENT)
        except subprocess.TimeoutExpired:
            show(f"{os.path.basename(command[0])} compiles a loop; this takes some seconds, and only once")
            output, messages = process.communicate(timeout=SECONDS - SILENT)
    except BaseException as error:
        if process is not None:
            stop(process)
        if isinstance(error, subprocess.TimeoutExpired):
            raise TimeoutError(f"it had not finished after {SECONDS:g} s") from None
        raise
    if process.returncode != 0:
        lines = [line for line in (messages + output).splitlines() if line.strip()]
        lines = [line for line in lines if ERROR.search(line)] or lines or [f"exit status {process.returncode}"]
        raise CompileError(lines[0].strip())
    return output


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
    folder, process = tempfile.mkdtemp(prefix="tinygrad_seq-"), os.getpid()

    def remove() -> None:
        if os.getpid() == process:  # and not a fork of it
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return Path(folder)


def stop(process: subprocess.Popen[str]) -> None:
    """Stop a compiler, and the programs that it has started; wait for its end."""
    with process, contextlib.suppress(OSError):  # it may just have ended
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def show(text: str) -> None:
    """Show a line on a terminal, as the training loop does: with a progress bar, above it."""
    if sys.stderr is not None and sys.stderr.isatty():
        if tqdm := sys.modules.get("tqdm"):
            tqdm.tqdm.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)
