"""The benchmarks compare the same model: in float64, the gradients of all contenders are equal."""

import numpy as np
import pytest
from results import assert_allclose

from tinygrad_seq.scan import over_time
from tinygrad_seq.scan.recording.step import Step

pytestmark = pytest.mark.host("benchmarks compare on the CPU")

OURS = ["ours, scan as C", "ours, C, recorded anew", "ours, scan as NumPy"]
PYTORCH = pytest.param("PyTorch, own cell", marks=pytest.mark.oracle)
SIZE = (3, 2, 4, 5)


@pytest.fixture
def prepared(benchmark):
    """prepared(contenders, name, problem): a contender; the test is skipped if it is left out."""

    def run(contenders, name, problem):
        try:
            return contenders[name](problem)
        except (ImportError, benchmark("measure").AbsentError) as reason:
            pytest.skip(str(reason))

    return run


@pytest.mark.parametrize("contender", [*OURS, PYTORCH])
def test_all_machines_have_the_same_gradients(benchmark, prepared, contender):
    """For every parameter, at a random memory, and again after a step of Adam at rate 0."""
    ntm, rows, batch = benchmark("ntm"), 4, 3
    right = ntm.reference(rows, batch)
    run = prepared(ntm.CONTENDERS, contender, ntm.Problem(rows, batch, np.float64))
    run()
    for found, expected in zip(run(), right, strict=True):
        assert np.abs(expected).max() > 1e-6  # with equal rows, the gradient of a key would be 0
        assert_allclose(np.asarray(found), expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize(
    "contender",
    [
        "ours, scan as C",
        *(
            pytest.param(f"PyTorch, {name}", marks=pytest.mark.oracle)
            for name in ("F.ctc_loss", "the recursion")
        ),
        *(pytest.param(name, marks=pytest.mark.oracle) for name in ("JAX, jit of scan", "JAX, optax.ctc_loss")),
    ],
)
def test_all_losses_of_ctc_have_the_same_gradients(benchmark, prepared, contender):
    ctc, size = benchmark("ctc"), (12, 3, 5, 4)
    dtype = np.float32 if contender.startswith("JAX") else np.float64  # without a setting, JAX has no other
    (found,) = prepared(ctc.CONTENDERS, contender, ctc.Problem(*size, dtype))()
    (expected,) = ctc.reference(*size)
    assert np.abs(expected).max() > 1e-2
    assert_allclose(np.asarray(found), expected, rtol=0, atol=1e-5 if dtype == np.float32 else 1e-10)


@pytest.mark.parametrize("contender", ["ours, scan as C", "ours, scan as NumPy", PYTORCH])
@pytest.mark.parametrize("size", [("DRAW", 2), ("RAM", 3, 1), ("RAM", 2, 3)])
def test_all_models_that_look_have_the_same_gradients(benchmark, prepared, size, contender):
    looking = benchmark("looking")
    run = prepared(looking.CONTENDERS, contender, looking.Problem(*size, dtype=np.float64))
    run()
    for found, expected in zip(run(), looking.reference(*size), strict=True):
        assert np.abs(expected).max() > 1e-6
        assert_allclose(np.asarray(found), expected, rtol=1e-8, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize("contender", [*OURS, PYTORCH])
@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm", "ln-lstm"])
def test_all_cells_have_the_same_gradients(benchmark, prepared, kind, contender):
    contenders = benchmark("contenders")
    run = prepared(contenders.CONTENDERS, contender, contenders.Problem(kind, SIZE, np.float64))
    for found, expected in zip(run(), contenders.reference(kind, SIZE), strict=True):
        assert_allclose(np.asarray(found), expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(("runner", "again"), [("scanned", 0), ("recorded", 1)])
def test_the_recording_of_the_pure_cell_is_kept(benchmark, monkeypatch, runner, again):
    """That of a function around it, which is not marked, is not."""
    contenders, steps = benchmark("contenders"), []
    run = contenders.ours(contenders.Problem("ln-lstm", SIZE), getattr(contenders, runner))
    run()
    monkeypatch.setattr(over_time, "Step", lambda *given: steps.append(given) or Step(*given))
    run()
    assert len(steps) == again
