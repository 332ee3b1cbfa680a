"""Saving and loading trees of tensors and plain values, in one file, without pickle.

The file is a safetensors file. Any program that reads this format finds the arrays in it, each named by its
path in the tree. The structure of the tree and its plain values are in the metadata of the file, as JSON, with
a SHA-256 checksum of everything: a damaged file is detected and never half loaded. A file appears whole or not
at all: it is written under another name, flushed to the disk, and renamed.
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


def load(path: str | os.PathLike[str]) -> object:
    """The tree that `save` wrote to `path`, with tensors on the CPU, as leaves, and NumPy arrays.

    Raises FileNotFoundError if there is no such file; ValueError, with its name, if it is truncated, damaged or
    was not written by `save`; ModuleNotFoundError without safetensors.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/weights", {"w": tensor([1.0, 2.0], requires_grad=True)})
    ...     load(f"{folder}/weights")["w"].requires_grad
    True
    """
    safetensors = _safetensors()
    path = os.fspath(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is not a dict)
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file, or is truncated or damaged: {error}") from error
    if FORMAT not in metadata:
        raise ValueError(f"{path} was not written by ts.save: its metadata have no entry {FORMAT!r}")
    digest, _, text = metadata[FORMAT].partition(" ")
    if digest != _digest(text, arrays):
        raise ValueError(f"{path} is damaged: its checksum does not match its content")
    try:
        return _decode(json.loads(text), arrays)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: its metadata are not a tree of its arrays: {error!r}") from error


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
