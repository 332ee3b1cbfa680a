"""Our scan of this checkout and of others, each in a process of its own.

A process prepares the same problem with the benchmarks of its checkout, and makes and times a call whenever it
is asked to by a pipe. So calls alternate and are under the same load. A contender that shares its process with
others can take a tenth longer, so a checkout is compared with another only in this way.
"""

import ast
import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from pathlib import Path

from measure import EMITTERS, OURS, AbsentError, Here

ROOT = Path(__file__).resolve().parents[1]


def checkouts(paths: Iterable[str], module: str, arguments: tuple) -> dict[str, Callable]:
    """Contenders: the scan of this checkout as C and as NumPy, and that of each checkout in `paths`."""
    here = {
        row: partial(There, ROOT, module, arguments, e) for e, row in zip(EMITTERS, OURS.values(), strict=True)
    }
    there = {f"ours, at {Path(path).resolve().name}": partial(There, path, module, arguments) for path in paths}
    return here | there


class There:
    """The scan of the checkout `path`: `ours` of its benchmark `module`, on the problem of `arguments`."""

    def __init__(self, path: str | Path, module: str, arguments: tuple, emitter: str = "") -> None:
        root = Path(path).resolve()
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(root), module, repr(arguments)],
            env={**os.environ, "PYTHONPATH": str(root), "TINYGRAD_SEQ_EMITTER": emitter},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.first, self.compilers = self._answer()

    def seconds(self) -> float:
        return self._ask("seconds")

    def gradients(self) -> list:
        with self.process:
            return self._ask("gradients")

    def _ask(self, question: str):
        self.process.stdin.write(f"{question}\n".encode())
        self.process.stdin.flush()
        return self._answer()

    def _answer(self):
        try:
            return pickle.load(self.process.stdout)
        except EOFError:
            self.process.communicate()
            raise AbsentError("its process ended, with the error above") from None


def serve(root: str, module: str, arguments: str) -> None:
    """Answer the questions of `There`."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed meanwhile is no answer
    sys.path.insert(0, str(Path(root, "benchmarks")))
    theirs = import_module(module)
    used = Path(sys.modules["tinygrad_seq"].__file__)
    assert used.is_relative_to(root), f"{used} is not in {root}"
    problem = theirs.Problem(*ast.literal_eval(arguments))
    runner = [theirs.scanned] if hasattr(theirs, "scanned") else []  # where there are several ways to run
    contender = Here(lambda: theirs.ours(problem, *runner))
    gc.freeze()
    pickle.dump((contender.first, contender.compilers), answers)
    answers.flush()
    for question in sys.stdin:
        pickle.dump(getattr(contender, question.strip())(), answers)
        answers.flush()


if __name__ == "__main__":
    serve(*sys.argv[1:])
