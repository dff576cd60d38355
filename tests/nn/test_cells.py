"""Every cell against its equations written out in float64, its gradients against finite
differences, and batches of uneven lengths."""

from collections.abc import Callable
from typing import get_args

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F
from torch import Tensor

from recog.model.config import MEMORYLESS, Cell, ConvLayer
from recog.nn.cells import CELLS, ConvLSTM, RecurrentLayer, reversal_index
from recog.nn.cells.convolutional import ConvLSTMCell
from recog.nn.cells.gated import EPSILON

INPUTS, HIDDEN = 5, 4
State = tuple[Tensor, Tensor]


def layer_of(
    cell: str, *, inputs: int = INPUTS, hidden: int = HIDDEN, seed: int = 0, **options
) -> RecurrentLayer:
    """A layer in float64 whose every weight is random: gains, peepholes and biases too."""
    torch.manual_seed(seed)
    layer = RecurrentLayer(cell, inputs, hidden, **options).double()
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(0.4 * torch.randn_like(p))
    return layer


def normalised(x: Tensor) -> Tensor:
    """Zero mean, unit variance over the features (Ba et al. 2016, equation 4)."""
    mean = x.mean(-1, keepdim=True)
    return (x - mean) / ((x - mean).square().mean(-1, keepdim=True) + EPSILON).sqrt()


def lstm(w: dict[str, Tensor], x: Tensor, state: State) -> State:
    h, c = state
    z = x @ w["weight_ih_l0"].T + w["bias_ih_l0"] + h @ w["weight_hh_l0"].T + w["bias_hh_l0"]
    i, f, g, o = z.chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def peephole(w: dict[str, Tensor], x: Tensor, state: State) -> State:
    h, c = state
    i, f, g, o = (x @ w["input_weight"].T + h @ w["recurrent_weight"].T + w["bias"]).chunk(4, -1)
    p_i, p_f, p_o = w["peepholes"].chunk(3)
    new = (f + p_f * c).sigmoid() * c + (i + p_i * c).sigmoid() * g.tanh()
    return (o + p_o * new).sigmoid() * new.tanh(), new


def layer_norm(w: dict[str, Tensor], x: Tensor, state: State) -> State:
    h, c = state
    z = (
        normalised(h @ w["recurrent_weight"].T) * w["gain"]
        + normalised(x @ w["input_weight"].T) * w["input_gain"]
    )
    i, f, g, o = (z + w["bias"]).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * (normalised(c) * w["state_gain"] + w["state_bias"]).tanh(), c


def multiplicative(w: dict[str, Tensor], x: Tensor, state: State) -> State:
    h, c = state
    m = (x @ w["multiplier_weight"].T) * (h @ w["inner_weight"].T)
    i, f, g, o = (x @ w["input_weight"].T + m @ w["recurrent_weight"].T + w["bias"]).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru(w: dict[str, Tensor], x: Tensor, state: State) -> State:
    h, _ = state
    from_input = (x @ w["weight_ih_l0"].T + w["bias_ih_l0"]).chunk(3, -1)
    from_state = (h @ w["weight_hh_l0"].T + w["bias_hh_l0"]).chunk(3, -1)
    r, z = ((a + b).sigmoid() for a, b in zip(from_input[:2], from_state[:2], strict=True))
    n = (from_input[2] + r * from_state[2]).tanh()
    return (1 - z) * n + z * h, h


def rnn(w: dict[str, Tensor], x: Tensor, state: State) -> State:
    h, _ = state
    return (
        x @ w["weight_ih_l0"].T + w["bias_ih_l0"] + h @ w["weight_hh_l0"].T + w["bias_hh_l0"]
    ).tanh(), h


