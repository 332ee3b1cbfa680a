"""The character model as a separate process: its results, its errors, and its behaviour when it is killed.

The central test kills it with SIGKILL again and again, at awkward moments, resumes it each time, and compares
every file of the run with that of an undisturbed run.
"""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from places import EXAMPLES

from tinygrad_seq.training import serialize

pytestmark = pytest.mark.examples
for extra in ("matplotlib", "safetensors", "tqdm"):
    pytest.importorskip(extra)

EXAMPLE = EXAMPLES / "char_lm.py"
FILES = ["checkpoint.safetensors", "curves.png", "log.csv", "model.safetensors", "sample.txt"]
STEPS = 110


def start(*options):
    """Start the example as a process; with one thread, other work on the machine does not slow it down."""
    return subprocess.Popen(
        [sys.executable, str(EXAMPLE), *map(str, options)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def run(*options):
    """Exit code, standard output and standard error."""
    process = start(*options)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A text that is easy to learn, just long enough for several epochs in the test."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    words = np.random.default_rng(0).choice(["tape ", "record ", "scan ", "loop,\n", "größer ", "∂z "], 3500)
    path.write_text("".join(words)[:14_000], encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory, text):
    """The folder of an undisturbed run, and what it printed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    code, out, err = run("--text", text, "--steps", STEPS, "--out", folder)
    assert (code, err) == (0, "")
    return folder, out


def test_what_a_run_leaves(whole, text):
    folder, out = whole
    assert sorted(path.name for path in folder.iterdir()) == FILES
    with open(folder / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, STEPS + 1))
    training = [float(row["training_bits"]) for row in rows]
    assert np.mean(training[-10:]) < training[0] / 2
    validated = [int(row["step"]) for row in rows if row["validation_bits"]]
    assert validated == [5 * k for k in range(1, 23)]  # 12,600 characters are 6 chunks per stream
    assert "validation bits" in out
    assert "characters/s" in out
    assert "test: " in out
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")

    model = serialize.load(folder / "model.safetensors")
    checkpoint = serialize.load(folder / "checkpoint.safetensors")
    assert checkpoint["step"] == STEPS
    assert all((model[name] == array).all() for name, array in checkpoint["task"]["model"].items())
    alphabet = set(text.read_text(encoding="utf-8"))
    assert model["embedding.weight"].shape[0] == len(alphabet)
    sample = (folder / "sample.txt").read_text(encoding="utf-8")
    assert len(sample) == 1000
    assert set(sample) <= alphabet


def wait(process, condition):
    """Wait until the condition holds or the process ends."""
    while process.poll() is None and not condition():
        time.sleep(0.002)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_again_and_again_it_ends_as_if_undisturbed(whole, text, tmp_path):
    folder = tmp_path / "run"
    log, checkpoint = folder / "log.csv", folder / "checkpoint.safetensors"
    draft = folder / "checkpoint.safetensors.tmp"

    def written():
        return checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0

    moments = [
        folder.exists,  # before anything is written
        checkpoint.exists,  # right after the first checkpoint
        lambda: written() > before,  # right after another one
        draft.exists,  # while one is being written
        lambda: draft.exists() and written() > before,
        lambda: log.stat().st_size > 2 * size,  # between two of them
        (folder / "model.safetensors").exists,  # after the training, before all results are there
        (folder / "curves.png").exists,
        (folder / "sample.txt").exists,
    ]
    kills = 0
    for moment in moments:
        before, size = written(), log.stat().st_size if log.exists() else 0
        process = start("--text", text, "--steps", STEPS, "--out", folder, "--resume")
        wait(process, moment)
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= len(moments) - 2  # it may end before the last kills

    code, _, err = run("--text", text, "--steps", STEPS, "--out", folder, "--resume")
    assert (code, err) == (0, "")
    assert content(folder) == content(whole[0])


@pytest.fixture
def interruptible():
    """Child processes can be interrupted, even if this process ignores interrupts, as in `pytest &`."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_says_how_to_go_on(whole, text, tmp_path):
    process = start("--text", text, "--steps", STEPS, "--out", tmp_path)
    wait(process, (tmp_path / "checkpoint.safetensors").exists)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "--resume" in out
    assert "Traceback" not in err
    assert run("--text", text, "--steps", STEPS, "--out", tmp_path, "--resume")[0] == 0
    assert content(tmp_path) == content(whole[0])


def test_resuming_a_finished_run_changes_nothing(whole, text):
    folder, _ = whole
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    code, out, err = run("--text", text, "--steps", STEPS, "--out", folder, "--resume", "--temperature", 2)
    assert (code, err) == (0, "")
    assert "nothing to do" in out
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before


def test_the_same_command_again_changes_nothing(whole, text):
    folder, _ = whole
    before = content(folder)
    err = refused("--text", text, "--steps", STEPS, "--out", folder)
    assert err.startswith(f"error: {folder} already holds a run. ")
    assert all(way in err for way in ("--resume", "--out FOLDER", "--overwrite"))
    assert err.count("\n") == 1
    assert content(folder) == before


def refused(*options):
    code, _, err = run(*options)
    assert code != 0
    assert "Traceback" not in err
    return err


def test_another_seed_or_text_is_refused_by_name(whole, text, tmp_path):
    folder, _ = whole
    before = content(folder)
    other = tmp_path / "other.txt"
    other.write_text(text.read_text(encoding="utf-8").replace("tape", "path"), encoding="utf-8")
    assert "seed is 0 there and 1 here" in refused("--text", text, "--out", folder, "--resume", "--seed", 1)
    assert "text is " in refused("--text", other, "--out", folder, "--resume")
    assert content(folder) == before


def test_a_damaged_checkpoint_is_one_clear_error(whole, text, tmp_path):
    intact = (whole[0] / "checkpoint.safetensors").read_bytes()
    (tmp_path / "log.csv").write_bytes((whole[0] / "log.csv").read_bytes())
    spoilt = bytearray(intact)
    spoilt[len(spoilt) // 2] ^= 1
    for damaged in intact[: len(intact) // 2], bytes(spoilt), b"":
        (tmp_path / "checkpoint.safetensors").write_bytes(damaged)
        err = refused("--text", text, "--steps", 200, "--out", tmp_path, "--resume")
        assert "checkpoint.safetensors" in err
        assert err.count("\n") == 1


def test_an_invalid_text_is_refused(tmp_path):
    path = tmp_path / "text.txt"
    for bad, words in [
        (b"\xff\xfe\x00bad", "is not a UTF-8 text of at least 4552 characters"),
        (b"", "has 0 characters; a text must have at least 4552"),
        (b"a" * 4551, "has 4551 characters"),
    ]:
        path.write_bytes(bad)
        assert words in refused("--text", path, "--out", tmp_path / "run")
    assert "absent" in refused("--text", tmp_path / "absent", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_options_are_checked(text):
    assert "--steps" in refused("--text", text, "--steps", 0)
    assert "--temperature" in refused("--text", text, "--temperature", 0)
    assert "device" in refused("--text", text, "--device", "gpu")
    code, out, _ = run("--help")
    assert code == 0
    assert all(
        f"--{name}" in out
        for name in ("text", "out", "steps", "seed", "device", "resume", "overwrite", "temperature")
    )


def test_the_shortest_text_trains(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("abc " * 1138)
    code, _, err = run("--text", path, "--steps", 2, "--out", tmp_path / "run")
    assert (code, err) == (0, "")
