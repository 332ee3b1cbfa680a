"""Names that PyTorch, JAX and NumPy have and we do not, and what to write here instead.

They are not supported. A missing name is looked up here so that the error can tell what to write.
"""

from __future__ import annotations

from tinygrad_seq.engine.primitive import FUNCTIONS

OPERATORS = {  # PyTorch's names of operators, as t.name and ts.name
    "sub": "t - u",
    "mul": "t * u",
    "div": "t / u",
    "true_divide": "t / u",
    "neg": "-t",
    "eq": "t == u",
    "ne": "t != u",
    "gt": "t > u",
    "ge": "t >= u",
    "lt": "t < u",
    "le": "t <= u",
    "mm": "t @ u",
    "bmm": "t @ u",
    "pow": "t ** p",
}

RULES = (
    "@ts.primitive and its rules, op.vjp(...) and op.jvp(...); its function may call functions of ts, which "
    "return arrays for arrays, as in docs/testing.md"
)
TREES = (
    "a comprehension, {name: f(t) for name, t in tree.items()}; ts.flatten(tree) for the leaves in one vector"
)

METHODS = {  # t.name -> what to write
    **OPERATORS,
    "add": "t + u",
    "subtract": "t - u",
    "multiply": "t * u",
    "divide": "t / u",
    "view": "t.reshape(...)",
    "view_as": "t.reshape(u.shape)",
    "reshape_as": "t.reshape(u.shape)",
    "expand_as": "ts.broadcast_to(t, u.shape)",
    "type_as": "t.astype(u.dtype)",
    "contiguous": "t itself: every op accepts every layout",
    "is_contiguous": "nothing: every op accepts every layout",
    "stride": "t.data.strides, in bytes",
    "nelement": "t.size, a number",
    "element_size": "t.dtype.itemsize",
    "data_ptr": "t.data.ctypes.data",
    "is_cuda": "t.device != 'cpu'",
    "is_floating_point": "t.dtype.kind == 'f'",
    "swapdims": "t.swapaxes(0, 1)",
    "movedim": "ts.moveaxis(t, source, destination)",
    "unbind": "ts.unstack(t, axis=0)",
    "chunk": "ts.split(t, n, axis)",
    "split": "ts.split(t, parts, axis), with a number of parts or the places of the cuts",
    "topk": "ts.sort(t)[..., -k:], or ts.argsort(t)[..., -k:] for the indices; the largest is last",
    "values": "t.numpy(); a reduction such as t.max(1) returns the values, and t.argmax(1) the indices",
    "indices": "t.argmax(axis)",
    "where": "ts.where(mask, t, u)",
    "masked_select": "t[mask]",
    "index_add": "ts.scatter_add(t, key, values)",
    "scatter": "ts.where(mask, values, t)",
    "lerp": "t + weight * (u - t)",
    "addmm": "t + u @ v",
    "new_zeros": "ts.zeros(shape, dtype=t.dtype, device=t.device)",
    "new_ones": "ts.ones(shape, dtype=t.dtype, device=t.device)",
    "new_tensor": "ts.tensor(data, dtype=t.dtype, device=t.device)",
    "uniform_": "t.assign_(rng.random(t.shape)), for rng = np.random.default_rng(seed)",
    "normal_": "t.assign_(rng.normal(size=t.shape)), for rng = np.random.default_rng(seed)",
    "detach_": "t.detach()",
    "block_until_ready": "t.numpy(), which waits for the device",
    "pin_memory": "nothing",
    "share_memory_": "nothing: threads share tensors, and processes get copies",
    "to_numpy": "t.numpy()",
    "to_list": "t.numpy().tolist()",
    "iloc": "t[...]",
    "loc": "t[...]",
    "head": "t[:5]",
    "plot": "plt.plot(t.numpy())",
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
    **OPERATORS,
    "cat": "ts.concatenate([...], axis)",
    "concat": "ts.concatenate([...], axis)",
    "unsqueeze": "ts.expand_dims(t, axis)",
    "permute": "ts.transpose(t, axes)",
    "chunk": "ts.split(t, sections, axis)",
    "gather": "ts.take_along_axis(t, indices, axis)",
    "clamp": "ts.clip(t, low, high)",
    "topk": "ts.sort(t)[..., -k:], or ts.argsort(t)[..., -k:] for the indices; the largest is last",
    "unbind": "ts.unstack(t, axis=0)",
    "movedim": "ts.moveaxis(t, source, destination)",
    "index_select": "ts.take(t, indices, axis)",
    "masked_select": "t[mask]",
    "gelu": "t * ts.special.ndtr(t)",
    "silu": "t * ts.sigmoid(t)",
    "leaky_relu": "ts.where(t > 0, t, 0.01 * t)",
    "elu": "ts.where(t > 0, t, ts.expm1(ts.minimum(t, 0.0)))",
    "one_hot": "ts.tensor(np.eye(n, dtype=np.float32))[ids]",
    "is_tensor": "isinstance(t, ts.Tensor)",
    "functional": "ts.relu, ts.softmax and so on, and the losses of ts.nn",
    "utils": "ts.optim.clip_grad_norm_, ts.nn.padded, or ts.scan(step, init, xs, remat=n) for checkpoints",
    "autograd": "ts.grad(loss, x); an op of your own is a function with @ts.primitive and its rules",
    "func": "ts.grad, ts.vjp, ts.jvp, ts.jacobian, ts.hessian and ts.vmap",
    "custom_vjp": RULES,
    "custom_jvp": RULES,
    "custom_gradient": RULES,
    "jacfwd": "ts.jacobian(f, x)",
    "jacrev": "ts.jacobian(f, x)",
    "linearize": "ts.jvp(f, primals, tangents)",
    "make_jaxpr": "ts.tape(f(x))",
    "checkpoint": "ts.scan(step, init, xs, remat=n), which keeps every n-th carry and recomputes the others",
    "remat": "ts.scan(step, init, xs, remat=n), which keeps every n-th carry and recomputes the others",
    "lax": "ts.scan, ts.stop_gradient, ts.where",
    "fori_loop": "ts.scan(step, init, length=n)",
    "while_loop": "a Python loop, or ts.scan(step, init, length=n) with ts.where for a carry that has ended",
    "cond": "ts.where(mask, x, y), or Python's if outside of ts.scan and ts.vmap",
    "pmap": "ts.vmap(f), on one device",
    "tree_map": TREES,
    "tree_util": TREES,
    "tree_leaves": TREES,
    "numpy": "np: NumPy's functions accept tensors, np.tanh(t)",
    "device": 'the name of the device, "cpu" or "cuda:1": t.to("cuda"), ts.tensor(data, device="cuda")',
    "cuda": "ts.devices(), the devices, each with its name and whether it is available",
    "device_put": 't.to("cuda")',
    "device_get": "t.numpy()",
    "compile": "f(x) directly; ts.scan compiles loops",
    "empty": "ts.zeros(shape)",
    "range": "ts.tensor(np.arange(n))",
    "randint": "ts.tensor(rng.integers(low, high, shape)), for rng = np.random.default_rng(seed)",
    "randperm": "rng.permutation(n), for rng = np.random.default_rng(seed)",
    "normal": "ts.tensor(rng.normal(size=shape)), for rng = np.random.default_rng(seed)",
    "bernoulli": "ts.tensor(rng.random(shape) < p), for rng = np.random.default_rng(seed)",
    "multinomial": "rng.choice(n, p=probabilities), for rng = np.random.default_rng(seed)",
    "int32": "np.int32",
    "bool": "np.bool",
    "double": "np.float64",
    "float": "np.float32",
    "half": "np.float16",
    "int": "np.int32",
    "bfloat16": "np.float16 or np.float32; there is no bfloat16",
    "finfo": "np.finfo(t.dtype)",
    "inf": "np.inf",
    "nan": "np.nan",
    "pi": "np.pi",
    "newaxis": "None, as in t[:, None]",
    "set_default_dtype": "dtype= of ts.tensor, ts.zeros and of layers; model.to(dtype=...)",
    "get_default_dtype": "np.float32, the dtype of Python's floats",
    "set_printoptions": "np.set_printoptions(...)",
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

OPTIM = {  # optim.name -> what to write
    "lr_scheduler": "a schedule, such as ts.optim.cosine",
    "CosineAnnealingLR": "optimizer.lr = optim.cosine(lr, steps)(optimizer.steps) before each step",
    "StepLR": "optimizer.lr = schedule(optimizer.steps) before each step, for an optim.step_decay",
    "Adagrad": "optim.RMSprop or optim.Adam",
    "LBFGS": "scipy.optimize.minimize, with ts.flatten and ts.value_and_grad",
    "adam": "optim.Adam(parameters, lr)",
    "adamw": "optim.AdamW(parameters, lr)",
    "sgd": "optim.SGD(parameters, lr)",
    "rmsprop": "optim.RMSprop(parameters, lr)",
    "clip_grad_norm": "optim.clip_grad_norm_(parameters, bound)",
    "clip_by_global_norm": "optim.clip_grad_norm_(parameters, bound)",
}

OPTIMIZERS = {  # optimizer.name -> what to write
    "param_groups": "optimizer.groups, of which each has parameters, lr and weight_decay",
    "add_param_group": 'a new optimizer, of groups [{"params": [...], "lr": ...}]',
    "defaults": "optimizer.lr and optimizer.weight_decay; each group of optimizer.groups may state its own",
    "state": "optimizer.state_dict()",
}


def say(name: str, owner: str, names: dict[str, str]) -> str:
    """The text of an AttributeError for a `name` that `owner` does not have."""
    if name in names:
        return f"{owner} has no {name}: write {names[name]}"
    return f"{owner} has no attribute {name!r}"


def say_or_function(name: str, owner: str, names: dict[str, str]) -> str:
    """The same, for an owner of which a user may expect a function that `ts` has."""
    if name not in names:
        for key in (name, f"linalg.{name}", f"special.{name}"):
            if key in FUNCTIONS:
                return f"{owner} has no {name}: it is a function, ts.{key}(t)"
    return say(name, owner, names)


def of_a_tensor(name: str) -> str:
    """The same, for a tensor."""
    if name.endswith("_") and not name.startswith("_") and name not in METHODS:
        return (
            f"a tensor has no {name}: tensors are values, write t = t + x; t.assign_(values) overwrites a leaf"
        )
    return say_or_function(name, "a tensor", METHODS)
