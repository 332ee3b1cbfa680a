"""Weights from and to MLX, Paddle and TensorFlow; `recorded/record.py` recorded what these compute."""

from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from exchanged import H2, H, I, T, randomised, runner, same, same_slopes

from tinygrad_seq import nn

RECORDED = Path(__file__).with_name("recorded")


def layers(cell):
    return lambda: runner(cell, "two layers")


def both(cell):
    first = nn.Bidirectional(cell(I, H), cell(I, H))
    return lambda: nn.Layers(first, nn.Bidirectional(cell(2 * H, H), cell(2 * H, H)))


def one(cell):
    return lambda: runner(cell, "one")


CASES = {
    ("mlx", "RNN"): ("mlx", layers(nn.RNNCell)),
    ("mlx", "LSTM"): ("mlx", layers(nn.LSTMCell)),
    ("mlx", "GRU"): ("mlx", layers(nn.ResetAfterGRUCell)),
    ("paddle", "SimpleRNN"): ("paddle", both(nn.RNNCell)),
    ("paddle", "SimpleRNN relu"): ("paddle", both(nn.CELLS["rectified RNN"])),
    ("paddle", "LSTM"): ("paddle", both(nn.LSTMCell)),
    ("paddle", "GRU"): ("paddle", both(nn.ResetAfterGRUCell)),
    ("tensorflow", "BlockLSTM"): ("tensorflow.BlockLSTM", one(nn.LSTMCell)),
    ("tensorflow", "BlockLSTM peepholes"): ("tensorflow.BlockLSTM", one(nn.PeepholeLSTMCell)),
    ("tensorflow", "BlockLSTMV2"): ("tensorflow.BlockLSTMV2", one(nn.LSTMCell)),
    ("tensorflow", "BlockLSTMV2 peepholes"): ("tensorflow.BlockLSTMV2", one(nn.PeepholeLSTMCell)),
}
VERSIONS = {"mlx": "mlx 0.32.4", "paddle": "paddlepaddle 3.3.1", "tensorflow": "tensorflow-cpu 2.21.0"}


@cache
def recorded(file):
    """The cases of a file: case -> kind of arrays -> name -> array."""
    cases = defaultdict(lambda: defaultdict(dict))
    with np.load(RECORDED / f"{file}.npz") as arrays:
        assert arrays["version"] == VERSIONS[file]
        for key in arrays.files[1:]:
            case, kind, *name = key.split("|")
            cases[case][kind]["".join(name)] = arrays[key]
    return cases


class Record:
    """What was recorded, as a network that runs on the recorded inputs only."""

    def __init__(self, case):
        self.case = case

    def run(self, xs, lengths=None):
        return self.case["ys"][""], list(self.case["states"].values())


@pytest.mark.parametrize(("file", "case"), CASES)
def test_outputs_states_and_gradients_agree(file, case):
    library, network = CASES[file, case]
    record = recorded(file)[case]
    xs, lengths = record["xs"][""], [T, 0] if file == "paddle" else None
    ours = nn.from_weights(library, record["weights"], randomised(network()))
    same(ours, Record(record), xs, lengths)
    prefix = "layers." if file == "mlx" else ""
    slopes = {name.removeprefix(prefix): slope for name, slope in record["gradients"].items()}
    if library != "tensorflow.BlockLSTMV2":  # whose gradients are wrong: findings/
        same_slopes(library, ours, slopes, xs, record["g"][""], lengths)


@pytest.mark.parametrize(("file", "case"), CASES)
def test_and_back(file, case):
    """To the bit, except where two biases are added or 1 is added to one."""
    library, network = CASES[file, case]
    record = recorded(file)[case]["weights"]
    back = nn.to_weights(library, nn.from_weights(library, record, network()))
    prefix = "layers." if file == "mlx" else ""
    assert {prefix + name for name in back} == {name for name in record if ".cell" not in name}
    for name, array in back.items():
        summed = "bias_ih" in name and "GRU" not in case
        expected = record[prefix + name] + (record[name.replace("_ih", "_hh")] if summed else 0)
        expected = expected * ("bias_hh" not in name or "GRU" in case)
        exact = (library, name) != ("tensorflow.BlockLSTM", "b")
        np.testing.assert_allclose(array, expected, rtol=0, atol=0 if exact else 1e-6, err_msg=name)


def test_every_recorded_case_is_tested():
    assert {(file, case) for file in VERSIONS for case in recorded(file)} == CASES.keys()
    assert sum(path.stat().st_size for path in RECORDED.iterdir()) < 200_000
    assert H2 != H
