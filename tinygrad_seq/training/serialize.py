"""Saving and loading trees of tensors and plain values, in one file, without pickle.

The file is a safetensors file. Any program that reads this format finds the arrays in it, each named by its
path in the tree. The structure of the tree and its plain values are in the metadata of the file, as JSON, with
a SHA-256 checksum of everything: a damaged file is detected and never half loaded. A file appears whole or not
at all: it is written under another name, flushed to the disk, and renamed. The safetensors files of other
programs have neither a tree nor a checksum; they are read as a dict of arrays, if the caller says so.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tinygrad_seq.engine import backend
from tinygrad_seq.engine.errors import describe
from tinygrad_seq.tensor.creation import tensor
from tinygrad_seq.tensor.tensor import Tensor

FORMAT = "tinygrad_seq tree 1"
PLAIN = (bool, int, float, str, type(None))

# the dtypes of safetensors that NumPy has; numbers are stored with the lowest byte first
STORED = {
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)},
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "C64": "<c8", "BOOL": "?"},
}


def save(path: str | os.PathLike[str], tree: object) -> None:
    """Write `tree` to `path`; an existing file is replaced in one step.

    tree  a tensor, an array, an int (of any size), float, bool, str or None, or a list, tuple or dict of
          trees; the keys of a dict are strings or ints

    An interruption at any moment leaves either the old file or the new one. Raises TypeError, with the place in
    the tree, for any other value; ModuleNotFoundError without safetensors; OSError as `open` does.

    >>> import tempfile, tinygrad_seq as ts
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/run", {"step": 3, "state": (ts.tensor([1.0, 2.0]), None)})
    ...     load(f"{folder}/run")
    {'step': 3, 'state': (tensor([1., 2.], float32, cpu), None)}
    """
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_encode(tree, "", arrays))
    # one entry of metadata, because the order of several is not fixed
    metadata = {FORMAT: f"{_digest(text, arrays)} {text}"}
    write(path, _safetensors().numpy.save(arrays, metadata))


def load(path: str | os.PathLike[str], *, foreign: bool = False) -> object:
    """The tree that `save` wrote to `path`, with tensors on the CPU, as leaves, and NumPy arrays.

    foreign  also read a safetensors file that another program wrote, as the dict name -> array of all its
             arrays, in the order of the file. Nothing in it shows whether it is damaged. bfloat16, which NumPy
             does not have, becomes float32; every value stays exactly the same.

    Raises FileNotFoundError if there is no such file; ValueError, with its name, if it is truncated, damaged,
    not written by `save` and not `foreign`, or has arrays of another dtype without a NumPy counterpart, such as
    float8; ModuleNotFoundError without safetensors.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/weights", {"w": tensor([1.0, 2.0], requires_grad=True)})
    ...     load(f"{folder}/weights")["w"].requires_grad
    True
    """
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file {path}")
    metadata, arrays = _read(path)
    if FORMAT not in metadata:
        if foreign:
            return arrays
        raise ValueError(
            f"{path} was not written by ts.save: its metadata have no entry {FORMAT!r}; "
            "ts.load(path, foreign=True) reads the arrays of another program's file"
        )
    digest, _, text = metadata[FORMAT].partition(" ")
    if digest != _digest(text, arrays):
        raise ValueError(f"{path} is damaged: its checksum does not match its content")
    try:
        return _decode(json.loads(text), arrays)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: its metadata are not a tree of its arrays: {error!r}") from error


def _read(path: str) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The metadata of a safetensors file, and its arrays in the order of its header."""
    safetensors = _safetensors()
    content = Path(path).read_bytes()
    try:
        entries = dict(safetensors.deserialize(content))  # in an order that changes from run to run
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file, or is truncated or damaged: {error}") from error
    unknown = {
        name: entry["dtype"] for name, entry in entries.items() if entry["dtype"] not in (*STORED, "BF16")
    }
    if unknown:
        names = ", ".join(f"{name} ({dtype})" for name, dtype in sorted(unknown.items()))
        raise ValueError(f"{path} has arrays of dtypes that NumPy does not have: {names}; save them as float32")
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = header.pop("__metadata__", None) or {}
    return metadata, {name: _array(**entries[name]) for name in header}


def _array(dtype: str, shape: list[int], data: bytearray) -> np.ndarray:
    """An entry of a safetensors file; a bfloat16 is the upper half of a float32."""
    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
    return np.frombuffer(data, STORED[dtype]).reshape(shape)


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path` in one step; it is on the disk when this returns."""
    path = Path(path)
    draft = path.with_name(path.name + ".tmp")
    try:
        with open(draft, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # if folders can be opened here, flush the new entry too
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _safetensors() -> ModuleType:
    try:
        import safetensors
        import safetensors.numpy
    except ModuleNotFoundError as error:
        error.add_note('ts.save and ts.load need safetensors: pip install -e ".[examples]"')
        raise
    return safetensors


def _digest(text: str, arrays: dict[str, np.ndarray]) -> str:
    import hashlib  # imported late, because it loads OpenSSL

    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.name} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _encode(tree: object, path: str, arrays: dict[str, np.ndarray]) -> object:
    """`tree` as JSON: plain values unchanged, others as {kind: content}; arrays are added to `arrays`."""
    if type(tree) in PLAIN:
        return tree
    if isinstance(tree, Tensor) or backend.is_array(tree):
        name = path or "tree"
        while name in arrays:  # {"a/b": x, "a": {"b": y}}
            name += "'"
        values = tree.numpy() if isinstance(tree, Tensor) else backend.to_numpy(tree)
        host = np.array(values, order="C", subok=False)
        if host.dtype.kind not in "fiub" or host.dtype.itemsize > 8:
            raise TypeError(
                f"{path or 'the tree'} is {describe(host)}; only floats, integers and booleans can be saved"
            )
        arrays[name] = host.astype(host.dtype.newbyteorder("="), copy=False)
        if isinstance(tree, Tensor):
            return {"tensor": name, "requires_grad": tree.is_leaf and tree.requires_grad}
        return {"array": name}
    join = f"{path}/" if path else ""
    if isinstance(tree, (list, tuple)) and type(tree) in (list, tuple):
        return {type(tree).__name__: [_encode(part, f"{join}{i}", arrays) for i, part in enumerate(tree)]}
    if type(tree) is dict and all(type(key) in (str, int) for key in tree):
        return {"dict": [[key, _encode(part, f"{join}{key}", arrays)] for key, part in tree.items()]}
    what = "a dict with keys that are not strings or ints" if type(tree) is dict else f"a {type(tree).__name__}"
    raise TypeError(
        f"{path or 'the tree'} is {what}; save a dict, list or tuple of tensors, arrays, plain values"
    )


def _decode(code: Any, arrays: dict[str, np.ndarray]) -> object:
    if type(code) in PLAIN:
        return code
    match code:
        case {"array": str(name), **rest} if not rest:
            return arrays[name]
        case {"tensor": str(name), "requires_grad": bool(requires_grad), **rest} if not rest:
            return tensor(arrays[name], requires_grad=requires_grad)
        case {"dict": list(pairs), **rest} if not rest:
            return {key: _decode(part, arrays) for key, part in pairs}
        case {"list": list(parts), **rest} if not rest:
            return [_decode(part, arrays) for part in parts]
        case {"tuple": list(parts), **rest} if not rest:
            return tuple(_decode(part, arrays) for part in parts)
    raise ValueError(f"{code!r:.60} is no part of a tree")