STEPS: dict[str, Callable[[dict[str, Tensor], Tensor, State], State]] = {
    "lstm": lstm,
    "peephole": peephole,
    "gru": gru,
    "layer-norm": layer_norm,
    "multiplicative": multiplicative,
    "rnn": rnn,
}
# parameters of one direction, as each cell's docstring says
COUNTS: dict[str, Callable[[int, int], int]] = {
    "lstm": lambda i, h: 4 * h * (i + h + 2),
    "peephole": lambda i, h: 4 * h * (i + h + 1) + 3 * h,
    "gru": lambda i, h: 3 * h * (i + h + 2),
    "layer-norm": lambda i, h: 4 * h * (i + h + 3) + 2 * h,
    "multiplicative": lambda i, h: 4 * h * (i + h + 1) + h * (i + h),
    "rnn": lambda i, h: h * (i + h + 2),
}


def written_out(cell: torch.nn.Module, name: str, x: Tensor) -> Tensor:
    """A cell over one sequence (time, inputs), a frame at a time from zeros."""
    weights = dict(cell.named_parameters())
    state = (x.new_zeros(HIDDEN), x.new_zeros(HIDDEN))
    found = []
    for frame in x:
        state = STEPS[name](weights, frame, state)
        found.append(state[0])
    return torch.stack(found)


