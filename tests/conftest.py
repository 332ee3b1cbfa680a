"""Hypothesis profiles, a registry that tests leave as it was, and the table that `pytest --laws` prints.

quick     the default: few examples, the same ones in every run
thorough  TINYGRAD_SEQ_PROFILE=thorough: a thousand random examples; a failure prints how to repeat it
"""

import os

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # before NumPy is imported: every core already runs a process

import gc
import importlib
import importlib.metadata
import shutil
import signal
import sys
import tempfile
from collections import defaultdict

import doors
import judging
import pytest
from hypothesis import HealthCheck, settings
from places import ROOT

from tinygrad_seq.engine.primitive import FUNCTIONS, PRIMITIVES
from tinygrad_seq.scan.emitter import emitter
from tinygrad_seq.testing import LAWS

settings.register_profile(
    "quick", max_examples=20, derandomize=True, deadline=None, database=None, print_blob=True
)
settings.register_profile(
    "thorough",
    max_examples=1000,
    derandomize=False,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)

settings.load_profile(os.environ.get("TINYGRAD_SEQ_PROFILE", "quick"))


EXCHANGED = ("dm-haiku", "equinox", "flax", "keras", "onnxruntime", "tinygrad")  # tests marked `exchange`


@pytest.fixture(autouse=True)
def registry():
    """Remove what a test registered."""
    before = dict(PRIMITIVES), dict(FUNCTIONS)
    yield
    for table, kept in zip((PRIMITIVES, FUNCTIONS), before, strict=True):
        table.clear()
        table.update(kept)


@pytest.fixture(scope="session")
def benchmark():
    """benchmark(name): the module of that name in benchmarks/, whose files are scripts outside any package."""

    def module(name):
        sys.path.insert(0, str(ROOT / "benchmarks"))
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove(str(ROOT / "benchmarks"))

    return module


@pytest.fixture(autouse=True)
def emitter_of_a_test(request):
    """Run a test of the NumPy emitter with that emitter."""
    if request.node.get_closest_marker("in_numpy"):
        with emitter("numpy"):
            yield
    else:
        yield


def pytest_report_header(config):
    """The backend, the emitter, and the libraries to compare with: tests of one that is absent are skipped."""
    versions = {name: version(name) for name in EXCHANGED}
    found = [f"{name} {number}" for name, number in versions.items() if number]
    absent = [name for name, number in versions.items() if not number]
    return [
        doors.description(),
        f"emitter: {emitter()}",
        f"oracle: PyTorch {version('torch') or 'is not installed, so nothing is compared with it'}",
        f"exchange: {', '.join(found) or 'none'}; not installed, so skipped: {', '.join(absent) or 'none'}",
    ]


def version(package):
    """The version of an installed package, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def pytest_configure(config):
    """Choose the backend, the folder of compiled loops, which workers inherit, and the emitter."""
    doors.choose(config.getoption("--backend"))
    if "TINYGRAD_SEQ_CACHE" not in os.environ:
        os.environ["TINYGRAD_SEQ_CACHE"] = folder = tempfile.mkdtemp(prefix="tinygrad_seq-tests-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as in the background of a shell
        signal.signal(signal.SIGINT, signal.default_int_handler)  # for tests of Ctrl-C, here and in processes
    os.environ["TINYGRAD_SEQ_EMITTER"] = config.getoption("--emitter")
    emitter()


def pytest_collection_modifyitems(config, items):
    """Put the judge last. On other backends than NumPy, leave out the examples, which run in separate
    processes, and skip the tests that hold on NumPy only, with the reason.
    """
    items.sort(key=lambda item: item.path.name == "test_judge.py")  # it checks what all other tests used
    if doors.NAME != "numpy":
        examples = [item for item in items if item.get_closest_marker("examples")]
        config.hook.pytest_deselected(items=examples)
        items[:] = [item for item in items if item not in examples]
    for item in items:
        if doors.NAME != "numpy" and (mark := item.get_closest_marker("host")):
            item.add_marker(pytest.mark.skip(reason=mark.args[0]))


def pytest_collection_finish():
    """Exclude the ten thousand collected tests from garbage collection; they stay until the end."""
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """Collect the notes of a worker that has ended."""
    judging.collected += getattr(node, "workeroutput", {}).get("reached", [])


def pytest_sessionfinish(session):
    """Return the notes of a worker to the main process; check there the notes of all workers."""
    if doors.NAME == "double" and hasattr(session.config, "workeroutput"):
        session.config.workeroutput["reached"] = judging.reached()
    elif judging.collected:
        judging.judge_all(session)


def pytest_addoption(parser):
    parser.addoption(
        "--backend",
        choices=("numpy", "double", "cupy"),
        default="numpy",
        help="where the tests run: on NumPy, on the double of a device, or on CuPy",
    )
    parser.addoption(
        "--emitter",
        choices=("numpy", "c"),
        default="numpy",
        help="how scan runs its loops: as NumPy, or as C, which compiles every program that the tests make",
    )
    parser.addoption(
        "--laws", action="store_true", help="print the table primitive x law: calls tried, mutants killed"
    )


def pytest_terminal_summary(terminalreporter, config):
    """The table primitive x law, from what the tests recorded as properties."""
    if not config.getoption("--laws"):
        return
    table = defaultdict(dict)
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "law" and report.when == "call":
                op, law, entry = value
                table[op][law] = entry
    if not table:
        return
    held = {law for entries in table.values() for law in entries}
    laws = [law for law in [*(law.__name__ for law in LAWS), "mutants"] if law in held]
    width = max(map(len, table)) + 1
    columns = [max(len(law), 7) + 2 for law in laws]
    write = terminalreporter.write_line
    terminalreporter.section("laws: calls tried, and mutants killed of mutants made")
    write("primitive".ljust(width) + "".join(law.rjust(n) for law, n in zip(laws, columns, strict=True)))
    for op, entries in sorted(table.items()):
        cells = (str(entries.get(law, "-")).rjust(n) for law, n in zip(laws, columns, strict=True))
        write(op.ljust(width) + "".join(cells))
