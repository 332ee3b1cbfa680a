"""A call of everything public that takes a number: `CALLS[name](**numbers)`, whose defaults are valid.

The numbers can be represented in float32, so that a scalar of NumPy is the same number. `test_numbers.py`
passes other numbers, and checks that the table is complete.
"""

from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from matplotlib.figure import Figure

import tinygrad_seq as ts
from tinygrad_seq import data, nn, optim, tasks, testing, training

x1 = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
x3 = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 2, 3)
symmetric = [[2.0, 1.0], [1.0, 3.0]]


def stepped(make):
    """The parameter and the state after two steps of an optimizer."""
    p = nn.Parameter(np.ones(3, np.float32))
    optimizer = make([p])
    for _ in range(2):
        p.grad = ts.tensor(np.float32([0.5, -1, 2]))
        optimizer.step()
    return p, optimizer.state_dict()


def averaged(decay):
    """The averages after two changes of a parameter."""
    p = nn.Parameter(np.ones(3, np.float32))
    ema = optim.EMA([p], decay)
    for x in (0.5, -2.0):
        p.assign_(np.full(3, x, np.float32))
        ema.update()
    return ema.state_dict()


def scheduled(schedule):
    return [schedule(t) for t in range(6)]


def clipped(clip):
    p = nn.Parameter(np.ones(3, np.float32))
    p.grad = ts.tensor(np.float32([0.5, -1, 2]))
    return clip([p]), p.grad


def run(cell):
    """The outputs and the state of a cell of input size 3."""
    return nn.Recurrent(cell)(x3)


def decoder(kind=nn.VectorAsState, **options):
    """A decoder of four symbols that is given vectors (B, 5)."""
    return kind(nn.Embedding(4, 2, rng=0), nn.GRUCell(2, 5, rng=0), nn.Linear(5, 4, rng=0), **options)


def encoder_decoder():
    encoder = nn.Recurrent(nn.RNNCell(3, 5, rng=0))
    return nn.EncoderDecoder(nn.Sequential(), encoder, decoder())


def limited(nbytes=1000):
    """The limit that was set, after the one before is set again."""
    before = ts.workspace_limit(nbytes)
    return ts.workspace_limit(before)


def echo_state(
    input_size=2,
    hidden_size=5,
    nonzeros=2,
    feedback=1,
    spectral_radius=0.5,
    leak=0.5,
    input_scale=0.5,
    feedback_scale=0.25,
):
    scales = {"spectral_radius": spectral_radius, "input_scale": input_scale, "feedback_scale": feedback_scale}
    sizes = {"nonzeros": nonzeros, "feedback": feedback}
    return run(nn.EchoStateCell(input_size, hidden_size, leak=leak, **sizes, **scales, rng=0))


def liquid_state(
    input_size=3,
    hidden_size=5,
    nonzeros=2,
    spectral_radius=0.5,
    decay=0.5,
    filter=0.25,
    threshold=0.5,
    input_scale=0.5,
):
    scales = {"spectral_radius": spectral_radius, "input_scale": input_scale}
    unit = {"decay": decay, "filter": filter, "threshold": threshold}
    return run(nn.LiquidStateCell(input_size, hidden_size, nonzeros=nonzeros, **scales, **unit, rng=0))


def pictured(row=1):
    """The images of a neural Turing machine."""
    figure, xs = Figure(), ts.tensor(x3)
    trace = nn.NTMCell(nn.GRUCell(3 + 4, 5, rng=0), 2, memory=(6, 4), rng=1).trace(xs)
    nn.pictures.machine(figure, xs, trace.outputs, trace, row)
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


def lit(size=2, stride=2):
    """The pixels of a picture of attention."""
    axes = Figure().subplots()
    nn.pictures.attended(axes, np.ones((4, 4)), np.arange(4.0), size, stride)
    return [np.asarray(image.get_array()) for image in axes.images]


def heard(blank=1):
    """The lines of a picture of probabilities."""
    axes = Figure().subplots()
    nn.pictures.posteriors(axes, np.abs(x1), "abc", blank=blank)
    return [np.asarray(line.get_ydata()) for line in axes.lines]


