"""What the suite reached of CuPy, judged by the real wheel: in this process, and in all workers together.

The double notes in each process what is reached of it. A worker of pytest-xdist hands its notes over when it
ends, and the process that gave out the tests puts them to the judge once more, all of them: it fails the run.
"""

import importlib.util
import json
import subprocess
import sys

import pytest
from places import TESTS

JUDGE = TESTS / "support" / "double" / "judge.py"
TEST = "tests/devices/test_judge.py::test_everything_that_was_reached_exists_in_cupy"

heard: list[list] = []  # from all workers


def judged(calls: list[list]) -> list[str] | None:
    """What CuPy lacks of `calls`, lines; it is asked in a process of its own. None if it is not installed."""
    if importlib.util.find_spec("cupy") is None and "cupy" not in sys.modules:
        return None
    command = [sys.executable, "-P", str(JUDGE)]  # beside it lie modules with the names of others
    asked = subprocess.run(command, input=json.dumps(calls), capture_output=True, text=True)
    if "No module named 'cupy'" in asked.stderr:
        return None
    assert asked.returncode == 0, asked.stderr
    return asked.stdout.splitlines()


def reached() -> list[list]:
    """What this process reached."""
    from double import reached

    return [[*key, place] for key, place in reached.items()]


def judge_all(session: pytest.Session) -> None:
    """If the judge let pass what one worker had reached, he hears what all of them did."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    for report in reporter.getreports("passed"):
        if report.when == "call" and report.nodeid == TEST and (complaints := judged(heard)):
            reporter.stats["passed"].remove(report)
            report.outcome, report.longrepr = "failed", "\n".join(dict.fromkeys(complaints))
            session.config.hook.pytest_runtest_logreport(report=report)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