def test_the_registry_has_every_cell_of_a_recipe():
    assert set(CELLS) == set(get_args(Cell)) == set(STEPS)


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_is_its_equations_in_both_directions_at_uneven_lengths(cell: str):
    layer = layer_of(cell)
    lengths = torch.tensor([7, 1, 4])
    x = torch.randn(7, 3, INPUTS, dtype=torch.float64)
    with torch.no_grad():
        got = layer(x, reversal_index(lengths, 7))
        for b, n in enumerate(lengths.tolist()):
            ahead = written_out(layer.ahead, cell, x[:n, b])
            back = written_out(layer.back, cell, x[:n, b].flip(0)).flip(0)
            torch.testing.assert_close(got[:n, b], torch.cat((ahead, back), -1), atol=1e-12, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_are_those_of_the_equations(cell: str):
    """All weights and the input, through both directions, padding included in the batch."""
    layer = layer_of(cell)
    lengths = [6, 3]
    x = torch.randn(6, 2, INPUTS, dtype=torch.float64, requires_grad=True)
    pull = torch.randn(6, 2, 2 * HIDDEN, dtype=torch.float64)

    def loss(of: Callable[[], Tensor]) -> list[Tensor]:
        found = torch.autograd.grad(of(), [x, *layer.parameters()])
        return list(found)

    def ours() -> Tensor:
        out = layer(x, reversal_index(torch.tensor(lengths), 6))
        return sum((out[:n, b] * pull[:n, b]).sum() for b, n in enumerate(lengths))

    def plain() -> Tensor:
        total = x.new_zeros(())
        for b, n in enumerate(lengths):
            ahead = written_out(layer.ahead, cell, x[:n, b])
            back = written_out(layer.back, cell, x[:n, b].flip(0)).flip(0)
            total = total + (torch.cat((ahead, back), -1) * pull[:n, b]).sum()
        return total

    names = ["input", *(name for name, _ in layer.named_parameters())]
    for name, got, expected in zip(names, loss(ours), loss(plain), strict=True):
        torch.testing.assert_close(
            got, expected, atol=1e-11, rtol=1e-9, msg=lambda m, name=name: f"{name}: {m}"
        )
        assert expected.abs().max() > 1e-6, name
    assert not loss(ours)[0][3:, 1].any()  # nothing flows into the padding


@pytest.mark.parametrize(
    ("cell", "dropout"),
    [(cell, 0.0) for cell in CELLS] + [(cell, 0.5) for cell in CELLS if cell not in MEMORYLESS],
)
def test_gradients_are_those_of_finite_differences(cell: str, dropout: float):
    layer = layer_of(cell, inputs=3, hidden=2, dropout=dropout).train()
    names = [name for name, _ in layer.named_parameters()]
    x = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)
    index = reversal_index(torch.tensor([4, 2]), 4)

    def function(x: Tensor, *weights: Tensor) -> Tensor:
        torch.manual_seed(3)  # the same masks each time
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x, index))

    weights = [p.detach().requires_grad_() for p in layer.parameters()]
    assert torch.autograd.gradcheck(function, (x, *weights))


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_an_item_does_not_depend_on_its_batch(cell: str, bidirectional: bool):
    layer = layer_of(cell, bidirectional=bidirectional).float().eval()
    long = torch.randn(23, 4, INPUTS)  # garbage past each end
    lengths = torch.tensor([23, 5, 1, 11])
    with torch.no_grad():
        together = layer(long, reversal_index(lengths, 23))
        for b, n in enumerate(lengths.tolist()):
            alone = layer(long[:n, b : b + 1], None)
            torch.testing.assert_close(together[:n, b], alone[:, 0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
def test_one_direction_does_not_see_what_comes(cell: str):
    layer = layer_of(cell, bidirectional=False)
    assert layer.outputs == HIDDEN and layer.back is None
    x = torch.randn(9, 1, INPUTS, dtype=torch.float64)
    y = x.clone()
    y[6:] += 1
    with torch.no_grad():
        a, b = layer(x, None), layer(y, None)
    assert torch.equal(a[:6], b[:6]) and not torch.equal(a[6], b[6])


@pytest.mark.parametrize("cell", CELLS)
def test_parameters_are_as_many_as_documented(cell: str):
    for inputs, hidden in ((5, 4), (80, 31)):
        layer = RecurrentLayer(cell, inputs, hidden)
        assert sum(p.numel() for p in layer.ahead.parameters()) == COUNTS[cell](inputs, hidden)
        assert sum(p.numel() for p in layer.parameters()) == 2 * COUNTS[cell](inputs, hidden)


@pytest.mark.parametrize("cell", CELLS)
def test_fresh_weights(cell: str):
    layer = RecurrentLayer(cell, 7, 6)
    weights = dict(layer.ahead.named_parameters())
    for name in ("weight_hh_l0", "recurrent_weight", "inner_weight"):
        for gate in weights[name].split(6) if name in weights else ():
            torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)
    if cell not in ("gru", "rnn"):
        bias = (
            weights["bias"] if "bias" in weights else weights["bias_ih_l0"] + weights["bias_hh_l0"]
        )
        assert torch.equal(bias, torch.tensor([0.0] * 6 + [1.0] * 6 + [0.0] * 12))


def test_a_peephole_lstm_without_peepholes_is_the_standard_cell():
    ours, fused = layer_of("peephole"), layer_of("lstm")
    with torch.no_grad():
        for a, b in ((ours.ahead, fused.ahead), (ours.back, fused.back)):
            a.peepholes.zero_()
            a.input_weight.copy_(b.weight_ih_l0)
            a.recurrent_weight.copy_(b.weight_hh_l0)
            a.bias.copy_(b.bias_ih_l0 + b.bias_hh_l0)
        x = torch.randn(8, 2, INPUTS, dtype=torch.float64)
        torch.testing.assert_close(ours(x, None), fused(x, None), atol=1e-12, rtol=0)


@pytest.mark.parametrize("cell", ["lstm", "peephole", "layer-norm", "multiplicative"])
def test_recurrent_dropout_leaves_out_the_same_updates_at_all_frames(cell: str):
    """A unit whose update is dropped keeps the zeros it began with; in evaluation nothing is
    dropped."""
    layer = layer_of(cell, hidden=40, bidirectional=False, dropout=0.5)
    x = torch.randn(12, 3, INPUTS, dtype=torch.float64)
    layer.train()
    torch.manual_seed(5)
    with torch.no_grad():
        trained = layer(x, None)
        if cell == "layer-norm":  # its output is not 0 where the cell is
            assert not torch.equal(trained, layer(x, None))
        else:
            silent = (trained == 0).all(0)
            assert torch.equal(silent, (trained == 0).any(0))
            assert 30 < int(silent.sum()) < 90  # of 120
        layer.eval()
        plain = layer(x, None)
        assert torch.equal(plain, layer(x, None)) and (plain != 0).all()


def test_bfloat16_autocast_keeps_the_state_in_single_precision():
    layer = layer_of("peephole").float()
    x = torch.randn(30, 2, INPUTS)
    with torch.no_grad():
        expected = layer(x, None)
        with torch.autocast("cpu", torch.bfloat16):
            got = layer(x, None)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, expected, atol=0.03, rtol=0)


