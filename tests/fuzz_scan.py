"""scan against the Python loop, for many random programs.

    python tests/fuzz_scan.py --programs 20000 --seed 0

Every program has a number: `--program N` prints one and runs it, `--first N` goes on from there. A program that
fails is printed, after it was made smaller.
"""

import argparse
import contextlib
import os
import re
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent / "support"))

from choices import Choices, Read, smallest
from loop_modes import Case, drawn
from loop_results import WrongError


def outcome(case: Case) -> tuple[str, str]:
    """A word about a program, and the text of its failure."""
    try:
        return case.check(), ""
    except WrongError as error:
        return "WRONG", str(error)


def kind_of(text: str) -> str:
    """What kind of failure: one that is made smaller has to stay of its kind."""
    line = text.split("\n")[0]
    return line.split(":")[0].rstrip("0123456789 ") if "Error" not in line else line[:60]


def reduced(choices: Choices, text: str) -> str:
    """The failure of a smaller program: first of fewer choices, then of fewer lines."""
    kind = kind_of(text)

    def fails(case: Case) -> bool:
        return kind_of(outcome(case)[1]) == kind

    case = drawn(Read(smallest(choices.made, lambda source: fails(drawn(source)), 500)))
    return outcome(trimmed(case, fails))[1]


def trimmed(case: Case, fails) -> Case:
    """The program without the lines that it can do without; a value may take the place of a later one."""

    def candidates(lines: list[str]):
        for i in reversed(range(1, len(lines))):
            yield lines[:i] + lines[i + 1 :]
            name, equals, value = lines[i].strip().partition(" = ")
            for other in re.findall(r"\b[vl]\d+\b", value) if equals and name.isidentifier() else []:
                yield lines[:i] + [re.sub(rf"\b{name}\b", other, line) for line in lines[i + 1 :]]

    shorter = True
    while shorter:
        shorter = False
        for lines in candidates(case.program.text.split("\n")):
            less = replace(case, program=replace(case.program, text="\n".join(lines)))
            with contextlib.suppress(SyntaxError):
                if fails(less):
                    case, shorter = less, True
                    break
    return case


def run(numbers, seed: int, shrink: int, stop: int) -> list[int]:
    """Run the programs with these numbers; the numbers of those that fail."""
    seen: Counter[str] = Counter()
    failed: list[int] = []
    began, used = time.time(), time.process_time()
    for i in numbers:
        choices = Choices(seed, i)
        word, text = outcome(drawn(choices))
        seen[word] += 1
        if text:
            failed.append(i)
            text = reduced(choices, text) if len(failed) <= shrink else text
            print(f"--- program {i} ---\n{text}\n", flush=True)
        if i % 1000 == 999 or i == numbers[-1]:
            took, each = time.time() - began, 1000 * (time.process_time() - used) / seen.total()
            print(f"{i + 1} programs, {took:.0f} s, {each:.1f} ms each: {dict(seen)}", flush=True)
        if len(failed) == stop:
            break
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--programs", type=int, default=20000, help="the number of programs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the first program")
    parser.add_argument("--program", type=int, help="print and run only this one")
    parser.add_argument("--shrink", type=int, default=10, help="how many failing programs are made smaller")
    parser.add_argument("--stop", type=int, default=50, help="stop after so many failing programs")
    args = parser.parse_args()
    numbers = range(args.first, args.programs)
    if args.program is not None:
        numbers = range(args.program, args.program + 1)
        print(drawn(Choices(args.seed, args.program)))
    failed = run(numbers, args.seed, args.shrink, args.stop)
    print(f"failed: {failed}" if failed else "none failed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