def drawn(strategy):
    """Draw from a strategy; what it draws differs in every run."""

    @settings(max_examples=1, database=None)
    @given(strategy)
    def once(x):
        pass

    once()


CALLS: dict[str, Callable] = {
    "ts.scan": lambda length=4, remat=2: ts.scan(
        lambda c, _: (c * 0.5, c), ts.tensor(1.0), length=length, remat=remat
    ),
    "ts.workspace_limit": limited,
    "ts.explain": lambda length=4: str(ts.explain(lambda c, _: (c * 0.5, c), ts.tensor(1.0), length=length)),
    "nn.ACTCell": lambda epsilon=0.25, max_steps=3: run(
        nn.ACTCell(nn.RNNCell(4, 5, rng=0), epsilon=epsilon, max_steps=max_steps, rng=0)
    ),
    "nn.AdditiveScore": lambda query_size=3, size=2, units=4: nn.AdditiveScore(
        query_size, size, units, rng=0
    ).state_dict(),
    "nn.AttentionDecoder": lambda end=1: (
        nn.AttentionDecoder(
            nn.Embedding(4, 2, rng=0),
            nn.GRUCell(2 + 6, 5, rng=0),
            nn.DotScore(),
            nn.Linear(5, 4, rng=0),
            end=end,
        ).end
    ),
    "nn.HardAttentionDecoder": lambda end=1: (
        nn.HardAttentionDecoder(
            nn.Embedding(4, 2, rng=0),
            nn.GRUCell(2 + 6, 5, rng=0),
            nn.DotScore(),
            nn.Linear(5, 4, rng=0),
            end=end,
        ).end
    ),
    "nn.Autoregressive": lambda size=3, steps=2: nn.Autoregressive(size, steps=steps).state_dict(),
    "nn.ClockworkRNNCell": lambda input_size=3, hidden_size=4: run(
        nn.ClockworkRNNCell(input_size, hidden_size, periods=(1, 2), rng=0)
    ),
    "nn.Covariance": lambda size=3: nn.Covariance(size).state_dict(),
    "nn.Decoder": lambda end=1: decoder(end=end).end,
    "nn.Decoder.free": lambda steps=3: decoder().free(ts.ones((2, 5)), steps),
    "nn.Decoder.greedy": lambda longest=3: decoder().greedy(ts.ones((2, 5)), longest),
    "nn.Decoder.beam": lambda longest=3, width=2: decoder().beam(ts.ones((2, 5)), longest, width),
    "nn.DepthGatedLSTM": lambda input_size=3, hidden_size=4, layers=2: run(
        nn.DepthGatedLSTM(input_size, hidden_size, layers=layers, rng=0)
    ),
    "nn.Embedding": lambda count=4, size=2: nn.Embedding(count, size, rng=0)([1, 3]),
    "nn.EncoderDecoder.free": lambda steps=3: encoder_decoder().free(x3, steps),
    "nn.EncoderDecoder.greedy": lambda longest=3: encoder_decoder().greedy(x3, longest),
    "nn.EncoderDecoder.beam": lambda longest=3, width=2: encoder_decoder().beam(x3, longest, width),
    "nn.FedBack": lambda size=2: run(nn.FedBack(nn.RNNCell(5, 4, rng=0), nn.Linear(4, 2, rng=0), size=size)),
    "nn.FixedWindow": lambda steps=2: nn.FixedWindow(ts.tanh, nn.Linear(6, 2, rng=0), steps=steps)(x3),
    "nn.GeneralScore": lambda query_size=3, size=2: nn.GeneralScore(query_size, size, rng=0).state_dict(),
    "nn.HiddenMarkovModel": lambda states=2, symbols=3: nn.HiddenMarkovModel(
        states, symbols, rng=0
    ).state_dict(),
    "nn.Linear": lambda input=3, output=2: nn.Linear(input, output, rng=0)(x1),
    "nn.LinearDynamicalSystem": lambda states=2, size=3: nn.LinearDynamicalSystem(
        states, size, rng=0
    ).state_dict(),
    "nn.NTMCell": lambda output_size=2, reads=1, writes=2, shift=1: run(
        nn.NTMCell(
            nn.GRUCell(3 + 4, 5, rng=0),
            output_size,
            memory=(6, 4),
            reads=reads,
            writes=writes,
            shift=shift,
            rng=0,
        )
    ),
    "nn.OneToMany": lambda end=1: decoder(nn.OneToMany, end=end).end,
    "nn.RAM": lambda classes=3, size=2, scales=2, sigma=0.5, features=3, hidden=4: nn.RAM(
        classes, size=size, scales=scales, sigma=sigma, features=features, hidden=hidden, rng=0
    )(x3, np.ones((3, 4, 2), np.float32)),
    "nn.RAM.loss": lambda weight=0.5: nn.RAM(3, size=2, rng=0).loss(
        x3, [0, 1, 2, 0], np.ones((3, 4, 2), np.float32), weight=weight
    ),
    "nn.RepeatCell": lambda times=2: run(nn.RepeatCell(nn.RNNCell(4, 5, rng=0), times)),
    "nn.SelfAttention": lambda size=4, heads=2: nn.SelfAttention(size, heads=heads, rng=0).state_dict(),
    "nn.SkipCell": lambda input_size=3, hidden_size=4: run(nn.SkipCell(input_size, hidden_size, rng=0)),
    "nn.Truncated": lambda back=2, every=2: [
        ys for _, ys in nn.Truncated(nn.Recurrent(nn.RNNCell(3, 5, rng=0)), x3, back=back, every=every)
    ],
    "nn.VectorAsFirstInput": lambda end=1: decoder(nn.VectorAsFirstInput, end=end).end,
    "nn.VectorAsState": lambda end=1: decoder(nn.VectorAsState, end=end).end,
    "nn.VectorAtEveryStep": lambda end=1: decoder(nn.VectorAtEveryStep, end=end).end,
    "nn.Dropout": lambda p=0.5: nn.Dropout(p, rng=0)(x1),
    "nn.DRAM": lambda classes=3, looks=1, size=2, scales=2, sigma=0.5, hidden=4: nn.DRAM(
        classes, looks=looks, size=size, scales=scales, sigma=sigma, hidden=hidden, rng=0
    )(x3, np.ones((3, 4, 2), np.float32)),
    "nn.DRAM.loss": lambda weight=0.5: nn.DRAM(3, looks=1, size=2, rng=0).loss(
        x3, [[0, 1, 2, 0], [2, 2, 1, 1]], np.ones((2, 4, 2), np.float32), weight=weight
    ),
    "nn.EchoStateCell": echo_state,
    "nn.HiddenMarkovModel.sample": lambda steps=3, batch=2: nn.HiddenMarkovModel(2, 3, rng=0).sample(
        steps, batch, rng=0
    ),
    "nn.LayerNorm": lambda size=3, eps=0.5: nn.LayerNorm(size, eps=eps)(ts.tensor(x1)),
    "nn.LinearDynamicalSystem.sample": lambda steps=3, batch=2: nn.LinearDynamicalSystem(2, 3, rng=0).sample(
        steps, batch, rng=0
    ),
    "nn.LiquidStateCell": liquid_state,
    "nn.RecurrentDropout": lambda p=0.5: nn.RecurrentDropout(nn.Recurrent(nn.RNNCell(3, 5, rng=0)), p, rng=0)(
        x3
    ),
    "nn.VariationalDropout": lambda p=0.5: nn.VariationalDropout(p, rng=0)(x3),
    "nn.cross_entropy": lambda ignore_index=1, label_smoothing=0.5: nn.cross_entropy(
        x1, [1, 2], ignore_index=ignore_index, label_smoothing=label_smoothing
    ),
    "nn.eigenvalue_powers": lambda steps=3: nn.eigenvalue_powers(symmetric, steps),
    "nn.ctc_decode": lambda width=2, blank=1: nn.ctc_decode(x3, width=width, blank=blank),
    "nn.ctc_loss": lambda blank=1: nn.ctc_loss(x3, [[0], [2]], blank=blank),
    "nn.huber": lambda delta=0.5: nn.huber(x1, 2 * x1, delta=delta),
    "nn.linear_recurrence": lambda steps=3: nn.linear_recurrence(symmetric, [1.0, 1.0], steps),
    "nn.padded": lambda fill=2: nn.padded([[1, 2, 3], [4]], fill),
    "nn.patches": lambda size=2, stride=1: nn.patches(x3, size, stride),
    "nn.DRAW": lambda latent=2, hidden=3, read=2, write=1: nn.DRAW(
        (3, 4), latent=latent, hidden=hidden, read=read, write=write, rng=0
    ).generate(np.ones((1, 2, int(latent)), np.float32)),
    "nn.window": lambda filters=2: nn.window(np.ones((2, 5), np.float32), (3, 4), filters),
    "nn.retina": lambda size=2, scales=2: nn.retina(x3, x3[:, :, 0] / 2, size, scales),
    "nn.ridge": lambda penalty=0.5, washout=1: nn.ridge(
        ts.tensor(x3), ts.tensor(x3[..., :1]), penalty=penalty, washout=washout
    ).state_dict(),
    "reinforce.gaussian": lambda sigma=0.5: nn.reinforce.gaussian(x1, sigma, 2 * x1),
    "init.forget_bias": lambda hidden_size=2, value=0.5: nn.init.forget_bias(hidden_size, value),
    "init.identity": lambda size=2, scale=0.5: nn.init.identity(size, scale=scale),
    "init.sparse": lambda size=4, nonzeros=2, spectral_radius=0.5: nn.init.sparse(
        size, nonzeros=nonzeros, spectral_radius=spectral_radius, rng=0
    ),
    "init.uniform": lambda bound=0.5: nn.init.uniform((2, 3), bound, rng=0),
    "init.xavier": lambda gain=0.5: nn.init.xavier((2, 3), gain=gain, rng=0),
    "pictures.attended": lit,
    "pictures.looks": lambda size=2: nn.pictures.looks(Figure().subplots(), x1, x1[:, :2], size),
    "pictures.posteriors": lambda blank=1: heard(blank),
    "pictures.machine": pictured,
    "optim.Adam": lambda lr=0.5, eps=0.25, weight_decay=0.5: stepped(
        lambda ps: optim.Adam(ps, lr, eps=eps, weight_decay=weight_decay)
    ),
    "optim.AdamW": lambda lr=0.5, eps=0.25, weight_decay=0.5: stepped(
        lambda ps: optim.AdamW(ps, lr, eps=eps, weight_decay=weight_decay)
    ),
    "optim.EMA": lambda decay=0.5: averaged(decay),
    "optim.Optimizer": lambda lr=0.5: optim.Optimizer([nn.Parameter(np.ones(1))], lr).lr,
    "optim.RMSprop": lambda lr=0.5, alpha=0.5, eps=0.25, momentum=0.5, weight_decay=0.5: stepped(
        lambda ps: optim.RMSprop(ps, lr, alpha, eps, momentum, weight_decay=weight_decay)
    ),
    "optim.SGD": lambda lr=0.5, momentum=0.5, weight_decay=0.5: stepped(
        lambda ps: optim.SGD(ps, lr, momentum, weight_decay=weight_decay)
    ),
    "optim.clip_grad_norm_": lambda max_norm=0.5: clipped(lambda ps: optim.clip_grad_norm_(ps, max_norm)),
    "optim.clip_grad_value_": lambda max_value=0.5: clipped(lambda ps: optim.clip_grad_value_(ps, max_value)),
    "optim.constant": lambda lr=0.5: scheduled(optim.constant(lr)),
    "optim.cosine": lambda lr=0.5, steps=4, final=0.25: scheduled(optim.cosine(lr, steps, final)),
    "optim.step_decay": lambda lr=0.5, every=2, factor=0.5: scheduled(optim.step_decay(lr, every, factor)),
    "optim.warmup": lambda steps=3: scheduled(optim.warmup(steps, optim.constant(0.5))),
    "tasks.adding": lambda length=6, batch=2: tasks.adding(length, batch, rng=0),
    "tasks.addition": lambda numbers=3, batch=2, digits=2: tasks.addition(numbers, batch, digits=digits, rng=0),
    "tasks.associative_recall": lambda items=3, batch=2, rows=1, bits=2: tasks.associative_recall(
        items, batch, rows=rows, bits=bits, rng=0
    ),
    "tasks.cluttered": lambda size=5, pieces=2, side=1: tasks.cluttered(
        np.abs(x3), size, pieces=pieces, side=side, rng=0
    ),
    "tasks.copy": lambda length=3, batch=2, bits=2: tasks.copy(length, batch, bits=bits, rng=0),
    "tasks.distorted": lambda strength=0.5, shift=1.0: tasks.distorted(
        x3, strength=strength, shift=shift, rng=0
    ),
    "tasks.identical_halves": lambda batch=3, longest=2, symbols=3: tasks.identical_halves(
        batch, longest=longest, symbols=symbols, rng=0
    ),
    "tasks.logic": lambda length=3, batch=2, gates=2: tasks.logic(length, batch, gates=gates, rng=0),
    "tasks.mackey_glass": lambda steps=3, tau=17: tasks.mackey_glass(steps, tau=tau, rng=0),
    "tasks.moving_digits": lambda frames=3, batch=2, size=7: tasks.moving_digits(
        frames, batch, size=size, rng=0
    ),
    "tasks.narma10": lambda steps=5: tasks.narma10(steps, rng=0),
    "tasks.paired": lambda height=4, width=8: tasks.paired(
        np.abs(x3).reshape(2, 2, 2, 3), height, width, rng=0
    ),
    "tasks.parity": lambda batch=2, size=5: tasks.parity(batch, size=size, rng=0),
    "tasks.scenes": lambda batch=2: tasks.scenes(batch, rng=0)[0],
    "tasks.promoters": lambda batch=2, mutated=0.5: tasks.promoters(batch, mutated=mutated, rng=0),
    "tasks.repeat_copy": lambda length=2, repeats=3, batch=2, bits=2, most=4: tasks.repeat_copy(
        length, repeats, batch, bits=bits, most=most, rng=0
    ),
    "tasks.reversal": lambda symbols=5: tasks.reversal([3, 2], symbols=symbols, rng=0),
    "tasks.sort": lambda numbers=3, batch=2: tasks.sort(numbers, batch, rng=0),
    "tasks.spelled": lambda number=342: tasks.spelled(number),
    "tasks.temporal_order": lambda length=20, batch=2: tasks.temporal_order(length, batch, rng=0),
    "tasks.waveform": lambda steps=10: tasks.waveform(steps, rng=0),
    "data.log_mel": lambda bands=5: data.log_mel(np.sin(np.arange(600.0)), bands),
    "data.opinions": lambda count=3: data.opinions(count, rng=0),
    "data.tagged_sentences": lambda count=3: data.tagged_sentences(count, rng=0),
    "training.verdict": lambda trivial=0.5: training.verdict(0.25, trivial),
    "testing.arrays_for": lambda loop_axes=1: drawn(testing.arrays_for("(n)->()", loop_axes=loop_axes)),
    "testing.broadcastable": lambda count=2, axes=1: drawn(testing.broadcastable(count, axes=axes)),
    "testing.check_grad": lambda order=1, seed=3: testing.check_grad(ts.tanh, [0.5], order=order, seed=seed),
    "testing.tensors": lambda shape=2: drawn(testing.tensors(shape)),
}

# all cells of an input size and a hidden size
SIZED = [
    "RNNCell",
    "LSTMCell",
    "PeepholeLSTMCell",
    "FullPeepholeLSTMCell",
    "CoupledLSTMCell",
    "LayerNormLSTMCell",
]
SIZED += ["GRUCell", "ResetAfterGRUCell", "MinimalGatedCell"]


def sized(kind):
    return lambda input_size=3, hidden_size=4: run(kind(input_size, hidden_size, rng=0))


CALLS |= {f"nn.{name}": sized(getattr(nn, name)) for name in SIZED}