# torch's own need bfloat16 in hardware
@pytest.mark.parametrize("cell", ["peephole", "layer-norm", "multiplicative"])
def test_gradients_flow_under_autocast(cell: str):
    layer = layer_of(cell).float()
    x = torch.randn(6, 2, INPUTS, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(x, None)
    out.float().sum().backward()
    for p in layer.parameters():
        assert p.grad is not None and p.grad.isfinite().all() and p.grad.dtype == torch.float32


# ---- the convolutional LSTM
# ----------------------------------------------------------------------------------------------


def conv_lstm(inputs: int = 2, channels: int = 3, height: int = 5, kernel: int = 3) -> ConvLSTM:
    torch.manual_seed(4)
    layer = ConvLSTM(
        inputs, height, ConvLayer(channels=channels, kernel=(kernel, 1), recurrent=True)
    ).double()
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(0.4 * torch.randn_like(p))
    return layer


def shi(cell: ConvLSTMCell, image: Tensor) -> Tensor:
    """Equation 3 of Shi et al. (2015) over the columns of an image (maps, height, width):
    (channels, height, width)."""
    pad = cell.input_kernel.shape[2] // 2
    p_i, p_f, p_o = cell.peepholes.view(3, cell.channels, cell.height)
    h = c = image.new_zeros(cell.channels, cell.height)
    found = []
    for x in image.unbind(-1):
        z = F.conv1d(x[None], cell.input_kernel, cell.bias, padding=pad) + F.conv1d(
            h[None], cell.state_kernel, padding=pad
        )
        i, f, g, o = z[0].chunk(4)
        new = (f + p_f * c).sigmoid() * c + (i + p_i * c).sigmoid() * g.tanh()
        h, c = (o + p_o * new).sigmoid() * new.tanh(), new
        found.append(h)
    return torch.stack(found, -1)


@pytest.mark.parametrize("kernel", [1, 3, 7])  # 7 reaches past both edges
def test_a_convolutional_lstm_is_its_equations(kernel: int):
    layer = conv_lstm(kernel=kernel)
    widths = torch.tensor([6, 1, 4])
    image = torch.randn(3, 2, 5, 6, dtype=torch.float64)
    with torch.no_grad():
        got, after = layer(image, widths)
        assert torch.equal(after, widths) and got.shape == (3, 6, 5, 6)
        for b, n in enumerate(widths.tolist()):
            ahead = shi(layer.layer.ahead, image[b, :, :, :n])
            back = shi(layer.layer.back, image[b, :, :, :n].flip(-1)).flip(-1)
            torch.testing.assert_close(
                got[b, :, :, :n], torch.cat((ahead, back)), atol=1e-12, rtol=0
            )
            assert not got[b, :, :, n:].any()


def test_gradients_of_the_convolutional_lstm_are_those_of_finite_differences():
    layer = conv_lstm(channels=2, height=3)
    names = [name for name, _ in layer.named_parameters()]
    image = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)

    def function(image: Tensor, *weights: Tensor) -> Tensor:
        state = dict(zip(names, weights, strict=True))
        found = torch.func.functional_call(layer, state, (image, torch.tensor([4, 2])))[0]
        assert isinstance(found, Tensor)
        return found

    weights = [p.detach().requires_grad_() for p in layer.parameters()]
    assert torch.autograd.gradcheck(function, (image, *weights))


def test_parameters_of_the_convolutional_lstm():
    cell = ConvLSTMCell(inputs=6, channels=4, height=10, kernel=3)
    assert sum(p.numel() for p in cell.parameters()) == 4 * 4 * 3 * (6 + 4) + 4 * 4 + 3 * 4 * 10
