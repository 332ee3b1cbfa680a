"""Finding a C compiler: the order, what does not count as one, and what stops it."""

import ctypes
import io
import itertools
import os
import re
import select
import signal
import subprocess
import sys
import types

import pytest
from compilers import MACROS, Machine

from tinygrad_seq.scan.c import compiler, disk, process
from tinygrad_seq.scan.c.process import CompileError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins for compilers are scripts of sh")
CLANG = {"__GNUC__": 4, "__GNUC_MINOR__": 2, "__GNUC_PATCHLEVEL__": 1}
CLANG |= {"__clang_major__": 19, "__clang_minor__": 1, "__clang_patchlevel__": 7}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


@pytest.fixture
def ziglang(machine, tmp_path):
    """Installs the package ziglang, without a compiler in it."""

    def spec(name):
        return types.SimpleNamespace(origin=str(tmp_path / name / "__init__.py"))

    machine.monkeypatch.setattr(compiler.importlib.util, "find_spec", spec)
    return str(tmp_path / "ziglang" / "zig")


# --- the order ----------------------------------------------------------------------------------------------


def test_the_order_of_the_candidates(machine, ziglang):
    paths = {name: str(machine.install(name, "")) for name in ("clang", "gcc", "gcc-15", "cc")}
    machine.monkeypatch.setenv("CC", "gcc-15")
    assert list(compiler.candidates()) == [
        ("gcc-15", [paths["gcc-15"]]),
        ("cc", [paths["cc"]]),
        ("gcc", [paths["gcc"]]),
        ("clang", [paths["clang"]]),
        ("ziglang's clang", [ziglang, "cc"]),
    ]


def test_on_windows_only_ziglang_is_a_candidate(machine, ziglang):
    machine.install("cc", "")
    machine.monkeypatch.setenv("CC", "cc")
    with machine.monkeypatch.context() as there:
        there.setattr(sys, "platform", "win32")
        assert list(compiler.candidates()) == [("ziglang's clang", [ziglang + ".exe", "cc"])]


@pytest.mark.parametrize(
    ("given", "name", "command"),
    [
        ("my cc", "my cc", ["{bin}/my cc"]),
        ("{bin}/my cc", "my cc", ["{bin}/my cc"]),
        ("gcc -m64  -g", "gcc -m64 -g", ["{bin}/gcc", "-m64", "-g"]),
        ("{bin}/gcc -g", "gcc -g", ["{bin}/gcc", "-g"]),
        ("no-such-cc -g", "no-such-cc -g", ["no-such-cc", "-g"]),
    ],
)
def test_what_cc_can_say(machine, given, name, command):
    machine.install("my cc", "")
    machine.install("gcc", "")
    machine.monkeypatch.setenv("CC", given.format(bin=machine.bin))
    first = next(compiler.candidates())
    assert first == (name, [word.format(bin=machine.bin) for word in command])


def test_the_first_that_works_is_taken(machine):
    machine.install("cc", "exit 1")
    machine.install_real("gcc")
    machine.install("clang", "exit 1")
    found = compiler.compiler()
    assert found.name == "gcc"
    assert str(found) == f"gcc {found.version}"
    assert re.fullmatch(r"\d+\.\d+\.\d+", found.version)


# --- none that works ----------------------------------------------------------------------------------------


def test_no_compiler(machine):
    with pytest.raises(CompileError, match=r"^no C compiler; pip install ziglang brings one$"):
        compiler.compiler()


BROKEN = {  # what stands in for a compiler -> what is said of it
    "fails": (r"printf 'source.c:1: warning: x\nsource.c:3: error: y\n' >&2; exit 1", r"source\.c:3: error: y"),
    "fails without an error": ("echo why >&2; exit 1", "why"),
    "fails in silence": ("exit 3", "exit status 3"),
    "dies": ("kill -9 $$", "exit status -9"),
    "writes nothing": ("exit 0", "it wrote no library and reported no error"),
    "writes garbage": ('echo garbage > "$(eval echo \\${$(($# - 1))})"', r"\.so|\.dylib"),
    "writes an empty file": (': > "$(eval echo \\${$(($# - 1))})"', r"\.so|\.dylib"),
}


