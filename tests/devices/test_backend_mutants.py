"""Mutants of the backend: mistakes that NumPy accepts and a device does not; each must fail a test on the
double.

Each mutant changes a line of the package to one that works on the CPU. The test that is listed with it runs in
a separate process, on a copy of the package; it must fail with the change, and pass without it.
"""

from typing import NamedTuple

import doors
import pytest
from planted.running import copied, run

pytestmark = pytest.mark.skipif(doors.NAME != "double", reason="mutants of the backend die on the double")


class Mutant(NamedTuple):
    """A text in a file of the package, its replacement, and the test that must fail."""

    file: str
    right: str
    wrong: str
    tests: str


LAW, DEVICES = "tests/ops/test_laws.py::test_law", "tests/devices/test_devices.py::test_"
WAITS = f"{DEVICES}a_training_step_waits_for_nothing"
MUTANTS = {
    "np.zeros for zeros_like": Mutant(
        "ops/creation.py",
        "backend.shaped(np.zeros_like, x, shape)",
        "np.zeros(x.shape if shape is None else shape, x.dtype)",
        f"{LAW}[zeros_like-values]",
    ),
    "the shape () for no shape": Mutant(
        "engine/backend.py",
        "    if shape or on_host(x):\n        return make(x, shape=shape)",
        "    if True:\n        return make(x, shape=shape)",
        "tests/ops/test_forms.py::test_a_form_that_numpy_accepts[zeros_like(M, shape=())]",
    ),
    "an index array of the host": Mutant(
        "ops/device_indices.py",
        "    host = isinstance(index, (np.ndarray, np.generic))\n",
        "    host = False\n",
        f"{DEVICES}an_index_of_the_host_goes_to_the_device",
    ),
    "an index that nobody checks": Mutant(
        "ops/device_indices.py",
        "        if wrong.size:\n",
        "        if False:\n",
        f"{DEVICES}an_index_of_the_host_out_of_range_is_refused_before_it_goes",
    ),
    "float() of a device scalar": Mutant(
        "optim/clipping.py",
        "    if error_if_nonfinite and backend.device_of(there)",
        "    if float(there) > 0 and error_if_nonfinite and backend.device_of(there)",
        WAITS,
    ),
    "a Python if on a value": Mutant(
        "ops/softmax.py",
        "    return x - np.where(top == -np.inf, 0, top)",
        "    return x - (top if np.all(np.isfinite(top)) else np.where(top == -np.inf, 0, top))",
        WAITS,
    ),
    "a reduction with initial=": Mutant(
        "ops/reduction.py",
        "return np.max(x, axis=axis, keepdims=keepdims)",
        "return np.max(x, axis=axis, keepdims=keepdims, initial=-np.inf)",
        f"{LAW}[max-values]",
    ),
    "a ufunc with where=": Mutant(
        "ops/elementwise.py",
        "    return np.sqrt(x)",
        "    return np.sqrt(x, where=x >= 0, out=np.full_like(x, np.nan))",
        f"{LAW}[sqrt-values]",
    ),
    "add.at by ufunc method": Mutant(
        "engine/backend.py",
        "        _cupy().add.at(z, key, g)",
        "        np.add.at(z, key, g)",
        f"{LAW}[scatter-values]",
    ),
    "assignment for addition": Mutant(
        "engine/backend.py",
        "        _cupy().add.at(z, key, g)",
        "        z[key] += g",
        f"{LAW}[scatter-values]",
    ),
    "np.asarray": Mutant(
        "ops/elementwise.py",
        "    return backend.array(x).astype(dtype)\n\n\n_astype",
        "    return np.asarray(x).astype(dtype)\n\n\n_astype",
        f"{LAW}[astype-values]",
    ),
    "a detour by the host": Mutant(
        "ops/exponential.py",
        "    return np.tanh(x)\n",
        "    from tinygrad_seq import backend\n\n"
        "    return backend.asarray(np.tanh(backend.to_numpy(x)), backend.device_of(x))\n",
        WAITS,
    ),
    "an upload for each parameter": Mutant(
        "optim/methods.py",
        "np.multiply(v, 1 / (1 - beta2**t), out=scratch)",
        "np.multiply(v, __import__('cupy').asarray(np.asarray([1 / (1 - beta2**t)])), out=scratch)",
        WAITS,
    ),
    "a constant of the host in a scan": Mutant(
        "scan/np/lines.py",
        '    if device == "cpu":\n        x = np',
        "    if True:\n        x = np",
        "tests/scan/np/test_scan_emitted.py::test_constants_that_broadcast",
    ),
    "memory of the host in a scan": Mutant(
        "scan/np/loop.py",
        "backend.empty(starts[-1] + LINE, BYTE, device)",
        "np.empty(starts[-1] + LINE, BYTE)",
        "tests/scan/np/test_scan_emitted.py::test_constants_that_broadcast",
    ),
    "devices that mix": Mutant(
        "engine/recording.py",
        "    if not isinstance(z, np.ndarray):\n",
        "    if False:\n",
        f"{DEVICES}tensors_of_two_devices_do_not_mix",
    ),
    "a mask that is drawn on the host and stays there": Mutant(
        "nn/dropout.py",
        "Tensor(backend.asarray(kept.astype(like.dtype) / (1 - self.p), like.device))",
        "kept.astype(like.dtype) / (1 - self.p)",
        f"{DEVICES}training_gives_the_same_weights",
    ),
    "a loss that is read at every step": Mutant(
        "nn/losses.py",
        "    log_p = log_softmax(logits)\n",
        "    log_p = log_softmax(logits)\n    assert log_p.numpy() is not None\n",
        WAITS,
    ),
    "a figure that is read at every step": Mutant(
        "training/train.py",
        'rows.append({"step": step, **figures, **extra})',
        'rows.append(read({"step": step, **figures, **extra}))',
        f"{DEVICES}figures_are_read_when_they_are_saved",
    ),
    "an id that wraps": Mutant(
        "nn/indices.py",
        "    return x if inside is None",
        "    return x if True or inside is None",
        f"{DEVICES}an_index_on_the_device_that_nobody_looks_at_gives_nan",
    ),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the package and of its tests."""
    return copied(tmp_path_factory.mktemp("mutants"))


def fails(root, *tests):
    """Whether one of these tests fails on the double, in a separate process, and their output."""
    made = run(root, "--backend=double", *tests)
    assert made.returncode in (0, 1), made.stdout + made.stderr  # 5 would mean that no test was run
    return made.returncode == 1, made.stdout


def test_the_copy_is_sound(copy):
    failed, said = fails(copy, *dict.fromkeys(mutant.tests for mutant in MUTANTS.values()))
    assert not failed, said


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_dies(copy, name):
    mutant = MUTANTS[name]
    path = copy / "tinygrad_seq" / mutant.file
    text = path.read_text()
    assert text.count(mutant.right) >= 1, f"{mutant.file} does not read so any more: {mutant.right}"
    path.write_text(text.replace(mutant.right, mutant.wrong))
    try:
        failed, said = fails(copy, mutant.tests)
    finally:
        path.write_text(text)
    assert failed, said
