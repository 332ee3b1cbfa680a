"""What cannot leave as a file of ONNX, and what cannot be read from one: one error that says everything."""

import builtins
import re

import numpy as np
import pytest

import tinygrad_seq as ts
from tinygrad_seq import nn

pytestmark = pytest.mark.host("files of ONNX are written on the host")
XS = {"xs": "float32[time, batch, 3]"}


def test_without_onnx_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "onnx":
            raise ModuleNotFoundError("No module named 'onnx'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    for call in (
        lambda: nn.to_onnx(ts.tanh, XS, tmp_path / "f.onnx"),
        lambda: nn.from_onnx(tmp_path / "f.onnx"),
    ):
        with pytest.raises(ModuleNotFoundError) as error:
            call()
        assert error.value.__notes__ == ['nn.to_onnx and nn.from_onnx need onnx: pip install -e ".[onnx]"']


def refused(error, model, inputs, path, match):
    """The export is refused, and leaves no file."""
    with pytest.raises(error, match=match) as found:
        nn.to_onnx(model, inputs, path)
    assert not path.exists()
    return found.value


@pytest.fixture
def path(tmp_path):
    return tmp_path / "f.onnx"


@pytest.mark.parametrize("inputs", [None, {}, ["float32[2]"]], ids=str)
def test_inputs_that_have_no_names(inputs, path):
    refused(TypeError, ts.tanh, inputs, path, "needs a dict of the inputs by name, such as")


@pytest.mark.parametrize(
    "text", ["float32", "float32[a b]", "float32[-1]", "text[2]", "complex64[2]", "float32[2.5]", 3, ""]
)
def test_an_input_that_has_no_shape(text, path):
    refused(ValueError, ts.tanh, {"x": text}, path, f"shape of x, .* got {re.escape(repr(text))}")


def test_more_free_axes_than_are_recorded(path):
    refused(
        ValueError, ts.tanh, {"x": "float32[a, b, c, d, e, f, g]"}, path, "at most 6 free axes, got 7: a, b"
    )


def test_every_op_without_a_form_is_named_once(path):
    def model(xs):
        return ts.special.j0(xs) + ts.fft.rfft(xs).sum() + ts.special.j0(xs), ts.special.y0(xs)

    match = "no form in ONNX for 3 operations of model: j0; rfft; y0$"
    refused(NotImplementedError, model, XS, path, match)


def test_an_op_without_a_form_in_a_loop_is_named(path):
    def model(xs):
        return ts.scan(lambda h, x: (ts.special.j0(h + x), h), xs[0], xs)[1] + ts.special.y0(xs)

    refused(NotImplementedError, model, XS, path, "2 operations of model: j0; y0$")


def test_a_python_loop_over_a_free_axis(path):
    model = nn.Recurrent(nn.LSTMCell(3, 5), unroll=True)
    refused(
        ValueError, model, XS, path, "another number of operations, .* ts.scan, or as a runner without unroll$"
    )


def test_a_branch_by_a_size(path):
    def model(xs):
        return ts.tanh(xs) if len(xs) > 12 else ts.exp(xs)

    refused(
        ValueError,
        model,
        XS,
        path,
        r"at other sizes it calls exp and tanh \(.*test_onnx_refusals.py, line \d+\)",
    )


def test_a_branch_by_a_size_in_a_loop(path):
    def model(xs):
        return ts.scan(lambda h, x: (ts.tanh(h) if len(xs) > 12 else ts.exp(h), h), xs[0], xs)[1]

    refused(ValueError, model, XS, path, "at other sizes scan receives steps with other operations")


def test_an_array_that_is_made_from_a_size(path):
    def model(xs):
        return xs + np.arange(len(xs), dtype=np.float32)[:, None, None]

    match = (
        r"at other sizes it makes an array float32\[11,1,1\] whose values at other sizes are not known .*line"
    )
    refused(ValueError, model, XS, path, match)


def test_a_number_that_is_made_from_a_size(path):
    refused(ValueError, lambda xs: xs * (1.0 / len(xs)), XS, path, "uses other values of an array .*line")


def test_a_size_that_is_no_linear_function_of_sizes(path):
    refused(NotImplementedError, lambda xs: xs[: len(xs) // 2], XS, path, r"getitem the size \(5, 8, 6\)")


def test_a_number_that_is_no_linear_function_of_sizes(path):
    refused(
        NotImplementedError, lambda xs: xs * (len(xs) // 2), XS, path, r"lambda>: a number the size \(5, 8, 6\)"
    )


def test_draws(path):
    rng = np.random.default_rng(0)
    refused(
        ValueError, lambda xs: xs * rng.random(3).astype(np.float32), XS, path, "other values .* at every call"
    )
    error = refused(RuntimeError, nn.Sequential(nn.Dropout(0.5)), {"x": "float32[n]"}, path, "draw")
    assert "call model.eval() first" in error.__notes__[-1]


def test_values_that_are_read(path):
    error = refused(TypeError, lambda xs: xs if float(xs.sum()) > 0 else -xs, XS, path, "cannot be read")
    assert "while to_onnx called the model" in error.__notes__[-1]


@pytest.mark.parametrize("made", [None, 3, np.ones(2), ("a",)], ids=str)
def test_results_that_are_not_tensors(made, path):
    refused(TypeError, lambda xs: made, XS, path, "a model that returns a tensor or a tree of tensors")


def test_a_scan_in_segments_is_named(path):
    def model(xs):
        return ts.scan(lambda h, x: (ts.tanh(h + x), h), xs[0], xs, remat=4)[0]

    refused(ValueError, model, XS, path, "at other sizes")
