"""Finds the files of installed packages."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def shipped(package: str, path: str) -> Path:
    """The file or folder `path` of an installed package; the package is not imported.

    Raises ModuleNotFoundError if the package is not installed, FileNotFoundError if its version has no such
    file.

    >>> shipped("numpy", "version.py").name
    'version.py'
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f'these data come with the package {package}: pip install -e ".[data]"', name=package
        )
    found = Path(spec.submodule_search_locations[0]) / path
    if not found.exists():
        raise FileNotFoundError(
            f'{found} is not in this version of {package}: pip install -U --upgrade-strategy eager -e ".[data]"'
        )
    return found
