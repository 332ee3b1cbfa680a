"""The training loop with a small task: log, checkpoints, resumption, refusals."""

import itertools
import os
import types

import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq.training import checkpoints, serialize
from tinygrad_seq.training.train import CHECKPOINT, EVERY, LOG, CheckpointError, train, trained

pytest.importorskip("safetensors")


class Walk:
    """A random walk: every position depends on all earlier draws."""

    columns = ("position", "distance")
    epoch = 40
    work = ("steps", 1)

    def __init__(self, seed=0, stop=None):
        self.fingerprint = {"seed": seed, "sizes": (1, 2)}
        self.rng, self.position, self.steps, self.stop = np.random.default_rng(seed), 0.0, 0, stop
        self.finished = 0

    def step(self):
        if self.steps == self.stop:
            raise KeyboardInterrupt
        self.steps += 1
        self.position += self.rng.normal()
        return {"position": self.position}

    def validate(self):
        return {"distance": abs(self.position)}

    def finish(self):
        self.finished += 1

    def state_dict(self):
        return {"rng": self.rng.bit_generator.state, "position": self.position, "steps": self.steps}

    def load_state_dict(self, state):
        self.rng.bit_generator.state = state["rng"]
        self.position, self.steps = state["position"], state["steps"]


def content(folder):
    return {name: (folder / name).read_bytes() for name in sorted(os.listdir(folder))}


def log_steps(folder):
    header, *rows = (folder / LOG).read_text().splitlines()
    assert header == "step,position,distance"
    return [int(row.split(",")[0]) for row in rows]


@pytest.fixture
def whole(tmp_path):
    """The folder of an uninterrupted run of 130 steps."""
    train(Walk(), tmp_path / "whole", 130)
    return tmp_path / "whole"


def test_a_run_leaves_a_log_and_a_checkpoint(whole, capsys):
    assert sorted(os.listdir(whole)) == [CHECKPOINT, LOG]
    assert log_steps(whole) == list(range(1, 131))
    rows = [line.split(",") for line in (whole / LOG).read_text().splitlines()[1:]]
    assert [int(row[0]) for row in rows if row[2]] == [40, 80, 120, 130]
    checkpoint = serialize.load(whole / CHECKPOINT)
    assert checkpoint["step"] == 130
    assert checkpoint["task"]["steps"] == 130


def test_what_is_shown_without_a_terminal(tmp_path, capsys):
    train(Walk(), tmp_path, 60)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["step 40 of 60", "step 50 of 60", "step 60 of 60"]
    assert "distance" in lines[0]
    assert "distance" not in lines[1]
    assert all("steps/s" in line for line in lines)


@pytest.mark.parametrize("stop", [0, 1, 49, 50, 51, 99, 129])
def test_interrupted_and_resumed_is_uninterrupted(whole, tmp_path, capsys, stop):
    folder = tmp_path / "run"
    with pytest.raises(SystemExit) as caught:
        train(Walk(stop=stop), folder, 130)
    assert caught.value.code == 130
    last = stop - stop % EVERY
    assert f"is at step {last}: the same command with --resume" in capsys.readouterr().out
    assert serialize.load(folder / CHECKPOINT)["step"] == last

    task = Walk()
    train(task, folder, 130, resume=True)
    assert f"continuing from step {last} of 130" in capsys.readouterr().out
    assert task.finished == 1
    assert content(folder) == content(whole)


def test_resuming_with_another_emitter_says_so(tmp_path, capsys, monkeypatch):
    with monkeypatch.context() as another:
        another.setattr(checkpoints, "emitter", lambda: types.SimpleNamespace(maker="C, by cc 1.2.3"))
        train(Walk(), tmp_path, 10)
    train(Walk(), tmp_path, 20, resume=True)
    said = f"its loops ran as C, by cc 1.2.3 and now run as {ts.emitter().maker}, which rounds differently"
    assert said in capsys.readouterr().out
    train(Walk(), tmp_path, 30, resume=True)
    assert "rounds differently" not in capsys.readouterr().out


def test_a_checkpoint_from_before_there_were_emitters_is_resumed(tmp_path, capsys):
    train(Walk(), tmp_path, 10)
    state = serialize.load(tmp_path / CHECKPOINT)
    del state["emitter"]
    serialize.save(tmp_path / CHECKPOINT, state)
    train(Walk(), tmp_path, 20, resume=True)
    out = capsys.readouterr().out
    assert "continuing from step 10 of 20" in out
    assert "rounds differently" not in out


