"""Names that PyTorch, JAX and NumPy have and we do not, and what to write here instead.

They are not supported. A missing name is looked up here so that the error can tell what to write.
"""

from __future__ import annotations

from tinygrad_seq.engine.primitive import FUNCTIONS

METHODS = {  # t.name -> what to write
    "view": "t.reshape(...)",
    "unsqueeze": "ts.expand_dims(t, axis)",
    "permute": "t.transpose(...)",
    "t": "t.T",
    "expand": "ts.broadcast_to(t, shape)",
    "dim": "t.ndim",
    "numel": "t.size, a number",
    "clone": "t + 0 to stay on the tape, or t.detach() to leave it",
    "copy": "t + 0 to stay on the tape, or t.detach() to leave it",
    "cpu": "t.to('cpu')",
    "cuda": "t.to('cuda')",
    "float": "t.astype('float32')",
    "double": "t.astype('float64')",
    "half": "t.astype('float16')",
    "long": "t.astype('int64')",
    "int": "t.astype('int32')",
    "bool": "t.astype(bool)",
    "type": "t.astype(dtype)",
    "requires_grad_": "t.requires_grad = True",
    "grad_fn": "t.line, the record that made t and the index of the output",
    "tolist": "t.numpy().tolist()",
    "mm": "t @ u",
    "bmm": "t @ u",
    "pow": "t ** p",
    "any": "np.any(t.numpy())",
    "all": "np.all(t.numpy())",
    "clamp": "t.clip(low, high)",
    "masked_fill": "ts.where(mask, value, t)",
    "gather": "ts.take_along_axis(t, indices, axis)",
    "index_select": "t.take(indices, axis)",
    "scatter_add": "ts.scatter_add(t, key, values)",
    "at": "ts.scatter_add(t, key, values) or ts.where(mask, value, t)",
    "fill": "t.assign_(values)",
    "fill_": "t.assign_(values)",
    "copy_": "t.assign_(values)",
    "zero_": "t.assign_(zeros), or t.zero_grad() for the gradient",
    "register_hook": "ts.grad(loss, t), the gradient that the hook would receive",
    "retain_grad": "ts.grad(loss, t), of any tensor, leaf or not",
}

NAMES = {  # ts.name -> what to write
    "cat": "ts.concatenate([...], axis)",
    "concat": "ts.concatenate([...], axis)",
    "unsqueeze": "ts.expand_dims(t, axis)",
    "permute": "ts.transpose(t, axes)",
    "chunk": "ts.split(t, sections, axis)",
    "gather": "ts.take_along_axis(t, indices, axis)",
    "clamp": "ts.clip(t, low, high)",
    "mm": "t @ u",
    "bmm": "t @ u",
    "pow": "t ** p",
    "functional": "ts.relu, ts.softmax and so on, and the losses of ts.nn",
    "arange": "ts.tensor(np.arange(n))",
    "eye": "ts.tensor(np.eye(n, dtype=np.float32))",
    "full": "ts.tensor(np.full(shape, x, np.float32))",
    "random": "ts.tensor(rng.normal(size=shape)), for rng = np.random.default_rng(seed)",
    "rand": "ts.tensor(rng.random(shape, np.float32)), for rng = np.random.default_rng(seed)",
    "randn": "ts.tensor(rng.standard_normal(shape, np.float32)), for rng = np.random.default_rng(seed)",
    "from_numpy": "ts.tensor(array), which copies",
    "as_tensor": "ts.tensor(array), which copies",
    "array": "ts.tensor(data)",
    "asarray": "ts.tensor(array), which copies",
    "FloatTensor": "ts.tensor(data, dtype='float32')",
    "LongTensor": "ts.tensor(data, dtype='int64')",
    "float16": "np.float16",
    "float32": "np.float32",
    "float64": "np.float64",
    "int64": "np.int64",
    "long": "np.int64",
    "manual_seed": "rng=seed in every call that draws random numbers: nn.Linear(3, 4, rng=0)",
    "inference_mode": "ts.no_grad()",
    "set_grad_enabled": "with ts.no_grad(): around calls that are not to be recorded",
    "enable_grad": "nothing; outside ts.no_grad() calls are recorded",
    "jit": "f(x) directly; ts.scan compiles loops",
}

NN = {  # nn.name -> what to write
    "RNN": "nn.Recurrent(nn.RNNCell(input, hidden))",
    "LSTM": "nn.Recurrent(nn.LSTMCell(input, hidden))",
    "GRU": "nn.Recurrent(nn.ResetAfterGRUCell(input, hidden)), PyTorch's form, or nn.GRUCell's",
    "ReLU": "ts.relu, a function",
    "Tanh": "ts.tanh, a function",
    "Sigmoid": "ts.sigmoid, a function",
    "Softmax": "ts.softmax, a function",
    "CrossEntropyLoss": "nn.cross_entropy(logits, targets)",
    "MSELoss": "nn.mse(x, y)",
    "BCEWithLogitsLoss": "nn.binary_cross_entropy_with_logits(logits, targets)",
    "functional": "ts.relu, ts.softmax and so on, and the losses: nn.cross_entropy",
    "utils": "ts.optim.clip_grad_norm_",
    "ModuleList": "a Python list; modules and parameters in a list attribute belong to the model",
    "ModuleDict": "a Python dict; modules and parameters in a dict attribute belong to the model",
}

OPTIM = {"lr_scheduler": "a schedule, such as ts.optim.cosine"}  # optim.name -> what to write

MODULES = {  # module.name -> what to write
    "forward": "module(x)",
    "cuda": 'module.to(device="cuda")',
    "cpu": 'module.to(device="cpu")',
    "half": 'module.to(dtype="float16")',
    "float": 'module.to(dtype="float32")',
    "double": 'module.to(dtype="float64")',
    "apply": "for m in module.modules(): ...",
    "children": "module.modules() for the whole tree, or vars(module)",
    "named_modules": "module.named_tensors() or print(module)",
    "requires_grad_": "for p in module.parameters(): p.requires_grad = False",
    "register_buffer": "self.name = tensor; a tensor that is not a Parameter is saved but not trained",
    "register_parameter": "self.name = nn.Parameter(...)",
}


def say(name: str, owner: str, names: dict[str, str]) -> str:
    """The text of an AttributeError for a `name` that `owner` does not have."""
    if name in names:
        return f"{owner} has no {name}: write {names[name]}"
    if key := next((key for key in (name, f"linalg.{name}", f"special.{name}") if key in FUNCTIONS), None):
        return f"{owner} has no {name}: it is a function, ts.{key}(t)"
    if name.endswith("_") and not name.startswith("_"):
        return (
            f"{owner} has no {name}: tensors are values, write t = t + x; t.assign_(values) overwrites a leaf"
        )
    return f"{owner} has no attribute {name!r}"
