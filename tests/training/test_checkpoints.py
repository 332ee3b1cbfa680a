"""Checkpoints: what they hold is on the disk, and is loaded as a whole or not at all."""

import copy
import os
import stat

import numpy as np
import pytest

from tinygrad_seq import nn, tree
from tinygrad_seq.training import Learner, Race, serialize
from tinygrad_seq.training.train import CHECKPOINT, LOG, CheckpointError, train, trained

pytest.importorskip("safetensors")


class Line(Learner):
    """y = 2 x, learned."""

    columns, epoch, lr = ("loss", "slope"), 50, 0.1

    def build(self, rng):
        return nn.Linear(2, 1, rng=rng)

    def loss(self):
        x = self.rng.standard_normal((8, 2), np.float32)
        return nn.mse(self.model(x), 2.0 * x[:, :1])

    def validate(self):
        return {"slope": self.model.weight.numpy()[0, 0].item()}


def race(folder, seed=0):
    return Race(folder, {"one": Line(folder, seed=seed), "two": Line(folder, seed=seed + 1)}, "slope")


def same(one, other):
    """Whether two states are equal, bit for bit."""
    pairs = list(zip(tree.leaves(one), tree.leaves(other), strict=True))
    return repr(tree.each(np.shape, one)) == repr(tree.each(np.shape, other)) and all(
        np.array_equal(a, b) for a, b in pairs
    )


@pytest.fixture
def folder(tmp_path):
    """The folder of a run of 60 steps."""
    train(Line(tmp_path), tmp_path, 60)
    return tmp_path


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def dropped(name):
    return lambda state: state.pop(name)


def put(value, *path):
    """A change of a state: the value at a path in it."""

    def change(state):
        for key in path[:-1]:
            state = state[key]
        state[path[-1]] = value

    return change