@pytest.mark.parametrize(("script", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_compiler(machine, script, said):
    machine.install("cc", script)
    with pytest.raises(
        CompileError, match=rf"^cc does not work \(.*({said}).*\); pip install ziglang brings one$"
    ):
        compiler.compiler()
    assert machine.left() == []


def test_a_program_that_is_no_compiler(machine):
    machine.install("cc", "exit 0", macros={"__TINYC__": 927})
    with pytest.raises(CompileError, match=r"cc does not work \(it is neither gcc nor clang\)"):
        compiler.compiler()


def test_a_file_that_is_no_program(machine):
    machine.install("cc", "").write_text("not a program")
    with pytest.raises(CompileError, match=r"cc does not work \(.*Exec format error"):
        compiler.compiler()


def test_cc_that_does_not_exist(machine):
    machine.monkeypatch.setenv("CC", "no-such-cc")
    with pytest.raises(CompileError, match=r"no-such-cc does not work \(.*No such file"):
        compiler.compiler()


def test_a_compiler_that_computes_wrong_numbers(machine):
    before = "[ -f source.c ] && sed 's/fabs(x.i.)/x[i]/' source.c > other.c && mv other.c source.c"
    machine.install_real(before=before)
    with pytest.raises(CompileError, match="what it compiles computes wrong numbers"):
        compiler.compiler()


def test_all_failures_are_named_in_order(machine, ziglang):
    """ziglang is not recommended to who has it."""
    machine.install("cc", "exit 1")
    machine.install("clang", "exit 2")
    with pytest.raises(CompileError) as caught:
        compiler.compiler()
    first, second, third = str(caught.value).split("; ")
    assert first == "cc does not work (exit status 1)"
    assert second == "clang does not work (exit status 2)"
    assert third.startswith("ziglang's clang does not work (")


def test_a_full_disk_for_temporary_files(machine):
    """No file may grow beyond one block, for the compiler and for what it starts."""
    machine.install_real(before="ulimit -f 1")
    with pytest.raises(CompileError, match="cc does not work"):
        compiler.compiler()
    assert machine.left() == []


def test_no_folder_for_temporary_files(machine):
    machine.install("cc", "exit 0")
    machine.temporary.rmdir()
    with pytest.raises(CompileError, match=r"cc does not work \(.*No such file or directory"):
        compiler.compiler()


# --- one that is stopped ------------------------------------------------------------------------------------


@pytest.fixture
def hanging(machine, tmp_path):
    """Installs a compiler that starts a program and waits for it.

    start    waits until the compiler has started
    started  a word for every time that it has started; waits until all that it started has ended
    """
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    def install(before=""):
        path = machine.install("cc", "")
        path.write_text(f"#!/bin/sh\nexec 9>{pipe}\necho started >&9\n{before}\n/bin/sleep 60 & wait")

    def started():
        poll = select.poll()
        poll.register(reader, 0)  # reports only that nobody holds the other end any more
        assert poll.poll(20_000), "it or what it started is still running"
        return os.read(reader, 100).decode().split()

    def start():
        assert select.select([reader], [], [], 20)[0], "it has not started"

    yield types.SimpleNamespace(install=install, start=start, started=started)
    os.close(reader)


def test_a_compiler_that_hangs_is_stopped_with_all_that_it_started_and_not_tried_again(machine, hanging):
    hanging.install()
    machine.monkeypatch.setattr(process, "SILENT", 0.1)
    machine.monkeypatch.setattr(process, "SECONDS", 2.0)
    with pytest.raises(CompileError, match=r"cc does not work \(it had not finished after 2 s\)"):
        compiler.compiler()
    assert hanging.started() == ["started"]
    assert machine.left() == []


INTERRUPTED = """
from tinygrad_seq.scan.c import compiler
try:
    compiler.compiler()
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_stops_a_compilation_and_leaves_nothing(machine, hanging):
    hanging.install(before="/bin/kill -INT $PPID")
    environment = {**os.environ, "TMPDIR": str(machine.temporary)}
    command = [sys.executable, "-c", INTERRUPTED]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert out == "interrupted\n"
    assert hanging.started() == ["started"]
    assert machine.left() == []
    assert machine.entries() == []


def test_ctrl_c_while_a_compiler_is_being_started(machine, hanging, monkeypatch):
    hanging.install()

    class Interrupted(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            hanging.start()
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        process.run([str(machine.bin / "cc")], {})
    assert hanging.started() == ["started"]
    assert machine.left() == []
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("way", ["nobody refers to it", "the block has ended"])
def test_a_compiler_of_which_nobody_wants_the_library_is_stopped(machine, hanging, way):
    hanging.install()
    running = process.Running([str(machine.bin / "cc")], {"source.c": "int f;"})
    assert [*running.folder.iterdir()] == [running.folder / "source.c"]
    hanging.start()
    if way == "nobody refers to it":
        del running
    else:
        with running:
            pass
    assert hanging.started() == ["started"]
    assert machine.left() == []


ENDS = """
import os, sys
from tinygrad_seq.scan.c import process
running = process.Running([sys.argv[1]], {})
assert sys.stdin.readline()  # it has started
if os.fork() == 0:
    raise SystemExit
os.wait()
assert running.folder.is_dir()
assert running.process.poll() is None
"""


def test_a_compiler_is_stopped_when_the_process_ends_and_not_a_fork_of_it(machine, hanging):
    hanging.install()
    command = [sys.executable, "-c", ENDS, str(machine.bin / "cc")]
    environment = {**os.environ, "TMPDIR": str(machine.temporary)}
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, text=True) as one:
        hanging.start()
        one.communicate("\n")
    assert one.returncode == 0
    assert hanging.started() == ["started"]
    assert machine.left() == []


def test_a_library_that_is_wanted_a_minute_later(machine, monkeypatch):
    path = machine.install("cc", "echo made")
    running = process.Running([str(path)], {})
    running.process.wait()
    running.since -= process.SECONDS
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert running.output() == "made\n"
    assert sys.stderr.getvalue() == ""


# --- what is kept -------------------------------------------------------------------------------------------


def test_a_later_process_starts_no_compiler(machine):
    machine.install_real()
    found = compiler.compiler()
    machine.restart()
    machine.refuse_to_start()
    assert compiler.compiler() == found


def test_a_process_with_a_cache_that_cannot_be_written_starts_it_again(machine):
    machine.install_real()
    machine.cache.write_text("a file where the folder should be")
    found = compiler.compiler()
    machine.restart()
    assert compiler.compiler() == found
    assert machine.left() == []


def test_a_failure_is_not_kept(machine):
    machine.install("cc", "exit 1")
    with pytest.raises(CompileError):
        compiler.compiler()
    machine.install_real()
    with pytest.raises(CompileError):  # in this process the answer does not change any more
        compiler.compiler()
    machine.restart()
    assert compiler.compiler().name == "cc"


def replaced(machine):
    machine.install_real(before="# changed")


def of_another_processor(machine):
    machine.monkeypatch.setattr(compiler, "processor", lambda: "another")


def with_other_flags(machine):
    machine.monkeypatch.setattr(compiler, "FLAGS", [*compiler.FLAGS, "-O2"])


@pytest.mark.parametrize("change", [replaced, of_another_processor, with_other_flags])
def test_a_compiler_is_tried_again(machine, change):
    machine.install_real()
    compiler.compiler()
    machine.restart()
    change(machine)
    compiler.compiler()
    assert len(list(machine.cache.rglob("compiler.json"))) == 2


def test_a_library_is_kept_under_all_that_it_depends_on():
    base = compiler.Compiler("cc", "12.2.0", ["/bin/cc"], ["-O3"], "avx2")
    others = [
        base._replace(version="12.2.1"),
        base._replace(command=["/usr/bin/cc"]),
        base._replace(flags=["-O3", "-g"]),
        base._replace(features="avx512"),
    ]
    keys = [base.key("int f;"), base.key("int g;"), *(other.key("int f;") for other in others)]
    assert len(set(keys)) == len(keys)
    assert base.key("int f;") == base._replace().key("int f;")


@pytest.mark.skipif(not os.path.exists("/proc/cpuinfo"), reason="/proc/cpuinfo is of Linux")
def test_the_processor_is_told_by_what_does_not_change():
    text = compiler.processor()
    assert re.search(r"^(flags|Features|isa|features)\b", text, re.MULTILINE)
    assert not re.search(r"MHz|bogomips|core id|apicid\t", text)
    names = re.findall(r"^(\w[\w ]*?)\s*:", text, re.MULTILINE)
    assert len(set(names)) == len(names) > 0  # of one core


# --- versions and flags -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("macros", "version"), [(MACROS, "12.2.0"), (CLANG, "19.1.7")])
def test_the_version_is_that_of_gcc_or_of_clang(macros, version):
    assert compiler.version([f"#define {name} {value}" for name, value in macros.items()]) == version


def refuses(*flags):
    """A line of a script: it fails if it is given one of these flags."""
    return "\n".join(
        f'case "$*" in *{flag}*) echo "error: unknown {flag}" >&2; exit 1;; esac' for flag in flags
    )


WAYS = [[*level, *way] for level, way in itertools.product(compiler.LEVELS, compiler.NATIVE)]


@pytest.mark.parametrize(
    "refused", [[], ["-mprefer-vector-width"], ["-march"], ["-fira-region"], ["-march", "-fira-region"]]
)
def test_the_flags_are_the_first_that_are_known(machine, refused):
    path = machine.install("cc", "exit 0")
    text = path.read_text().split("\n", 1)
    path.write_text("\n".join([text[0], refuses(*refused), text[1]]))
    flags, macros = compiler.native([str(path)])
    known = [way for way in WAYS if not any(flag.startswith(word) for flag in way for word in refused)]
    assert flags == [*known[0], *compiler.FLAGS]
    assert "#define __GNUC__ 12" in macros


def test_a_compiler_that_knows_none_of_them_does_not_work(machine):
    path = machine.install("cc", "exit 0")
    text = path.read_text().split("\n", 1)
    path.write_text("\n".join([text[0], refuses("-march", "-mcpu"), text[1]]))
    with pytest.raises(CompileError, match=r"cc does not work \(error: unknown -mcpu\)"):
        compiler.compiler()


@pytest.mark.parametrize("word", ["-march=x86-64-v3", "-mcpu=generic"])
def test_a_processor_that_cc_names_is_not_overridden(machine, word):
    path = machine.install("cc", "exit 0")
    assert compiler.native([str(path), word])[0] == [*compiler.LEVELS[0], *compiler.FLAGS]


def test_a_level_that_cc_names_is_not_overridden(machine):
    path = machine.install("cc", "exit 0")
    assert compiler.native([str(path), "-O1"])[0] == [*compiler.NATIVE[0], *compiler.FLAGS]


# --- what is shown ------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def shown(machine, monkeypatch):
    """What is written on stderr while a program runs for some time."""
    slow, fast = machine.install("slow-cc", "/bin/sleep 0.5"), machine.install("fast-cc", "")

    def of(stderr, seconds):
        monkeypatch.setattr(sys, "stderr", stderr)
        monkeypatch.setattr(process, "SILENT", 0.1 if seconds else 20)
        process.run([str(slow if seconds else fast)], {})
        return stderr.getvalue()

    return of


def test_a_terminal_shows_what_takes_long(shown, monkeypatch):
    monkeypatch.delitem(sys.modules, "tqdm", raising=False)
    assert shown(Terminal(), 0.5) == "slow-cc compiles a loop; this takes some seconds, and only once\n"


def test_nothing_is_shown_of_what_is_fast_nor_without_a_terminal(shown):
    assert shown(Terminal(), 0) == ""
    assert shown(io.StringIO(), 0.5) == ""


def test_a_progress_bar_stays_below(shown, monkeypatch):
    lines = []
    bar = types.SimpleNamespace(write=lambda text, file: lines.append((text, file)))
    monkeypatch.setitem(sys.modules, "tqdm", types.SimpleNamespace(tqdm=bar))
    terminal = Terminal()
    assert shown(terminal, 0.5) == ""
    assert lines == [("slow-cc compiles a loop; this takes some seconds, and only once", terminal)]


# --- where it works -----------------------------------------------------------------------------------------


def test_a_compiler_keeps_its_files_where_they_are_removed(machine, tmp_path, monkeypatch):
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", "/of/the/user")
    given = process.environment(["/bin/zig", "cc"], tmp_path)
    assert given["TMPDIR"] == given["ZIG_LOCAL_CACHE_DIR"] == str(tmp_path)
    assert given["ZIG_GLOBAL_CACHE_DIR"] == "/of/the/user"
    monkeypatch.delenv("ZIG_GLOBAL_CACHE_DIR")
    given = process.environment(["/bin/zig", "cc"], tmp_path)
    assert given["ZIG_GLOBAL_CACHE_DIR"] == str(disk.folder() / disk.ZIG)
    given = process.environment(["/bin/gcc"], tmp_path)
    assert given["TMPDIR"] == str(tmp_path)
    assert not any("ZIG" in name for name in given)


TEMPORARY = """
import os
from tinygrad_seq.scan.c import process
folder = process.temporary()
if os.fork() == 0:
    raise SystemExit
os.wait()
print(folder, folder.is_dir(), process.environment(["zig"], folder)["ZIG_GLOBAL_CACHE_DIR"] == str(folder))
"""


def test_without_a_cache_ziglang_works_in_a_folder_of_the_process(machine):
    """It is there until the process ends, and not until a fork of it does."""
    machine.cache.write_text("a file where the folder should be")
    environment = {**os.environ, "TMPDIR": str(machine.temporary)}
    environment.pop("ZIG_GLOBAL_CACHE_DIR", None)
    command = [sys.executable, "-c", TEMPORARY]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()
    assert out[0].startswith(str(machine.temporary))
    assert out[1:] == ["True", "True"]
    assert machine.left() == []


def test_ziglang_works_where_it_is_installed():
    pytest.importorskip("ziglang", reason="ziglang is not installed; it is in the extra c")
    (*_, (name, command)) = compiler.candidates()
    found = compiler.working(name, command)
    assert name == "ziglang's clang"
    assert re.fullmatch(r"ziglang's clang \d+\.\d+\.\d+", str(found))


def test_the_compiler_of_this_machine_works(machine):
    machine.install_real()
    found = compiler.compiler()
    assert found.library("int twice(int x) { return 2 * x; }").twice(5) == 10


FUSED = """
double rounded(double x, double y, double z)
{
    double p = x * y;
    return p + z;
}

int fma_is_there(void)
{
#if defined __FMA__ || defined __aarch64__
    return 1;
#else
    return 0;
#endif
}
"""


def test_a_product_and_a_sum_are_rounded_once_where_the_processor_can(machine):
    """gcc does not do so under -std=c11 by itself, and clang not across statements."""
    machine.install_real()
    library = compiler.compiler().library(FUSED)
    library.rounded.restype = ctypes.c_double
    if not library.fma_is_there():
        pytest.skip("this processor has no fused multiply-add")
    x, z = 1 + 2**-27, -(1 + 2**-26)  # x x + z is 2^-54, and 0 if x x is rounded first
    assert library.rounded(*map(ctypes.c_double, (x, x, z))) == 2**-54
