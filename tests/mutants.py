"""Plant one-line mistakes in the package, one at a time, and run the tests that should notice.

    python tests/mutants.py                     all mutants of the table in tests/support/planted
    python tests/mutants.py --only scan/np/loop those whose description contains this text
    python tests/mutants.py --jobs 4            in four processes
    python tests/mutants.py --list              only prints the table

A mutant is *killed* if a test fails, and *survives* if all tests pass. Each is planted in a copy of the package
in a temporary folder. Results are written to runs/mutants.jsonl as they come; a mutant whose file and tests
have not changed since is not run again, so an interrupted run continues. Before that, all tests that will run
must pass without a mistake. Exits with code 1 if a mutant survives or cannot be run.
"""

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from planted import Mutant, planted, source_of, table  # noqa: E402
from planted.running import copied, run  # noqa: E402

RESULTS = ROOT / "runs" / "mutants.jsonl"
LIMIT = 600  # seconds for the tests of a mutant


def verdict(mutant: Mutant, root: Path, likely: str) -> tuple[str, str]:
    """What became of a mutant, and the test that killed it or what went wrong. `likely` is run first."""
    path, source = root / "tinygrad_seq" / mutant.file, source_of(mutant)
    try:
        path.write_text(planted(mutant, source), encoding="utf-8")
        tests = [*([likely] if exists(likely) else []), *mutant.tests.split()]
        made = run(root, "--tb=line", *(f"tests/{name}" for name in tests), limit=LIMIT)
    except (LookupError, subprocess.TimeoutExpired) as error:
        return "error", str(error)
    finally:
        path.write_text(source, encoding="utf-8")
    if made.returncode == 0:
        return "SURVIVED", ""
    failed = re.search(r"^FAILED tests/(.+?)(?: - |$)", made.stdout, re.MULTILINE)
    if made.returncode == 1 and failed:
        return "killed", failed[1]
    # a mutant that cannot be imported says nothing about the tests
    return "error", f"pytest ended with {made.returncode}\n{made.stdout[-2000:]}{made.stderr}"


# --- earlier results ----------------------------------------------------------------------------------


def exists(test: str) -> bool:
    """Whether a test that was found in an earlier run is still there, as far as its name tells."""
    path, _, name = test.partition("::")
    file = ROOT / "tests" / path
    return bool(name) and file.exists() and f"def {name.partition('[')[0]}(" in file.read_text(encoding="utf-8")


def key(mutant: Mutant) -> str:
    """A digest of the mutant, of the file that it changes, and of the tests."""
    tests = [(ROOT / "tests" / name).read_text(encoding="utf-8") for name in mutant.tests.split()]
    return hashlib.sha256("\0".join([*mutant, source_of(mutant), *tests]).encode()).hexdigest()[:16]


def known() -> tuple[dict[str, list], dict[str, str]]:
    """The results of earlier runs, by key; and by mutant, the test that killed it last."""
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    found = list(map(json.loads, lines))
    return {key: result for key, _, *result in found}, {name: how for _, name, _, how, _ in found}


# --- all mutants --------------------------------------------------------------------------------------


def judged(left: list[Mutant], count: int, likely: dict[str, str]) -> Iterator[tuple[Mutant, list]]:
    """The mutants of `left` as `count` processes finish them, each with its fate, how, and seconds."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(count) as pool:
        roots: SimpleQueue[Path] = SimpleQueue()
        for i in range(count):
            roots.put(copied(Path(folder, str(i))))
        tests = dict.fromkeys(name for mutant in left for name in mutant.tests.split())
        sound = run(Path(folder, "0"), "--tb=line", *(f"tests/{name}" for name in tests))
        if sound.returncode:
            raise SystemExit(f"the tests fail without a mistake:\n{sound.stdout[-4000:]}{sound.stderr}")

        def one(mutant: Mutant) -> list:
            root, start = roots.get(), time.perf_counter()
            try:
                return [*verdict(mutant, root, likely.get(str(mutant), "")), time.perf_counter() - start]
            finally:
                roots.put(root)

        jobs = {pool.submit(one, mutant): mutant for mutant in left}
        try:
            for job in as_completed(jobs):
                yield jobs[job], job.result()
        finally:
            pool.shutdown(cancel_futures=True)


def report(results: dict[Mutant, list]) -> None:
    """Print the number of mutants of each file, and all that were not killed."""
    print(f"\n{'file':40}{'mutants':>8}{'killed':>8}")
    for file in [*dict.fromkeys(mutant.file for mutant in results), ""]:
        fates = [fate for mutant, (fate, *_) in results.items() if mutant.file.startswith(file)]
        print(f"{file or 'all':40}{len(fates):8}{fates.count('killed'):8}")
    for mutant, (fate, how, _) in results.items():
        if fate != "killed":
            print(f"\n{fate}: {mutant}\n    {mutant.tests}\n{how}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", metavar="TEXT", help="only descriptions that contain TEXT")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="the number of processes")
    parser.add_argument("--list", action="store_true", help="print the mutants, and run nothing")
    options = parser.parse_args()
    chosen = [mutant for mutant in table() if options.only in str(mutant)]
    if options.list:
        print(*chosen, sep="\n")
        return 0

    before, likely = known()
    results = {mutant: before[key(mutant)] for mutant in chosen if key(mutant) in before}
    left = [mutant for mutant in chosen if mutant not in results]
    RESULTS.parent.mkdir(exist_ok=True)
    with open(RESULTS, "a", encoding="utf-8") as file:
        for n, (mutant, found) in enumerate(judged(left, options.jobs, likely) if left else (), 1):
            fate, how, seconds = results[mutant] = found
            if fate != "error":
                print(json.dumps([key(mutant), str(mutant), fate, how, seconds]), file=file, flush=True)
            print(f"[{n} of {len(left)}] {fate} in {seconds:.1f} s  {mutant}", flush=True)
    report({mutant: results[mutant] for mutant in chosen})
    return int(any(fate != "killed" for fate, *_ in results.values()))


if __name__ == "__main__":
    sys.exit(main())
