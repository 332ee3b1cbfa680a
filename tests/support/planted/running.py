"""Running tests on a copy of the package, in a process of its own, so that a mistake in it harms nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from places import ROOT


def copied(root: Path) -> Path:
    """A copy of the package and of its tests in the folder `root`."""
    for name in ("tinygrad_seq", "tests", "examples"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def run(root: Path, *arguments: str, limit: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run pytest with `arguments` on the copy in `root`, until the first failure, for `limit` seconds at most.

    Raises subprocess.TimeoutExpired after that time.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n0", "-p", "no:cacheprovider", *arguments]
    own = {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {**os.environ, **own}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=limit)