WRONG = {  # a change of a valid checkpoint -> what the error says
    "no step": (dropped("step"), "needs an integer step"),
    "no log": (dropped("log"), "needs an integer log"),
    "no task": (dropped("task"), "needs a dict task"),
    "no fingerprint": (dropped("fingerprint"), "needs a dict fingerprint"),
    "step -5": (put(-5, "step"), r"needs an integer step in \[0, inf\), got -5"),
    "step 50.5": (put(50.5, "step"), r"needs an integer step in \[0, inf\), got float 50.5"),
    "step True": (put(True, "step"), "needs an integer step"),
    "step 59": (put(59, "step"), "the first .* bytes .* are not step,loss,slope and 59 lines"),
    "log -1": (put(-1, "log"), "needs an integer log"),
    "log 7": (put(7, "log"), "the first 7 bytes"),
    "log 0": (put(0, "log"), "the first 0 bytes"),
    "log in a line": (lambda state: state.update(log=state["log"] + 3), "and 60 lines, as they were"),
    "log 10**9": (put(10**9, "log"), "shorter than it was"),
    "fingerprint a list": (put([1], "fingerprint"), "needs a dict fingerprint"),
    "one more in the fingerprint": (put("abc", "fingerprint", "text"), "text is 'abc' there and None here"),
    "one less in the fingerprint": (put({}, "fingerprint"), "task is None there and 'Line' here"),
    "task a number": (put(3, "task"), "needs a dict task"),
    "no model": (lambda state: state["task"].pop("model"), "nothing was loaded: KeyError: 'model'"),
    "no optimizer": (lambda state: state["task"].pop("optimizer"), "nothing was loaded: KeyError"),
    "no generator": (lambda state: state["task"].pop("rng"), "nothing was loaded: KeyError: 'rng'"),
    "model a number": (put(3, "task", "model"), "Linear needs the dict of a state, got int 3"),
    "a weight less": (lambda state: state["task"]["model"].pop("bias"), "missing: bias"),
    "a weight of another shape": (put(np.zeros(3), "task", "model", "bias"), r"bias needs float32\[1\]"),
    "optimizer a list": (put([1], "task", "optimizer"), "a state is a dict, got list"),
    "a slot less": (lambda state: state["task"]["optimizer"].pop("m"), "m is missing"),
    "a slot a number": (put(3, "task", "optimizer", "m"), "m needs a list of arrays, got int"),
    "an array less": (lambda state: state["task"]["optimizer"]["m"].pop(), "m needs 2 arrays"),
    "an array a number": (put(3, "task", "optimizer", "m", 1), r"m\[1\] needs float32\[1\], got int 3"),
    "an array of another shape": (put(np.zeros(5, np.float32), "task", "optimizer", "m", 1), r"m\[1\] needs"),
    "an array of another dtype": (put(np.zeros(1, np.int64), "task", "optimizer", "v", 1), r"v\[1\] needs"),
    "a negative square": (put(np.float32([-1]), "task", "optimizer", "v", 1), r"v\[1\] needs elements of 0"),
    "negative steps": (put(np.array(-1), "task", "optimizer", "t", 1), r"t\[1\] needs elements of 0"),
    "lr NaN": (put(np.nan, "task", "optimizer", "lr"), r"Adam needs a number lr in \[0, inf\), got nan"),
    "steps -1": (put(-1, "task", "optimizer", "steps"), r"Adam needs an integer steps in \[0, inf\), got -1"),
    "steps 1.5": (put(1.5, "task", "optimizer", "steps"), "Adam needs an integer steps"),
    "generator a number": (put(3, "task", "rng"), "nothing was loaded: TypeError"),
    "another generator": (put("MT19937", "task", "rng", "bit_generator"), "state must be for a PCG64"),
    "a generator without a state": (lambda state: state["task"]["rng"].pop("state"), "KeyError: 'state'"),
    "a generator whose state is text": (put("x", "task", "rng", "state", "inc"), "nothing was loaded"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_checkpoint_with_wrong_content_is_one_error_and_nothing_changes(folder, change, words):
    state = serialize.load(folder / CHECKPOINT)
    change(state)
    serialize.save(folder / CHECKPOINT, state)
    with open(folder / LOG, "a") as log:
        log.write("61,0.12")  # a line that was cut off when the process ended
    files, task = content(folder), Line(folder)
    task.step()
    before = copy.deepcopy(task.state_dict())
    with pytest.raises(CheckpointError, match=words) as caught:
        train(task, folder, 100, resume=True)
    assert str(folder) in str(caught.value)
    assert same(task.state_dict(), before)
    assert content(folder) == files


@pytest.mark.parametrize("name", [name for name in WRONG if "log" not in name and name != "step 59"])
def test_a_trained_model_is_loaded_as_a_whole_too(folder, name):
    change, words = WRONG[name]
    state = serialize.load(folder / CHECKPOINT)
    change(state)
    serialize.save(folder / CHECKPOINT, state)
    task = Line(folder)
    before = copy.deepcopy(task.state_dict())
    with pytest.raises(CheckpointError, match=words):
        trained(task, folder)
    assert same(task.state_dict(), before)


@pytest.mark.parametrize("part", ["model", "optimizer", "rng"])
def test_a_state_of_a_learner_or_a_race_is_loaded_as_a_whole(tmp_path, part):
    learner, both = Line(tmp_path), race(tmp_path)
    state, states = Line(tmp_path, seed=7).state_dict(), race(tmp_path, 7).state_dict()
    state[part] = states["two"][part] = {}
    for task, wrong in ((learner, state), (both, states)):
        before = copy.deepcopy(task.state_dict())
        with pytest.raises((KeyError, ValueError)):
            task.load_state_dict(wrong)
        assert same(task.state_dict(), before)


def test_a_task_whose_state_is_its_own_memory_gets_it_back(folder):
    class Live(Line):
        def state_dict(self):
            return {"a": self.a, "b": self.b}

        def load_state_dict(self, state):
            self.a[:] = state["a"]
            self.b[:] = state["b"]

    task = Live(folder)
    task.fingerprint["task"] = "Line"
    task.a, task.b = np.zeros(2), np.zeros(2)
    state = serialize.load(folder / CHECKPOINT)
    serialize.save(folder / CHECKPOINT, state | {"task": {"a": np.ones(2)}})
    with pytest.raises(CheckpointError, match="nothing was loaded: KeyError: 'b'"):
        train(task, folder, 100, resume=True)
    assert (task.a == 0).all()


def test_the_header_of_the_log_belongs_to_the_run(folder):
    log = (folder / LOG).read_bytes()
    (folder / LOG).write_bytes(log.replace(b"slope", b"angle"))
    with pytest.raises(CheckpointError, match="are not step,loss,slope and 60 lines"):
        train(Line(folder), folder, 100, resume=True)


# --- on the disk --------------------------------------------------------------------------------------


def test_the_log_the_checkpoint_and_the_folder_are_flushed_to_the_disk_in_this_order(tmp_path, monkeypatch):
    """The log first, since the checkpoint says how long it is; then the draft, its new name, and the folder."""
    done, fsync, replace = [], os.fsync, os.replace

    def flushed(number):
        status = os.fstat(number)
        log = (tmp_path / LOG).stat().st_ino
        kind = "folder" if stat.S_ISDIR(status.st_mode) else "log" if status.st_ino == log else "draft"
        size = status.st_size if kind == "log" else None
        done.append((kind, size))
        fsync(number)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", lambda *names: (done.append(("name", None)), replace(*names)))
    train(Line(tmp_path), tmp_path, 60)
    once = ["log", "draft", "name", "folder"] if hasattr(os, "O_DIRECTORY") else ["log", "draft", "name"]
    assert [kind for kind, _ in done] == 3 * once  # at steps 0, 50 and 60
    sizes = [size for kind, size in done if kind == "log"]
    lines = (tmp_path / LOG).read_bytes().splitlines(keepends=True)
    assert sizes == [len(b"".join(lines[: n + 1])) for n in (0, 50, 60)]


def test_the_old_checkpoint_goes_before_a_new_run_has_its_first(folder):
    """Otherwise a run that ends at once would leave the checkpoint of one run with the log of another."""

    class Stopped(Line):
        def state_dict(self):
            raise MemoryError

    with pytest.raises(MemoryError):
        train(Stopped(folder), folder, 60, overwrite=True)
    assert sorted(content(folder)) == [LOG]
