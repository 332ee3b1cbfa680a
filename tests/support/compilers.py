"""Compilers for tests: programs that stand in for one, and a machine on which only they are installed."""

import functools
import os
import tempfile

import pytest

from tinygrad_seq.scan.c import cache, compiler, process

MACROS = {"__GNUC__": 12, "__GNUC_MINOR__": 2, "__GNUC_PATCHLEVEL__": 0}
PATH = os.environ.get("PATH", "")


class Machine:
    """A machine with its own PATH, cache and folder for temporary files; it starts with no compiler."""

    def __init__(self, folder, monkeypatch):
        installed()  # while the environment is that of the tests
        self.monkeypatch = monkeypatch
        self.bin, self.temporary, self.cache = folder / "bin", folder / "tmp", folder / "cache"
        self.bin.mkdir()
        self.temporary.mkdir()
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.delenv("CC", raising=False)
        monkeypatch.setenv("TINYGRAD_SEQ_CACHE", str(self.cache))
        monkeypatch.setattr(tempfile, "tempdir", str(self.temporary))
        monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
        self.restart()

    def restart(self):
        """Forget what the process knows; what is on the disk stays."""
        compiler._found.cache_clear()
        self.monkeypatch.setattr(cache, "_libraries", {})

    def install(self, name, script, macros=MACROS):
        """Install a script of the shell that first answers as gcc does when it is asked for its macros."""
        answer = "".join(f"#define {macro} {value}\\n" for macro, value in macros.items())
        path = self.bin / name
        path.write_text(f'#!/bin/sh\ncase "$*" in *-dM*) printf "{answer}"; exit 0;; esac\n{script}\n')
        path.chmod(0o755)
        return path

    def install_real(self, name="cc", before=""):
        """Install the compiler of this machine, after a line of the shell; skip the test if there is none."""
        path = self.bin / name
        path.write_text(f'#!/bin/sh\nexport PATH="{PATH}"\n{before}\nexec {" ".join(real())} "$@"\n')
        path.chmod(0o755)
        return path

    def refuse_to_start(self):
        """From now on, starting a compiler is an error."""

        def start(command, files):
            raise AssertionError(f"{command} was started")

        for module in (compiler, process):
            self.monkeypatch.setattr(module, "Running", start)

    def left(self):
        """The names of temporary files, and of entries that were not finished."""
        return [*os.listdir(self.temporary), *(name for name in self.entries() if "." in name)]

    def entries(self):
        """The names in the cache."""
        place = self.cache / "tinygrad_seq"
        return os.listdir(place) if place.is_dir() else []


@functools.cache
def installed():
    """The compiler of the machine that runs the tests, or the reason why there is none."""
    try:
        return compiler.compiler()
    except process.CompileError as error:
        return str(error)
    finally:
        compiler._found.cache_clear()


def real():
    """The command of the compiler of the machine that runs the tests; skip the test if there is none."""
    found = installed()
    if isinstance(found, str):
        pytest.skip(found)
    return found.command
