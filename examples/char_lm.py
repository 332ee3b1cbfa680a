"""A character-level language model: an LSTM that learns to continue English text.

    .venv/bin/python examples/char_lm.py                  # Python's own documentation, about a minute
    .venv/bin/python examples/char_lm.py --text book.txt  # any text
    .venv/bin/python examples/char_lm.py --resume         # continue an interrupted run exactly where it was

The model reads one character at a time and predicts the next: p(x(t+1) | x(1) ... x(t)) = softmax(o(t)). It is
trained by truncated backpropagation through time (Williams & Peng 1990). The training text is cut into 32
streams, which form a batch and are read in chunks of 64 characters. The state of the LSTM passes from chunk to
chunk; the gradient does not. All figures are in bits per character, -log2 p(x(t+1) | ...).
"""

import argparse
import hashlib
import io
import math
import os
import sys
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # small products: more threads only wait

import numpy as np

import tinygrad_seq as ts
from tinygrad_seq import nn, optim
from tinygrad_seq.training import CheckpointError, curves, options, train

STREAMS, CHUNK, EMBEDDING, HIDDEN = 32, 64, 64, 128
LEARNING_RATE, DECAY, MAX_NORM = 6e-3, 0.9995, 1.0  # rate of the first step, its factor per step
RUNS = Path(__file__).resolve().parent.parent / "runs"
SHORTEST = math.ceil(STREAMS * 2 * CHUNK * 100 / 90)  # characters: 90 % are two chunks per stream


class CharLM(nn.Module):
    """e = E[x],  h, c = LSTM(e),  o = h W + b: logits of the next character, (T, B, characters)."""

    def __init__(self, characters: int, rng: np.random.Generator) -> None:
        self.embedding = nn.Embedding(characters, EMBEDDING, rng=rng)
        self.rnn = nn.Recurrent(nn.LSTMCell(EMBEDDING, HIDDEN, rng=rng))
        self.output = nn.Linear(HIDDEN, characters, rng=rng)

    def __call__(self, ids, state=None):
        ys, state = self.rnn(self.embedding(ids), state)
        return self.output(ys), state


def streams(ids: np.ndarray) -> np.ndarray:
    """`ids` as parallel streams, time first: (T, 32)."""
    length = len(ids) // STREAMS
    return ids[: length * STREAMS].reshape(STREAMS, length).T


def bits(model: CharLM, ids: np.ndarray) -> float:
    """The bits per character of `model` on `ids`."""
    text, state = streams(ids), None
    nats: ts.Tensor | float = 0.0
    with ts.no_grad():
        for start in range(0, len(text) - 1, CHUNK):
            chunk = text[start : start + CHUNK + 1]
            logits, state = model(chunk[:-1], state)
            nats = nats + nn.cross_entropy(logits, chunk[1:], reduction="sum").astype(np.float64)
    return float(nats) / text[1:].size / math.log(2)


def sample(model: CharLM, first: int, length: int, temperature: float, rng: np.random.Generator) -> list[int]:
    """Characters drawn one after the other from softmax(o / temperature), starting with `first`."""
    ids, state = [first], None
    with ts.no_grad():
        while len(ids) < length:
            logits, state = model(np.array([[ids[-1]]]), state)
            noise = rng.gumbel(size=logits.shape[-1])  # the Gumbel trick: the argmax is such a draw
            ids.append(int(np.argmax(logits.numpy()[0, 0] / temperature + noise)))
    return ids


