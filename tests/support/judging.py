"""Every name and keyword of the double that the suite uses must exist in the real CuPy.

In each process the double notes what is used of it, and a test checks the notes of its own process. A worker of
pytest-xdist returns its notes when it ends; the main process then checks the notes of all workers together, and
fails the run if something is missing.
"""

import importlib.util
import json
import subprocess
import sys

import pytest
from places import TESTS

JUDGE = TESTS / "support" / "double" / "judge.py"
TEST = "tests/devices/test_judge.py::test_everything_that_was_reached_exists_in_cupy"

LEAST = 20  # names; with fewer, the notes are incomplete

collected: list[list] = []  # the notes of all workers


def judged(calls: list[list]) -> list[str] | None:
    """A line for each of `calls` that CuPy does not have, found in a separate process; None without CuPy."""
    if importlib.util.find_spec("cupy") is None and "cupy" not in sys.modules:
        return None
    command = [sys.executable, "-P", str(JUDGE)]  # -P: its folder has modules with the names of other modules
    asked = subprocess.run(command, input=json.dumps(calls), capture_output=True, text=True)
    if "No module named 'cupy'" in asked.stderr:
        return None
    assert asked.returncode == 0, asked.stderr
    return asked.stdout.splitlines()


def reached() -> list[list]:
    """The notes of this process."""
    from double import reached

    return [[*key, place] for key, place in reached.items()]


def judge_all(session: pytest.Session) -> None:
    """Check the notes of all workers; if they fail, report the test as failed, though it passed in a worker."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    for report in reporter.getreports("passed"):
        if report.when == "call" and report.nodeid == TEST and (complaints := _complaints()):
            reporter.stats["passed"].remove(report)
            report.outcome, report.longrepr = "failed", "\n".join(dict.fromkeys(complaints))
            session.config.hook.pytest_runtest_logreport(report=report)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _complaints() -> list[str] | None:
    return judged(collected) if len(collected) >= LEAST else [f"only {len(collected)} names were noted"]
