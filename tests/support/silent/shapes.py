"""Shapes: sequences without a batch, states of another batch, padding, batches without rows, masks."""

import numpy as np

import tinygrad_seq as ts
from silent import T, refused, right
from tinygrad_seq import nn

CELL = nn.LSTMCell(3, 5, rng=0)
XS = np.ones((7, 2, 3), np.float32)
UNBATCHED = "(7, 3) is one sequence, with outputs (7, 5) in PyTorch, or 3 rows of 7 numbers: refused"
CARRIED = "the state of row i is that of row i of an earlier batch: there is none for rows that were not in it"

# --- a sequence without a batch -------------------------------------------------------------------------


@refused(ValueError, "LSTMCell needs xs (T, B, 3), got float32[7,3]", "pass xs[:, None]", by=UNBATCHED)
def a_sequence_without_a_batch():
    return nn.Recurrent(CELL)(XS[:, 0])


@refused(ValueError, "LSTMCell needs xs (B, T, 3), got float32[7,3]", "pass xs[None]", by=UNBATCHED)
def a_sequence_without_a_batch_batch_first():
    return nn.Recurrent(CELL, batch_first=True)(XS[:, 0])


@refused(ValueError, "LSTMCell needs xs (T, B, 3), got float32[7,3]", "pass xs[:, None]", by=UNBATCHED)
def a_sequence_without_a_batch_in_both_directions():
    return nn.Bidirectional(CELL, CELL)(XS[:, 0])


@refused(ValueError, "SelfAttention needs xs (T, B, 3), got float32[7,3]", "pass xs[:, None]", by=UNBATCHED)
def a_sequence_without_a_batch_for_self_attention():
    return nn.SelfAttention(3)(XS[:, 0])


@refused(
    ValueError, "LSTMCell needs x (B, 3), got float32[3]", "pass x[None]", by="h Wh + x Wx adds x to all rows"
)
def a_vector_for_all_rows():
    return CELL(CELL.initial_state(2, like=ts.ones((2, 3))), ts.ones(3))


@refused(ValueError, "LSTMCell needs xs (T, B, 3), got float32[7,2,4]", by="x Wx needs 3 numbers")
def inputs_of_another_size():
    return nn.Recurrent(CELL)(np.ones((7, 2, 4), np.float32))


@refused(
    ValueError, "vectors (B, V) of floats, got float32[5]", "pass v[None]", by="a decoder writes for each row"
)
def a_vector_without_a_batch():
    letters, readout = nn.Embedding(6, 3, rng=0), nn.Linear(5, 6, rng=0)
    return nn.VectorAsState(letters, nn.GRUCell(3, 5, rng=0), readout).greedy(ts.ones(5), 4)


@refused(TypeError, "LSTMCell needs xs of floats, got int64[7,2,3]", by="its state is of the dtype of xs")
def inputs_of_integers():
    return nn.Recurrent(CELL)(np.ones((7, 2, 3), np.int64))


@refused(TypeError, "targets must be integers", by="a symbol is an integer, also where it is not embedded")
def targets_of_floats():
    letters, readout = nn.Embedding(6, 3, rng=0), nn.Linear(5, 6, rng=0)
    return nn.VectorAsState(letters, nn.GRUCell(3, 5, rng=0), readout)(ts.ones((2, 5)), np.ones((1, 2)))


# --- a state of another batch, and a tensor in the place of several --------------------------------------


@refused(
    ValueError,
    "a state float32[4,5]",
    "an input float32[1,3]",
    "a batch of 4",
    "a batch of 1",
    "epoch",
    by=CARRIED,
)
def a_state_carried_to_a_last_short_batch():
    _, state = nn.Recurrent(CELL)(np.ones((7, 4, 3), np.float32))
    return nn.Recurrent(CELL)(np.ones((7, 1, 3), np.float32), state)


@refused(ValueError, "a batch of 1", "a batch of 2", "epoch", by=CARRIED)
def a_state_of_one_row_for_two():
    return nn.Recurrent(CELL, unroll=True)(XS, CELL.initial_state(1, like=ts.ones((1, 3))))


@refused(ValueError, "a batch of 1", "a batch of 2", "epoch", by=CARRIED)
def a_state_carried_to_a_truncated_sequence():
    state = CELL.initial_state(1, like=ts.ones((1, 3)))
    return list(nn.Truncated(nn.Recurrent(CELL), XS, back=2, state=state))


@refused(
    ValueError, "must be a tuple of 2 states, not float32[2,5]", by="a state is (h, c); the rows of h are not"
)
def one_tensor_for_h_and_c():
    return CELL(ts.ones((2, 5)), ts.ones((2, 3)))


@refused(ValueError, "shapes of its initial state, float32[1,5], got float32[1,1,5]", by="h is (B, H): (1, 5)")
def a_state_with_an_axis_of_layers():
    h = ts.zeros((1, 1, 5))
    return nn.Recurrent(CELL)(XS[:, :1], (h, h))


@refused(
    ValueError, "float32[2,1] became float32[2,5]", "which a step keeps", by="a unit has a memory of its own"
)
def one_memory_for_all_units():
    return CELL((ts.zeros((2, 5)), ts.zeros((2, 1))), ts.ones((2, 3)))


# --- what lies past a length ----------------------------------------------------------------------------

W, V = np.array([[0.5, -0.3], [0.2, 0.7]]), np.array([[0.1, 0.4], [-0.6, 0.3]])
SEQUENCE = np.array([[[0.2, -0.5]], [[0.9, 0.4]], [[np.nan, np.nan]]])


