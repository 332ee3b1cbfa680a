"""Libraries by their source: compiled once, kept on the disk, and right whatever happens to the disk."""

import ctypes
import os
import subprocess
import sys
import threading

import pytest
from compilers import Machine

from tinygrad_seq.scan.c import cache, compiler, disk
from tinygrad_seq.scan.c.cache import CompileError, library, started

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins for compilers are scripts of sh")
TIMES = "int times(int x) {{ return {} * x; }}\n"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with the compiler of the one that runs the tests."""
    found = Machine(tmp_path, monkeypatch)
    found.install_real()
    return found


def place_of(source):
    """The library of a source, in the cache."""
    key = compiler.compiler().key(source)
    return disk.folder() / key / (key + compiler.SUFFIX)


def test_a_library_is_made_of_its_source(machine):
    assert library(TIMES.format(3)).times(5) == 15
    assert library(TIMES.format(4)).times(5) == 20
    assert library(TIMES.format(3)) is library(TIMES.format(3))
    place = place_of(TIMES.format(3))
    assert (place.parent / "source.c").read_text() == TIMES.format(3)
    assert machine.left() == []


def test_a_compiler_that_was_started_before(machine):
    source = TIMES.format(13)
    running = started(source)
    machine.refuse_to_start()
    assert library(source, running).times(5) == 65
    machine.restart()
    assert started(source) is None  # there is a library on the disk,
    library(source)
    disk.clear()
    assert started(source) is None  # and one in this process
    assert machine.left() == []


def test_the_compiler_of_another_process_is_left_to_it(machine, monkeypatch):
    """As after a fork, which inherits it."""
    source = TIMES.format(14)
    running = started(source)
    monkeypatch.setattr(running, "owner", running.owner + 1)
    monkeypatch.setattr(running, "output", None)
    assert library(source, running).times(5) == 70


def test_without_a_compiler_none_is_started(machine):
    (machine.bin / "cc").unlink()
    assert started(TIMES.format(1)) is None


def test_libm_is_there(machine):
    found = library("#include <math.h>\ndouble power(double x) { return pow(x, x); }")
    found.power.argtypes, found.power.restype = [ctypes.c_double], ctypes.c_double
    assert found.power(3.0) == 27.0


def test_a_later_process_compiles_nothing(machine):
    library(TIMES.format(5))
    machine.restart()
    machine.refuse_to_start()
    assert library(TIMES.format(5)).times(5) == 25


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("int f(int x) { return x + ; }", r"source\.c:1:.*error"),
        ("int g(int); int f(int x) { return g(x); }", "(?i)undefined"),
    ],
)
def test_a_source_that_is_wrong(machine, source, said):
    library(TIMES.format(1))
    before = machine.entries()
    with pytest.raises(CompileError, match=said):
        library(source)
    assert machine.left() == []
    assert machine.entries() == before


def test_without_a_compiler_there_is_no_library(machine):
    (machine.bin / "cc").unlink()
    with pytest.raises(CompileError, match="no C compiler"):
        library(TIMES.format(1))


# --- the disk -----------------------------------------------------------------------------------------------


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


AGAIN = """
import sys
from tinygrad_seq.scan.c.cache import library
print(library(sys.argv[1]).times(5))
"""


def in_another_process(source):
    """What it computes; an interpreter that dies is an error."""
    command = [sys.executable, "-c", AGAIN, source]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("damage", [halve, flip, empty, os.unlink])
def test_a_damaged_library_is_compiled_anew(machine, damage):
    """This process never loads it: it could not end if a file that is mapped into its memory became shorter."""
    source = TIMES.format(6)
    assert in_another_process(source) == "30\n"
    place = place_of(source)
    whole = place.stat().st_size
    damage(place)
    assert in_another_process(source) == "30\n"
    assert place.stat().st_size == whole
    assert disk.kept(place.stem) == place.parent


def test_a_cache_that_cannot_be_written(machine):
    machine.cache.write_text("a file where the folder should be")
    assert library(TIMES.format(7)).times(5) == 35
    assert machine.left() == []


@pytest.mark.parametrize("refused", ["cache", "tmp"])
def test_a_disk_from_which_nothing_can_be_loaded(machine, monkeypatch, tmp_path, refused):
    """As where it is mounted without the right to execute: the other one serves, also for the probe."""
    loaded = []

    def load(path, real=ctypes.CDLL):
        if path.startswith(str(tmp_path / refused)):
            raise OSError(f"{path}: failed to map segment from shared object")
        loaded.append(path)
        return real(path)

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert library(TIMES.format(8)).times(5) == 40
    assert len(loaded) == 2
    assert machine.left() == []


def test_an_entry_that_disappears_while_it_is_loaded(machine, monkeypatch):
    source = TIMES.format(9)
    library(source)
    machine.restart()
    kept = disk.kept

    def deleted(name):
        if place := kept(name):
            os.unlink(place / (name + compiler.SUFFIX))
        return place

    compiler.compiler()
    monkeypatch.setattr(disk, "kept", deleted)
    assert library(source).times(5) == 45


# --- several at once ----------------------------------------------------------------------------------------

MANY = """
import sys
from tinygrad_seq.scan.c.cache import library
sys.stdin.readline()
print(*[library(f"int times(int x) {{ return {i} * x; }}").times(5) for i in range(3)])
"""


def test_two_processes_at_once(machine):
    two = [
        subprocess.Popen([sys.executable, "-c", MANY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in two:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.communicate()[0] for process in two] == ["0 5 10\n"] * 2
    assert len(machine.entries()) == 5  # with the compiler and its probe
    assert machine.left() == []


def test_threads_that_meet_a_source_at_once_compile_it_once(machine, monkeypatch):
    compiler.compiler()
    sources, found = [], []
    start = threading.Barrier(4)
    real = compiler.Compiler.library

    def counted(self, source, running):
        sources.append(source)
        return real(self, source, running)

    def meet():
        start.wait()
        found.append(library(TIMES.format(10)))

    monkeypatch.setattr(compiler.Compiler, "library", counted)
    threads = [threading.Thread(target=meet) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sources) == 1
    assert [lib is found[0] for lib in found] == [True] * 4


INTERRUPTED = """
import sys
from tinygrad_seq.scan.c import cache, compiler
compiler.compiler()
for _ in range(2):
    try:
        print(cache.library(sys.argv[1]).times(5))
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_ctrl_c_leaves_nothing_and_the_source_can_be_compiled_again(machine, tmp_path):
    """The compiler interrupts the process once, when it is given the word `volatile`."""
    once = f"[ -f source.c ] && grep -q volatile source.c && mkdir {tmp_path}/once 2>/dev/null"
    machine.install_real(before=f"{once} && {{ kill -INT $PPID; sleep 60; }}")
    environment = {**os.environ, "TMPDIR": str(machine.temporary)}
    command = [sys.executable, "-c", INTERRUPTED, TIMES.format(11).replace("int x", "volatile int x")]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert out == "interrupted\n55\n"
    assert machine.left() == []
    assert len(machine.entries()) == 3  # with the compiler and its probe


def test_libraries_are_forgotten_by_no_clear(machine):
    source = TIMES.format(12)
    found = library(source)
    assert disk.clear() > 1000
    assert library(source) is found
    assert found.times(5) == 60
    assert cache._libraries
