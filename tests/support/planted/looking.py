"""Mutants of networks that look at images, and of REINFORCE."""

from planted import mutants

RAM, DRAM = "nn/looking/test_ram.py", "nn/looking/test_dram.py"

MUTANTS = [
    *mutants(
        "nn/looking/retina.py",
        "nn/looking/test_retina.py",
        ("retina", "row, column = pixel(y, height), pixel(x, width)",
         "row, column = pixel(x, height), pixel(y, width)"),
        ("retina", "(2 ** (scales - 1) * size + 1) // 2", "2 ** (scales - 1) * size // 2"),
        ("retina", "margin - side * size // 2", "margin - side * (size // 2)"),
        ("retina", "size, side, size, side).mean((2, 4))", "side, size, side, size).mean((1, 3))"),
        ("retina", "clip(where(known, place, 0.0), -1, 1)", "where(known, place, 0.0)"),
        ("retina", "return rows(known, stack(seen, axis=1), math.nan)", "return stack(seen, axis=1)"),
        ("patches", "(n - size) % stride", "False"),
        ("patches", "down[:, None, :, None], across[None, :, None, :]",
         "down[None, :, :, None], across[:, None, None, :]"),
    ),
    *mutants(
        "nn/reinforce.py",
        "nn/test_reinforce.py",
        ("gaussian", "stop_gradient(mean + sigma * noise)", "mean + sigma * noise"),
        ("gaussian", "(stop_gradient(mean) - mean)", "(mean - stop_gradient(mean))"),
        ("gaussian", "(stop_gradient(mean) - mean)", "stop_gradient(mean - mean)"),
        ("gaussian", "math.sqrt(2 * math.pi)", "math.sqrt(math.pi)"),
        ("categorical", "argmax(logits + gumbel, axis=-1)", "argmax(logits, axis=-1)"),
        ("entropy", "where(possible, log_p, 0.0)", "log_p"),
        ("returns", "flip(cumsum(flip(rewards, 0), 0), 0)", "cumsum(rewards, 0)"),
        ("loss", "stop_gradient(returns - baselines)", "(returns - stop_gradient(baselines))"),
        ("loss", "stop_gradient(returns - baselines)", "(stop_gradient(returns) - baselines)"),
        ("loss", "-mean(total(", "-total(total("),
    ),
    *mutants(
        "nn/looking/looks.py",
        f"{RAM} {DRAM}",
        ("policy_loss", "weight * reinforce.loss(", "reinforce.loss("),
    ),
    *mutants(
        "nn/looking/ram.py",
        RAM,
        ("RAM.loss", "broadcast_to(right, looks.baselines.shape)[1:]",
         "broadcast_to(1.0 - right, looks.baselines.shape)[1:]"),
        ("RAM.loss", "looks.log_probabilities[:-1], returns, looks.baselines[:-1]",
         "looks.log_probabilities[1:], returns, looks.baselines[:-1]"),
        ("RAMCell.__call__", "fixed = stop_gradient(h)", "fixed = h"),
        ("RAMCell.__call__", "Looks(place, log_p", "Looks(after, log_p"),
        ("RAMCell.initial_state", "middle if self.first is None else self.first.astype(like.dtype)", "middle"),
    ),
    *mutants(
        "nn/looking/dram.py",
        DRAM,
        ("DRAM.loss", "repeat(reinforce.returns(right), self.looks, axis=0)",
         "repeat(right, self.looks, axis=0)"),
        ("DRAM._classified", "hs[self.looks - 1 :: self.looks]", "hs[:: self.looks]"),
        ("DRAMCell.initial_state", "mean(coarse, (-3, -1))", "mean(coarse, (-4, -2))"),
        ("DRAMCell.__call__", "model.baseline(stop_gradient(r))", "model.baseline(r)"),
        ("DRAMCell.__call__", "model.choosing(second, h)", "model.choosing(second, r)"),
    ),
]  # fmt: skip
