"""Learners and races, their command line and their curves."""

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygrad_seq import nn
from tinygrad_seq.training import Learner, Race, command, curves, train, verdict


class Line(Learner):
    """y = 2 x, learned."""

    columns, epoch, work, lr = ("loss", "slope", "offset"), 20, ("points", 8), 0.1

    def build(self, rng):
        return nn.Linear(1, 1, rng=rng)

    def loss(self):
        x = self.rng.standard_normal((8, 1), np.float32)
        return nn.mse(self.model(x), 2.0 * x)

    def validate(self):
        return {"slope": self.model.weight.item(), "offset": self.model.bias.item()}


def log(folder):
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_learner_learns(tmp_path):
    line = Line(tmp_path)
    train(line, tmp_path, 100)
    assert abs(line.model.weight.item() - 2) < 0.05
    rows = log(tmp_path)
    assert [bool(row["slope"]) for row in rows] == [n % 20 == 0 for n in range(1, 101)]
    assert float(rows[-1]["slope"]) == line.model.weight.item()


def test_a_step_is_one_of_adam_on_a_clipped_gradient(tmp_path):
    line, same = Line(tmp_path), Line(tmp_path)
    line.max_norm = 1e-3
    before = line.model.weight.item()
    assert not line.step()["loss"].requires_grad  # a figure that is kept does not keep a tape
    same.loss().backward()
    assert np.abs(same.model.weight.grad.numpy()) > 1e-2  # so that it was clipped
    assert np.abs(line.model.weight.grad.numpy()) <= 1e-3
    assert abs(abs(line.model.weight.item() - before) - 0.1) < 1e-3  # the first step of Adam is lr


def test_a_race_is_its_learners_each_by_itself(tmp_path):
    """Bit for bit, also after saving and loading half way."""
    learners = {"one": Line(tmp_path, seed=1), "two": Line(tmp_path, seed=2)}
    race = Race(tmp_path, learners, "slope")
    assert race.columns == ("loss", "one", "two")
    assert race.work == ("points", 16)
    alone = {name: Line(tmp_path, seed=seed) for name, seed in (("one", 1), ("two", 2))}
    losses = [[task.step()["loss"].item() for task in (race, *alone.values())] for _ in range(10)]
    saved = race.state_dict()
    again = Race(tmp_path, {"one": Line(tmp_path, seed=3), "two": Line(tmp_path, seed=4)}, "slope")
    again.load_state_dict(saved)
    for _ in range(10):
        both, one, two = (task.step()["loss"].item() for task in (again, *alone.values()))
        losses.append([both, one, two])
    assert all(both == pytest.approx((one + two) / 2, rel=1e-6) for both, one, two in losses)
    assert again.validate() == {name: line.model.weight.item() for name, line in alone.items()}


def test_a_checkpoint_of_another_race_is_refused(tmp_path):
    train(Race(tmp_path, {"one": Line(tmp_path, seed=1)}, "slope"), tmp_path, 50)
    with pytest.raises(ValueError, match="belongs to another run"):
        train(Race(tmp_path, {"one": Line(tmp_path, seed=2)}, "slope"), tmp_path, 60, resume=True)


def run(monkeypatch, folder, *arguments, **more):
    monkeypatch.setattr(sys, "argv", ["line.py", *arguments])
    command(Line, "A line.\n\nMore.", str(folder / "examples" / "line.py"), steps=30, **more)


def test_the_command_line(monkeypatch, tmp_path, capsys):
    run(monkeypatch, tmp_path)
    assert len(log(tmp_path / "runs" / "line")) == 30
    run(monkeypatch, tmp_path, "--out", str(tmp_path / "other"), "--seed", "5", "--steps", "50")
    assert len(log(tmp_path / "other")) == 50
    run(monkeypatch, tmp_path, "--out", str(tmp_path / "other"), "--seed", "5", "--steps", "60", "--resume")
    assert "continuing from step 50 of 60" in capsys.readouterr().out
    assert len(log(tmp_path / "other")) == 60


