"""Anomaly mode: what first produced NaN or infinity, and on which line of the program."""

import threading

import numpy as np
import pytest

import tinygrad_seq as ts


def line_of(marker):
    """The number of the line of this file that ends with a marker."""
    with open(__file__, encoding="utf-8") as file:
        return next(i for i, line in enumerate(file, 1) if line.rstrip().endswith(f"# {marker}"))


def test_forward_names_the_op_its_arguments_and_the_line():
    x = ts.tensor([1.0, -1.0])
    with (
        ts.detect_anomaly(),
        pytest.raises(
            FloatingPointError, match=r"log made NaN of finite arguments: log\(x: float32\[2\]\)"
        ) as error,
    ):
        ts.log(x)  # forward
    assert f"{__file__}, line {line_of('forward')}: ts.log(x)" in str(error.value)


def test_the_first_culprit_is_named_and_not_what_follows():
    x = ts.tensor([1000.0], requires_grad=True)
    with ts.detect_anomaly(), pytest.raises(FloatingPointError, match="exp made infinity"):
        ts.exp(x) - ts.exp(x)


def test_backward_names_the_line_of_the_forward_call():
    x = ts.tensor([0.0, 4.0], requires_grad=True)
    with ts.detect_anomaly():
        y = np.sqrt(x)  # backward
        with pytest.raises(
            FloatingPointError, match="derivative of sqrt made infinity of a finite cotangent"
        ) as error:
            y.sum().backward()
    assert f"line {line_of('backward')}: y = np.sqrt(x)" in str(error.value)


def test_after_a_backward_pass_it_is_not_blind():
    x = ts.tensor([-1.0], requires_grad=True)
    with ts.detect_anomaly():
        (x * x).sum().backward()
        with pytest.raises(FloatingPointError, match="log made NaN of finite arguments"):
            ts.log(x)


def test_a_tape_made_before_is_still_named():
    y = ts.sqrt(ts.tensor([0.0], requires_grad=True))
    with ts.detect_anomaly(), pytest.raises(FloatingPointError, match=r"sqrt.*outside of detect_anomaly"):
        y.sum().backward()


def test_what_was_infinite_before_is_let_through():
    """A mask of -inf is no anomaly, nor is a zero cotangent at a singular point."""
    x = ts.tensor([0.0, 1.0], requires_grad=True)
    with ts.detect_anomaly():
        scores = ts.where(np.array([True, False]), x, -np.inf)
        (ts.softmax(scores) * 2.0).sum().backward()
        x.zero_grad()
        ts.where(x > 0.5, ts.sqrt(x), 0.0).sum().backward()
    assert x.grad.numpy().tolist() == [0.0, 0.5]


def test_higher_order_is_watched_by_record():
    x = ts.tensor([0.0, 1.0], requires_grad=True)
    with ts.detect_anomaly():
        slope = ts.grad(ts.where(x > 0.5, ts.sqrt(x), 0.0).sum(), x, create_graph=True)
        assert np.isfinite(slope.numpy()).all()


def test_it_ends_with_the_block_and_belongs_to_the_thread():
    x = ts.tensor([-1.0])
    seen = []
    with ts.detect_anomaly():
        with pytest.raises(FloatingPointError):
            ts.log(x)

        def elsewhere():
            with np.errstate(all="ignore"):
                seen.append(ts.log(x))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    with np.errstate(all="ignore"):
        seen.append(ts.log(x))
    assert [np.isnan(t.item()) for t in seen] == [True, True]


def test_integers_and_comparisons_are_no_anomalies():
    with ts.detect_anomaly():
        assert ts.isnan(ts.tensor([np.nan])).numpy().all()
        assert (ts.tensor([1, 2]) + 1).numpy().tolist() == [2, 3]
        assert ts.split(ts.tensor([1.0, 2.0]), 2)[1].item() == 2.0
