"""Decoders and attention, for the law of batches.

The lengths are those of the sequences that are written; of an encoder and decoder, also of those that are read.
"""

import numpy as np
from batches import Model, Part, T, ids, of_rows, over_time, summed, vectors, xs

from tinygrad_seq import nn

I, H, C = 3, 5, 6  # noqa: E741  # sizes of inputs, states and outputs
WRITERS: dict[str, Model] = {}


def options(seed=0):
    return {"rng": np.random.default_rng(seed), "dtype": np.float64}


def bidirectional(size):
    return nn.Bidirectional(nn.LSTMCell(size, 2, **options()), nn.GRUCell(size, 3, **options(1)))


def letters():
    return nn.Embedding(C, I, **options(7))


def decoder(kind, size, bridge, vector=2):
    return kind(
        letters(),
        nn.LSTMCell(size, H, **options(8)),
        nn.Linear(H, C, **options(9)),
        bridge=nn.Linear(vector, bridge, **options(10)),
        end=1,
    )


DECODERS = {
    nn.VectorAsFirstInput: decoder(nn.VectorAsFirstInput, I, I),
    nn.VectorAtEveryStep: decoder(nn.VectorAtEveryStep, I + 4, 4),
    nn.VectorAsState: decoder(nn.VectorAsState, I, 2 * H),
}


def written(model, given, targets, forced, lengths):
    """Logits by teacher forcing and with some own choices, the loss, and what is written."""
    count = targets.numpy().size if lengths is None else sum(lengths)
    loss = model.loss(given, targets, lengths) * float(count)
    free = over_time((model(given, targets, lengths, forced=forced), *model.free(given, T)))
    greedy, ends = model.greedy(given, T)
    best, best_ends = model.beam(given, T, 2)
    return [
        *over_time(model(given, targets, lengths)),
        *summed(loss),
        *free,
        *over_time((greedy, best)),
        *of_rows((ends, best_ends)),
    ]


for kind, model in DECODERS.items():
    WRITERS[f"decoder: {kind.__name__}"] = Model(
        lambda rng, batch: [vectors(rng, batch, 2), ids(rng, batch, C), Part(rng.random((T, batch)) < 0.5, 1)],
        lambda given, lengths, model=model: written(model, *given, lengths),
        [model],
    )

ATTENDING = nn.AttentionDecoder(
    letters(),
    nn.GRUCell(I + H, H, **options(11)),
    nn.AdditiveScore(H, H, 4, **options(12)),
    nn.Linear(H + H, C, **options(13)),
    bridge=nn.Linear(3, H, **options(14)),
)
HARD = nn.HardAttentionDecoder(
    ATTENDING.embedding,
    ATTENDING.cell,
    ATTENDING.score,
    ATTENDING.readout,
    ATTENDING.bridge,
    gate=nn.Linear(H, 1, **options(16)),
)
TRANSLATORS = {
    "hard attention": nn.EncoderDecoder(nn.Linear(I, C, **options(15)), bidirectional(C), HARD),
    "attention": nn.EncoderDecoder(nn.Linear(I, C, **options(15)), bidirectional(C), ATTENDING),
    "one vector": nn.EncoderDecoder(
        nn.Linear(I, C, **options(15)), bidirectional(C), decoder(nn.VectorAtEveryStep, I + 4, 4, H)
    ),
}


def translated(model, x, targets, forced, lengths):
    """Lengths are those of both sequences."""
    context = model.context(x, lengths)
    made = written(model.decoder, context, targets, forced, lengths)
    if isinstance(model.decoder, nn.AttentionDecoder):
        made.append(Part(model.decoder.alignments(context, targets, lengths), 1))
    return [*made, *over_time(model(x, targets, lengths, lengths))]


for name, model in TRANSLATORS.items():
    WRITERS[f"encoder and decoder: {name}"] = Model(
        lambda rng, batch: [xs(rng, batch, I), ids(rng, batch, C), Part(rng.random((T, batch)) < 0.5, 1)],
        lambda given, lengths, model=model: translated(model, *given, lengths),
        [model],
    )

# --- attention to annotations of which each row has its own ----------------------------------------------


def inside(lengths):
    return None if lengths is None else np.arange(T) < np.reshape(lengths, (-1, 1))


SCORES = {
    "additive": nn.AdditiveScore(H, H, 4, **options()),
    "general": nn.GeneralScore(H, H, **options()),
    "dot": nn.DotScore(),
    "scaled dot": nn.ScaledDotScore(),
}
LOOKING = nn.GRUCell(I + H, H, **options())
for name, score in SCORES.items():
    WRITERS[f"attending: {name}"] = Model(
        lambda rng, batch: [
            vectors(rng, batch, I),
            vectors(rng, batch, H),
            Part(rng.normal(size=(batch, T, H)), 0, 1),
        ],
        lambda given, lengths, score=score: of_rows(
            nn.Attending(LOOKING, score, given[2], inside(lengths)).step(given[1], given[0])
        ),
        [LOOKING, score],
    )
