"""Mutants of the exchange of weights with other libraries: whole models, and what every table has in common."""

from planted import mutants

MODELS, TABLES = "nn/exchange/test_torch_models.py", "nn/exchange/test_tables.py"

MUTANTS = [
    *mutants(
        "nn/exchange/parts.py",
        MODELS,
        ("parts", "if id(part) not in inside:", "if id(part) in ():"),
        ("parts", "found.setdefault((own, id(part)), part)", "found.setdefault((path, id(part)), part)"),
        ("parts", "not _names_inside(part, names)", "not names"),
        ("parts", '.removeprefix("layers.")', ""),
        ("parts", "own, *re.split", "path, *re.split"),
        ("_names_inside", " - {id(module)}", ""),
        ("_names_inside", "(inner, *_tensors(inner))", "(inner,)"),
    ),
    *mutants(
        "nn/exchange/tables.py",
        f"{MODELS} {TABLES}",
        ("Library.model", "if count > 1", "if count > 2"),
        ("Library.model", "if refused:", "if len(refused) > 1:"),
        ("Library._has", "(Cell, Runner, *self.layers)", "(Cell, Runner)"),
        ("_slots_of_layer", "if names_in(row) <= tensors.keys()", ""),
        ("_slots_of_layer", "if name not in described", "if False"),
    ),
    *mutants(
        "nn/exchange/transfer.py",
        f"{MODELS} {TABLES}",
        ("load", "equal_nan=True", "equal_nan=False"),
        ("load", "if differ:", "if len(differ) > 1:"),
        ("matched", "if library.biasless:", "if False:"),
        ("matched", "for key, hint in library.hints.items() if key in unexpected",
         "for hint in library.hints.values()"),
        ("matched", "if unexpected and not expected.keys() <= given.keys()", "if unexpected"),
        ("without_biases", "bias_is_given or any(slot.name not in given for slot in matrices)",
         "bias_is_given"),
        ("without_biases", "return slots if bias_is_given or", "return slots if"),
        ("read", "dtype = reduce(np.promote_types, dtypes)", "dtype = dtypes[0]"),
        ("refuse_loss", "if lost:", "if len(lost) > 1:"),
        ("refuse_loss", "(pair.theirs == pair.value()) | np.isnan(pair.theirs)", "True"),
        ("refuse_loss", " | np.isnan(pair.theirs)", ""),
    ),
    *mutants(
        "nn/exchange/slots.py",
        f"{MODELS} {TABLES}",
        ("Slot.is_bias", 'names_in(self.row) <= {"b", "bh"}', 'names_in(self.row) <= {"b", "bh", "bias"}'),
    ),
    *mutants(
        "nn/exchange/places.py",
        MODELS,
        ("levels_of", "case RecurrentDropout():", "case Dropout():"),
    ),
    *mutants(
        "nn/exchange/torch.py",
        MODELS,
        ("", '{"weight": "weight\'", "bias": "bias"}', '{"weight": "weight", "bias": "bias"}'),
    ),
    *mutants("nn/module.py", "training/test_serialize.py", ("Module.state_dict", 'order="C"', 'order="K"')),
]  # fmt: skip