class CharTask:
    """A `Task` for `train`: a step is one chunk of every stream."""

    columns: tuple[str, ...] = ("training_bits", "validation_bits")
    work = ("characters", STREAMS * CHUNK)

    def __init__(self, text: str, out: Path, seed: int, device: str, temperature: float) -> None:
        self.out, self.seed, self.device, self.temperature = out, seed, device, temperature
        self.alphabet = sorted(set(text))
        ids = np.searchsorted(self.alphabet, list(text))
        a, b = len(ids) * 90 // 100, len(ids) * 95 // 100
        self.training, self.validation, self.test = streams(ids[:a]), ids[a:b], ids[b:]
        self.epoch = len(self.training) // CHUNK - 1  # in steps; the rest is cut off at either end
        self.fingerprint: dict[str, object] = {
            "seed": seed,
            "text": hashlib.sha256(text.encode()).hexdigest(),
            "sizes": (STREAMS, CHUNK, EMBEDDING, HIDDEN),
        }

        self.rng = np.random.default_rng(seed)
        self.model = CharLM(len(self.alphabet), self.rng).to(device=device)
        self.optimizer = optim.Adam(self.model.parameters(), lr=LEARNING_RATE)
        self.chunk, self.offset = 0, 0  # the position in the epoch, and the start of the first chunk
        self.state: tuple[ts.Tensor, ...] | None = None

    def step(self) -> dict[str, float | ts.Tensor]:
        start = self.offset + self.chunk * CHUNK
        ids, targets = self.training[start : start + CHUNK], self.training[start + 1 : start + CHUNK + 1]
        logits, state = self.model(ids, self.state)
        loss = nn.cross_entropy(logits, targets)
        self.optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(self.optimizer.parameters, MAX_NORM)
        self.optimizer.step()
        self.optimizer.lr *= DECAY
        self.state = tuple(s.detach() for s in state)
        self.chunk += 1
        if self.chunk == self.epoch:  # the next epoch cuts the text at other places
            self.chunk, self.offset, self.state = 0, int(self.rng.integers(CHUNK)), None
        return {"training_bits": loss.detach().astype(np.float64) / math.log(2)}

    def validate(self) -> dict[str, float]:
        return {"validation_bits": bits(self.model, self.validation)}

    def finish(self) -> None:
        print(f"test: {bits(self.model, self.test):.3f} bits per character")
        ts.save(self.out / "model.safetensors", self.model.state_dict())
        names = {"training_bits": "training", "validation_bits": "validation"}
        curves(self.out, names, ylabel="bits per character")
        rng = np.random.default_rng([self.seed, 1])  # a separate generator: sampling changes nothing else
        ids = sample(self.model, 0, 1000, self.temperature, rng)
        text = "".join(self.alphabet[i] for i in ids)
        (self.out / "sample.txt").write_text(text, encoding="utf-8")
        print(text[:300], f"\n[...]\nthe results are in {self.out}")

    def state_dict(self) -> dict:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.bit_generator.state,
            "place": (self.chunk, self.offset, self.state),
        }

    def load_state_dict(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.bit_generator.state = state["rng"]
        self.chunk, self.offset, carried = state["place"]
        self.state = carried and tuple(ts.tensor(s, device=self.device) for s in carried)


def read(path: Path | None) -> str:
    """The text of a UTF-8 file, or Python's documentation. ValueError if it is not UTF-8, or too short."""
    if path is None:
        from pydoc_data.topics import topics

        return "\n".join(topics[name] for name in sorted(topics))
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a UTF-8 text of at least {SHORTEST} characters: {error}") from error
    if len(text) < SHORTEST:
        raise ValueError(f"{path} has {len(text)} characters; a text must have at least {SHORTEST}")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--text", type=Path, help="a UTF-8 file; without one, Python's documentation")
    options(parser, out=RUNS / "char_lm", steps=2000)
    parser.add_argument("--temperature", type=float, default=0.8, help="of the sample: lower is more careful")
    args = parser.parse_args()
    if args.steps < 1 or args.seed < 0 or not args.temperature > 0:
        parser.error("--steps must be at least 1, --seed at least 0, and --temperature above 0")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for characters that the terminal cannot show
    try:
        task = CharTask(read(args.text), args.out, args.seed, args.device, args.temperature)
    except (OSError, ValueError, RuntimeError) as error:  # file, text or device not available
        parser.exit(1, f"error: {error}\n")
    try:
        train(task, args.out, args.steps, resume=args.resume, overwrite=args.overwrite)
    except (OSError, CheckpointError) as error:
        parser.exit(1, f"error: {error}\n")


if __name__ == "__main__":
    main()
