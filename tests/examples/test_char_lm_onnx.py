"""The character model is sampled by ONNX Runtime with the probabilities of the model here."""

import re

import numpy as np
import pytest
from brief import imported

import tinygrad_seq as ts
from tinygrad_seq.training import train

pytestmark = [pytest.mark.examples, pytest.mark.exchange]
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: nothing samples the exported model")


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """A model that has learned a little, and its folder."""
    words = np.random.default_rng(0).choice(["tape ", "record ", "scan ", "loop,\n", "größer ", "∂z "], 3500)
    folder = tmp_path_factory.mktemp("run")
    task = imported("char_lm_onnx").LeavingTask("".join(words)[:14_000], folder, 0, "cpu", 1.0)
    finish, task.finish = task.finish, lambda: None
    train(task, folder, 20)
    task.finish = finish
    return task


def test_the_example_prints_that_the_probabilities_agree(task, capsys):
    task.finish()
    printed = capsys.readouterr().out
    (difference,) = re.findall(r"the largest difference of a probability: (\S+)", printed)
    assert 0 < float(difference) < 1e-5
    text = (task.out / "sample.txt").read_text(encoding="utf-8")
    assert len(text) == 600
    assert set(text) <= set(task.alphabet)
    assert text[:300] in printed


def test_every_character_has_the_probabilities_of_our_model(task):
    """Ours reads one character at a time, too, and hands its state on."""
    task.finish()
    example = imported("char_lm_onnx")
    ids, theirs = example.sample(task.out / "model.onnx", 3, 50, np.random.default_rng(0))
    assert len(set(ids)) > 5
    state = None
    with ts.no_grad():
        for i, probabilities in zip(ids, theirs, strict=False):
            logits, state = task.model(np.array([[i]]), state)
            np.testing.assert_allclose(probabilities, ts.softmax(logits[0, 0]).numpy(), 0, 1e-5)