def test_checkpoints_are_at_multiples_wherever_a_run_was_continued(tmp_path, capsys):
    train(Walk(), tmp_path, 30)
    with pytest.raises(SystemExit):
        train(Walk(stop=60), tmp_path, 130, resume=True)
    assert "is at step 50: the same command with --resume" in capsys.readouterr().out


def test_the_log_is_whole_when_the_run_finishes(tmp_path):
    class Reader(Walk):
        def finish(self):
            self.read = log_steps(tmp_path)

    task = Reader()
    train(task, tmp_path, 70)
    assert task.read == list(range(1, 71))


def test_the_speed_is_that_of_the_steps_of_this_process(tmp_path, capsys, monkeypatch):
    with pytest.raises(SystemExit):
        train(Walk(stop=50), tmp_path, 60)
    monkeypatch.setattr("time.perf_counter", itertools.count().__next__)
    train(Walk(), tmp_path, 60, resume=True)
    assert "step 60 of 60: position" in (out := capsys.readouterr().out)
    assert "; 10 steps/s" in out


def test_what_the_log_holds_beyond_the_checkpoint_is_made_again(whole, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(SystemExit):
        train(Walk(stop=70), folder, 130)
    assert log_steps(folder) == list(range(1, 71))
    with open(folder / LOG, "a") as log:
        log.write("71,0.12")  # a line that was cut off when the process ended
    train(Walk(), folder, 130, resume=True)
    assert content(folder) == content(whole)


def test_an_interrupted_end_is_ended_again(whole, tmp_path):
    class Interrupted(Walk):
        def finish(self):
            raise KeyboardInterrupt

    folder = tmp_path / "run"
    with pytest.raises(SystemExit):
        train(Interrupted(), folder, 130)
    assert serialize.load(folder / CHECKPOINT)["step"] == 100
    task = Walk()
    train(task, folder, 130, resume=True)
    assert task.finished == 1
    assert content(folder) == content(whole)


def test_a_finished_run_is_left_alone(whole, capsys):
    before, times = content(whole), [os.stat(whole / name).st_mtime_ns for name in os.listdir(whole)]
    task = Walk()
    train(task, whole, 130, resume=True)
    assert "nothing to do" in capsys.readouterr().out
    assert task.finished == task.steps == 0
    assert content(whole) == before
    assert [os.stat(whole / name).st_mtime_ns for name in os.listdir(whole)] == times


def test_a_finished_run_can_be_made_longer(whole):
    train(Walk(), whole, 150, resume=True)
    assert log_steps(whole) == list(range(1, 151))
    assert serialize.load(whole / CHECKPOINT)["task"]["steps"] == 150


def test_resuming_nothing_starts_a_new_run_and_says_so(whole, tmp_path, capsys):
    train(Walk(), tmp_path / "new", 130, resume=True)
    assert "no checkpoint" in capsys.readouterr().out
    assert content(tmp_path / "new") == content(whole)


@pytest.mark.parametrize("stop", [None, 70, 30])
def test_a_run_is_not_replaced_without_a_word(tmp_path, stop):
    """Neither a finished run, nor an interrupted one, nor one that has only its first checkpoint."""
    folder = tmp_path / "run"
    try:
        train(Walk(stop=stop), folder, 130)
    except SystemExit:
        assert stop is not None
    before, task = content(folder), Walk(seed=1)
    with pytest.raises(FileExistsError) as caught:
        train(task, folder, 60)
    assert str(caught.value).startswith(f"{folder} already holds a run.")
    assert all(f"--{way}" in str(caught.value) for way in ("resume", "out", "overwrite"))
    assert task.steps == 0
    assert content(folder) == before


def test_a_run_is_replaced_when_that_is_asked_for(whole, tmp_path):
    train(Walk(seed=1), whole, 60, overwrite=True)
    train(Walk(seed=1), tmp_path / "new", 60, overwrite=True)  # without a run in the folder, it starts one
    assert content(whole) == content(tmp_path / "new")
    with pytest.raises(ValueError, match="resume=True or overwrite=True, got both"):
        train(Walk(), whole, 130, resume=True, overwrite=True)


def test_a_log_without_a_checkpoint_is_not_a_run(whole, tmp_path):
    """A process that ended before its first checkpoint leaves nothing worth keeping."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / LOG).write_text("step,position,distance\n")
    train(Walk(), folder, 130)
    assert content(folder) == content(whole)


def test_another_run_is_refused_and_left_alone(whole):
    before, other = content(whole), Walk(seed=1)
    other.fingerprint["text"] = "abc"
    with pytest.raises(CheckpointError, match="belongs to another run") as caught:
        train(other, whole, 200, resume=True)
    assert "seed is 0 there and 1 here" in str(caught.value)
    assert "text is None there and 'abc' here" in str(caught.value)
    assert "sizes" not in str(caught.value)
    assert content(whole) == before


def test_a_damaged_checkpoint_or_log_is_one_clear_error(whole):
    checkpoint = whole / CHECKPOINT
    intact = checkpoint.read_bytes()
    checkpoint.write_bytes(intact[:-7])
    with pytest.raises(CheckpointError, match=CHECKPOINT):
        train(Walk(), whole, 200, resume=True)
    serialize.save(checkpoint, {"step": 3})
    with pytest.raises(CheckpointError, match="not a checkpoint of a run"):
        train(Walk(), whole, 200, resume=True)
    checkpoint.write_bytes(intact)
    (whole / LOG).write_text("step,position,distance\n")
    with pytest.raises(CheckpointError, match="shorter"):
        train(Walk(), whole, 200, resume=True)


def test_what_was_learned_can_be_used_whatever_the_seed_was(whole):
    before, task = content(whole), Walk(seed=1)
    trained(task, whole)
    assert (task.steps, task.finished) == (130, 0)
    assert content(whole) == before


def test_where_nothing_was_learned_there_is_nothing_to_use(whole, tmp_path):
    with pytest.raises(CheckpointError, match=r"no trained run in .*nowhere"):
        trained(Walk(), tmp_path / "nowhere")
    with pytest.raises(SystemExit):
        train(Walk(stop=30), tmp_path / "begun", 130)
    with pytest.raises(CheckpointError, match=r"no trained run in .*begun"):
        trained(Walk(), tmp_path / "begun")
    other = Walk(seed=1)
    other.fingerprint["text"] = "abc"
    with pytest.raises(CheckpointError, match="belongs to another run: text is None there and 'abc' here"):
        trained(other, whole)
    assert other.steps == 0


def test_errors_of_the_task_pass_through_and_leave_the_last_checkpoint(tmp_path):
    class Broken(Walk):
        def step(self):
            if self.steps == 60:
                raise FloatingPointError("the norm of the gradient is nan")
            return super().step()

    with pytest.raises(FloatingPointError):
        train(Broken(), tmp_path, 100)
    assert serialize.load(tmp_path / CHECKPOINT)["step"] == 50


def test_the_bar_on_a_terminal(tmp_path, capsys, monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    train(Walk(), tmp_path, 60)
    out, err = capsys.readouterr()
    assert [line.split(":")[0] for line in out.split("\n") if line] == ["step 40 of 60", "step 60 of 60"]
    assert "60.0/60.0" in err
    assert "position" in err


def test_the_bar_of_a_continued_run_begins_where_it_continues(tmp_path, capsys, monkeypatch):
    pytest.importorskip("tqdm")
    with pytest.raises(SystemExit):
        train(Walk(stop=50), tmp_path, 60)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    capsys.readouterr()
    train(Walk(), tmp_path, 60, resume=True)
    _, err = capsys.readouterr()
    assert "60.0/60.0" in err


@pytest.mark.parametrize("steps", [0, -1, 1.5, "10", True, np.nan])
def test_the_number_of_steps_is_an_integer_of_1_or_more(tmp_path, steps):
    with pytest.raises((TypeError, ValueError), match=r"train needs an integer steps in \[1, inf\), got"):
        train(Walk(), tmp_path / "run", steps)
    assert not (tmp_path / "run").exists()


def test_the_number_of_steps_may_be_of_numpy(whole, tmp_path):
    train(Walk(), tmp_path / "run", np.int64(130))
    assert content(tmp_path / "run") == content(whole)


@pytest.mark.parametrize("epoch", [0, -1, 1.5, "10"])
def test_an_epoch_is_an_integer_of_1_or_more(tmp_path, epoch):
    task = Walk()
    task.epoch = epoch
    with pytest.raises((TypeError, ValueError), match=r"Walk needs an integer epoch in \[1, inf\), got"):
        train(task, tmp_path / "run", 3)
    assert not (tmp_path / "run").exists()