def test_the_same_command_again_does_not_replace_the_run(monkeypatch, tmp_path, capsys):
    """One line names the folder and the options; each of the options does what it says."""
    run(monkeypatch, tmp_path)
    folder = tmp_path / "runs" / "line"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    for more in [], ["--seed", "1"], ["--steps", "60"]:
        with pytest.raises(SystemExit) as stopped:
            run(monkeypatch, tmp_path, *more)
        assert stopped.value.code == 1
        printed = capsys.readouterr()
        assert printed.err.startswith(f"error: {folder} already holds a run. ")
        assert all(way in printed.err for way in ("--resume", "--out FOLDER", "--overwrite"))
        assert (printed.out, printed.err.count("\n")) == ("", 1)
        assert {path: path.read_bytes() for path in folder.iterdir()} == before
    run(monkeypatch, tmp_path, "--resume")
    assert "nothing to do" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    run(monkeypatch, tmp_path, "--overwrite", "--seed", "1")
    assert (folder / "log.csv").read_bytes() != before[folder / "log.csv"]
    run(monkeypatch, tmp_path, "--overwrite")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--resume", "--overwrite"], 2, "not allowed with argument"),
        (["--steps", "0"], 2, "--steps must be at least 1"),
        (["--seed", "-1"], 2, "--seed at least 0"),
        (["--help"], 0, "A line."),
        (["--device", "cuda:99"], 1, "error: "),
        (["--device", "tpu"], 1, "error: "),
        (["--out", "OCCUPIED"], 1, "error: "),
    ],
)
def test_what_the_command_line_says_and_refuses(monkeypatch, tmp_path, capsys, arguments, code, said):
    (tmp_path / "OCCUPIED").write_text("a file")
    arguments = [str(tmp_path / a) if a == "OCCUPIED" else a for a in arguments]
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, tmp_path, *arguments)
    assert stopped.value.code == code
    printed = capsys.readouterr()
    assert said in printed.out + printed.err
    assert "Traceback" not in printed.err


def test_the_seed_of_a_run_cannot_change_half_way(monkeypatch, tmp_path, capsys):
    run(monkeypatch, tmp_path)
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, tmp_path, "--seed", "1", "--steps", "60", "--resume")
    assert stopped.value.code == 1
    assert "seed is 0 there and 1 here" in capsys.readouterr().err


def at(line, text):
    """Print the value of a line at the x that a text gives."""
    print(line.model(np.float32([[float(text)]])).item())