def slopes():
    """d/dW of the sum of h_t = tanh(x_t W V + h_{t-1}) over the steps within the length, by a complex step."""
    found = np.empty_like(W)
    for place in np.ndindex(W.shape):
        moved = W.astype(complex)
        moved[place] += 1e-30j
        h, total = np.zeros((1, 2)), 0
        for x in SEQUENCE[:2]:
            h = np.tanh(x @ moved @ V + h)
            total = total + h.sum()
        found[place] = total.imag / 1e-30
    return found


@right(slopes, by="a complex step through the two steps within the length")
def nan_past_a_length_below_a_runner():
    layer, cell = nn.Linear(2, 2, bias=False, dtype=np.float64), nn.RNNCell(2, 2, dtype=np.float64)
    for parameter, value in ((layer.weight, W), (cell.Wx, V), (cell.Wh, np.eye(2)), (cell.b, np.zeros(2))):
        parameter.assign_(value)
    ys, _ = nn.Layers(layer, nn.Recurrent(cell))(SEQUENCE, lengths=[2])
    return ts.grad(ys.sum(), layer.weight)


@right(np.ones((2, 3)), by="sum_t d(x_t W)/dW over the one step within the length, x = 1")
def nan_past_a_length_in_a_truncated_network():
    layer = nn.Linear(2, 3, bias=False, rng=0)

    def network(xs, state, lengths=None):
        return layer(xs), state

    xs = np.array([[[1.0, 1.0]], [[np.nan, np.nan]]], np.float32)
    ((_, ys),) = nn.Truncated(network, xs, back=2, state=ts.zeros((1, 1)), lengths=[1])
    return ts.grad(ys.sum(), layer.weight)


@refused(ValueError, "mean_within needs losses (T, B)", "got float32[7,2,3]", by="a step has one loss, not 3")
def losses_of_several_numbers_for_each_step():
    return nn.mean_within(ts.ones((7, 2, 3)), [7, 4])


@right(np.zeros((2, 1, 2)), by="a row of length 0 has outputs of 0, in every chunk")
def unsigned_lengths_in_chunks():
    rnn = nn.Recurrent(nn.RNNCell(1, 2, rng=0))
    chunks = nn.Truncated(rnn, np.ones((2, 1, 1), np.float32), back=1, lengths=np.array([0], np.uint8))
    return ts.concatenate([ys for _, ys in chunks])


# --- batches without rows, and sizes of 0 ---------------------------------------------------------------


@right(np.zeros((4, 0, 5)), by="each of 0 rows has 4 outputs of 5 numbers")
def a_batch_without_rows():
    return nn.Recurrent(CELL)(np.ones((4, 0, 3), np.float32), lengths=[])[0]


@right(np.zeros((4, 0, 2)), by="each of 0 rows has 4 outputs of 2 numbers")
def a_machine_without_rows():
    machine = nn.NTMCell(nn.GRUCell(3 + 4, 5, rng=0), 2, memory=(6, 4), rng=1)
    return nn.Recurrent(machine)(np.ones((4, 0, 3), np.float32))[0]


@right(np.zeros((0, 2)), by="each of 0 ids selects a row of 2 numbers")
def no_ids():
    return nn.Embedding(3, 2, rng=0)([])


@right(
    (0.0, np.zeros((0, 3))), by="the mean of no losses is 0, as documented, and does not depend on the logits"
)
def no_targets():
    logits = T(np.zeros((0, 3)))
    loss = nn.cross_entropy(logits, [])
    return loss.detach(), ts.grad(loss, logits)


@right(np.zeros((3, 2)), by="x W is a sum of no terms, 0; b is drawn from U(0, 0)")
def a_layer_without_inputs():
    return nn.Linear(0, 2)(np.zeros((3, 0), np.float32))


@refused(ValueError, "LSTMCell needs an integer hidden_size in [1, inf), got 0", by="1 / sqrt 0 is not a bound")
def a_cell_without_units():
    return nn.LSTMCell(3, 0)


# --- masks ----------------------------------------------------------------------------------------------

SCORES, VALUES = np.zeros((1, 3), np.float32), np.array([[1.0], [3.0], [5.0]], np.float32)
ADDITIVE = "softmax(scores + mask) = [.5, .5, 0]; a mask of 0 and -inf is not of truth values"


@refused(ValueError, "attend needs keep to be booleans", "got float64[3]", "pass `mask == 0`", by=ADDITIVE)
def a_mask_to_be_added():
    return nn.attention.attend(ts.tensor(SCORES), ts.tensor(VALUES), keep=[0.0, 0.0, -np.inf])


@refused(ValueError, "attend needs keep to be booleans", "got int64[3]", "`mask == 1`", by=ADDITIVE)
def a_mask_of_integers():
    return nn.attention.attend(ts.tensor(SCORES), ts.tensor(VALUES), keep=ts.tensor(np.array([1, 1, 0])))


@refused(
    ValueError, "a shape that broadcasts to the scores (1, 3)", "got bool[4,3]", by="there is one query, not 4"
)
def a_mask_of_more_queries():
    return nn.attention.attend(ts.tensor(SCORES), ts.tensor(VALUES), keep=np.ones((4, 3), bool))


@right(
    (np.array([[2.0]]), np.array([[0.5, 0.5, 0.0]])), by="softmax [0, 0, -inf] = [.5, .5, 0]; (1 + 3) / 2 = 2"
)
def a_mask_of_booleans():
    return nn.attention.attend(ts.tensor(SCORES), ts.tensor(VALUES), keep=[True, True, False])