def test_a_trained_run_can_be_asked(monkeypatch, tmp_path, capsys):
    run(monkeypatch, tmp_path, predict=at)
    folder = tmp_path / "runs" / "line"
    line, before = log(folder)[-1], {path: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    run(monkeypatch, tmp_path, "--predict", "3", "--seed", "5", predict=at)
    printed = capsys.readouterr()
    assert float(printed.out) == pytest.approx(3 * float(line["slope"]) + float(line["offset"]), rel=1e-5)
    assert printed.err == ""
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "more", "code", "said"),
    [
        (["--predict", "3"], {}, 2, "unrecognized arguments: --predict 3"),
        (["--predict", "three"], {"predict": at}, 1, "error: could not convert string to float: 'three'"),
        (["--predict", ""], {"predict": at}, 1, "error: could not convert string to float: ''"),
        (
            ["--predict", "3", "--out", "nowhere"],
            {"predict": at},
            1,
            "error: there is no trained run in nowhere",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_clear_error(monkeypatch, tmp_path, capsys, arguments, more, code, said):
    run(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, tmp_path, *arguments, **more)
    assert stopped.value.code == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.endswith(f"{said}\n")
    assert not Path("nowhere").exists()


def test_what_a_terminal_cannot_show_is_no_error(monkeypatch, tmp_path):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    run(monkeypatch, tmp_path)
    run(monkeypatch, tmp_path, "--predict", "März", predict=lambda line, text: print(text, flush=True))
    assert written.getvalue().endswith(b"M?rz\n")


class Short(Line):
    """A line that validates more often."""

    epoch = 5


def test_another_form_has_its_own_steps_and_folder(monkeypatch, tmp_path, capsys):
    forms = {"long": (Line, 40), "small": (Short, 10)}
    run(monkeypatch, tmp_path, "--small", forms=forms)
    assert [bool(row["slope"]) for row in log(tmp_path / "runs" / "line_small")] == [
        n % 5 == 4 for n in range(10)
    ]
    run(monkeypatch, tmp_path, forms=forms)
    assert [bool(row["slope"]) for row in log(tmp_path / "runs" / "line")] == [n in (19, 29) for n in range(30)]
    run(monkeypatch, tmp_path, "--long", forms=forms)
    assert len(log(tmp_path / "runs" / "line_long")) == 40
    said = ["--small", "--steps", "15", "--seed", "5", "--out", str(tmp_path / "other")]
    run(monkeypatch, tmp_path, *said, forms=forms)
    assert len(log(tmp_path / "other")) == 15
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path, *said[1:], "--resume", forms=forms)
    assert "task is 'Short' there and 'Line' here" in capsys.readouterr().err


def test_what_has_no_other_form_has_no_such_word(monkeypatch, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(monkeypatch, tmp_path, "--small")
    assert stopped.value.code == 2
    assert "unrecognized arguments: --small" in capsys.readouterr().err


def test_curves_draw_the_columns_of_a_log(monkeypatch, tmp_path):
    from matplotlib.figure import Figure

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: drawn.append((self, Path(path))))
    (tmp_path / "log.csv").write_text("step,loss,right\n1,3.0,\n2,2.0,0.5\n3,1.0,0.75\n")
    curves(tmp_path, {"loss": "the loss", "right": "share right"}, ylabel="both", levels={"chance": 0.25})
    ((figure, path),) = drawn
    assert path == tmp_path / "curves.png"
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["the loss"].get_xydata().tolist() == [[1, 3], [2, 2], [3, 1]]
    assert lines["share right"].get_xydata().tolist() == [[2, 0.5], [3, 0.75]]
    assert set(lines["chance"].get_ydata()) == {0.25}
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("step", "both", "linear")
    curves(tmp_path, {"loss": "the loss"}, ylabel="both", logarithmic=0.5)
    (axes,) = drawn[1][0].axes
    zero, low, middle, high = axes.transData.transform([[0, 0], [0, 0.5], [0, 5], [0, 50]])[:, 1]
    assert axes.get_ylim()[0] == 0
    assert high - middle == pytest.approx(middle - low)
    assert low - zero > 0.9 * (high - middle)  # 0 is near, not below many decades


def test_what_a_learner_must_define(tmp_path):
    with pytest.raises(NotImplementedError, match=r"Learner does not define build\(rng\)"):
        Learner(tmp_path)

    class Model(Learner):
        def build(self, rng):
            return nn.Linear(1, 1, rng=rng)

    with pytest.raises(NotImplementedError, match=r"Model does not define loss\(\)"):
        Model(tmp_path).step()
    assert Model(tmp_path).validate() == {}


@pytest.mark.parametrize(
    ("ours", "trivial", "less", "beaten"),
    [
        (0.6, 0.5, False, True),
        (0.5, 0.5, False, False),
        (0.4, 0.5, False, False),
        (0.4, 0.5, True, True),
        (0.5, 0.5, True, False),
        (0.6, 0.5, True, False),
        (np.nan, 0.5, False, False),
        (np.nan, 0.5, True, False),
    ],
)
def test_a_verdict_says_when_the_trivial_answer_is_not_beaten(ours, trivial, less, beaten):
    assert ("does not beat" in verdict(ours, trivial, less=less)) == (not beaten)


@pytest.mark.parametrize("seed", [-1, 1.0, "0", True, None])
def test_a_seed_is_an_integer_of_0_or_more(tmp_path, seed):
    with pytest.raises((TypeError, ValueError), match=r"Line needs an integer seed in \[0, inf\), got"):
        Line(tmp_path, seed=seed)
    same = Line(tmp_path, seed=np.int64(3))
    assert same.fingerprint == Line(tmp_path, seed=3).fingerprint
    assert type(same.fingerprint["seed"]) is int


@pytest.mark.parametrize("logarithmic", [0.0, -1.0, np.nan, "1", True])
def test_a_scale_is_logarithmic_above_a_positive_number(tmp_path, logarithmic):
    with pytest.raises((TypeError, ValueError), match=r"curves needs a number logarithmic in \(0, inf\), got"):
        curves(tmp_path, {}, ylabel="", logarithmic=logarithmic)
