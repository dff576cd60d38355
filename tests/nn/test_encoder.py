"""The network: padding, batch statistics, initialisation, and its ONNX twin."""

from typing import get_args

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn

from recog.model.config import TORCH_ONLY, Cell, ConvLayer, EncoderConfig
from recog.nn.cells import init_lstm, reversal_index
from recog.nn.dropout import Dropout
from recog.nn.encoder import ConvBlock, Encoder
from recog.training.recogniser.recipe import HANDWRITING_ENCODER, SPEECH_ENCODER

CELLS = get_args(Cell)
SMALL = EncoderConfig(
    height=16,
    convolutions=(
        ConvLayer(channels=8, kernel=(5, 5), stride=(2, 2)),
        ConvLayer(channels=8, pool=(2, 2)),
    ),
    layers=2,
    hidden=16,
)


def with_cell(cell: str, *, bidirectional: bool = True) -> EncoderConfig:
    return SMALL.model_copy(update={"cell": cell, "bidirectional": bidirectional})


CONVOLUTIONAL = SMALL.model_copy(
    update={
        "convolutions": (
            ConvLayer(channels=8, kernel=(5, 5), stride=(2, 2)),
            ConvLayer(channels=3, kernel=(3, 1), recurrent=True),
            ConvLayer(channels=8, pool=(2, 2)),
        )
    }
)
ATTENTIVE = SMALL.model_copy(update={"attention": 4})
SHAPES = {
    "convolutional": CONVOLUTIONAL,
    "attention": ATTENTIVE,
    "small": SMALL,
    "intermediate": SMALL.model_copy(update={"intermediate": 1}),
    "handwriting": HANDWRITING_ENCODER,
    "speech": SPEECH_ENCODER,
}
SHAPES |= {cell: with_cell(cell) for cell in CELLS if cell != "lstm"}
SHAPES |= {
    f"{cell}, one direction": with_cell(cell, bidirectional=False)
    for cell in ("lstm", "peephole", "gru", "rnn")
}


def randomised(config: EncoderConfig, symbols: int = 11) -> Encoder:
    torch.manual_seed(0)
    network = Encoder(config, symbols).eval()
    for name, buffer in network.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    with torch.no_grad():
        for name, p in network.named_parameters():
            # biases, gains and peepholes are told apart only where they differ
            if p.ndim == 1 and ("layer" in name):
                p.add_(0.2 * torch.randn_like(p))
            if name == "attention.out.weight":  # else zeros
                p.normal_(0.0, 0.2)
    return network


@pytest.mark.parametrize("config", SHAPES.values(), ids=SHAPES)
def test_a_neighbour_ten_times_longer_changes_nothing(config: EncoderConfig):
    network = randomised(config)
    for length in (1, 2, 7, 63):
        short = torch.randn(1, length, config.height)
        batch = torch.randn(3, 10 * length + 3, config.height)  # garbage past the end, too
        batch[0, :length] = short[0]
        lengths = torch.tensor([length, batch.shape[1], 5 * length + 1])
        with torch.no_grad():
            alone, n, _ = network(short, torch.tensor([length]))
            beside, m, _ = network(batch, lengths)
        assert n[0] == m[0] == config.frames(length) == network.frames(torch.tensor([length]))[0]
        torch.testing.assert_close(beside[0, : n[0]], alone[0, : n[0]], atol=1e-4, rtol=0)


def test_batch_norm_in_training_sees_valid_columns_only():
    torch.manual_seed(1)
    block = ConvBlock(1, ConvLayer(channels=4)).double().train()
    x = torch.randn(2, 1, 6, 20, dtype=torch.float64)
    lengths = torch.tensor([20, 9])
    x[1, :, :, 9:] = 0
    out, _ = block(x, lengths)
    raw = block.conv(x)
    valid = torch.cat([raw[0].flatten(1), raw[1, :, :, :9].flatten(1)], dim=1)
    mean, var = valid.mean(1), valid.var(1, unbiased=False)
    expected = torch.relu(
        (raw - mean[:, None, None]) / (var + block.norm.eps).sqrt()[:, None, None]
    )
    torch.testing.assert_close(out[1, :, :, :9], expected[1, :, :, :9])
    assert not out[1, :, :, 9:].any()
    torch.testing.assert_close(block.norm.running_mean, 0.01 * mean)


def test_gradient_of_the_masked_norm_is_that_of_its_formula():
    torch.manual_seed(2)
    block = ConvBlock(2, ConvLayer(channels=3, kernel=(1, 1))).double().train()
    nn.init.uniform_(block.norm.weight, 0.5, 1.5)
    nn.init.uniform_(block.norm.bias, -0.5, 0.5)
    x = torch.randn(2, 2, 3, 5, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([5, 3])
    weight = torch.randn(2, 3, 3, 5, dtype=torch.float64)
    mask = (torch.arange(5) < lengths[:, None]).double()[:, None, None, :]

    def plain() -> torch.Tensor:
        raw = block.conv(x * mask) * mask
        n = lengths.sum() * 3
        mean = raw.sum((0, 2, 3)) / n
        var = ((raw - mean[:, None, None]).square() * mask).sum((0, 2, 3)) / n
        y = (raw - mean[:, None, None]) / (var + block.norm.eps).sqrt()[:, None, None]
        y = torch.relu(y * block.norm.weight[:, None, None] + block.norm.bias[:, None, None]) * mask
        return (y * weight).sum()

    inputs = [x, block.conv.weight, block.norm.weight, block.norm.bias]
    ours = torch.autograd.grad((block(x * mask, lengths)[0] * weight).sum(), inputs)
    for got, expected in zip(ours, torch.autograd.grad(plain(), inputs), strict=True):
        torch.testing.assert_close(got, expected)


def test_reversal_index_is_its_own_inverse():
    index = reversal_index(torch.tensor([3, 5, 1]), 5)
    frames = torch.arange(15)  # (time, batch) in one row
    assert frames[index].view(5, 3)[:, 0].div(3, rounding_mode="floor").tolist() == [2, 1, 0, 3, 4]
    assert torch.equal(frames[index] % 3, frames % 3)  # nothing changes its sequence
    assert torch.equal(index[index], frames)


def test_dropout_keeps_its_share_and_its_gradient():
    drop = Dropout(0.2)
    x = torch.rand(7, 333, 11, requires_grad=True)
    torch.manual_seed(1)
    y = drop(x)
    kept = y != 0
    assert abs(kept.double().mean() - (1 - 51 / 256)) < 0.01
    torch.testing.assert_close(y[kept], x[kept] * 256 / 205)
    y.sum().backward()
    torch.testing.assert_close(x.grad, kept * (256 / 205))
    torch.manual_seed(1)
    assert torch.equal(drop(x), y)  # what resuming needs
    assert drop.eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_lstm_initialisation():
    lstm = nn.LSTM(7, 6)
    init_lstm(lstm)
    bias = lstm.bias_ih_l0 + lstm.bias_hh_l0
    assert torch.equal(bias, torch.tensor([0.0] * 6 + [1.0] * 6 + [0.0] * 12))
    for gate in lstm.weight_hh_l0.split(6):
        torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)


def test_a_one_way_network_would_fail_this():
    """The first frame's output depends on the last frame's input: both directions reach over the
    whole line."""
    network = randomised(SMALL)
    x = torch.randn(1, 120, 16)
    y = x.clone()
    y[0, -1] += 5
    with torch.no_grad():
        a, b = network(x, torch.tensor([120]))[0], network(y, torch.tensor([120]))[0]
    assert (a[0, 0] - b[0, 0]).abs().max() > 1e-7


INTERMEDIATE = SMALL.model_copy(update={"layers": 3, "intermediate": 2, "sounds": 5})


def test_intermediate_heads_score_letters_and_sounds_in_training_alone():
    network = randomised(INTERMEDIATE)
    x, lengths = torch.randn(2, 40, 16), torch.tensor([40, 23])
    assert network(x, lengths)[2] == (None, None)
    log_probs, frames, below = network.train()(x, lengths)
    assert below.intermediate.shape == log_probs.shape == (2, int(frames[0]), 11 + 5)
    letters, sounds = below.intermediate.exp().split((11, 5), dim=2)
    torch.testing.assert_close(letters.sum(2), torch.ones(2, 10))
    torch.testing.assert_close(sounds.sum(2), torch.ones(2, 10))


def test_intermediate_heads_teach_the_layers_below_them_only():
    network = randomised(INTERMEDIATE).train()
    network(torch.randn(1, 40, 16), torch.tensor([40]))[2].intermediate[..., 1].sum().backward()
    taught = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert {name.rsplit(".", 1)[0] for name in taught if name.startswith("early")} == {"early"}
    assert any(name.startswith("layers.0") for name in taught) and any(
        name.startswith("layers.1") for name in taught
    )
    assert not any(name.startswith(("layers.2", "head", "sounds", "shortcut")) for name in taught)


def test_intermediate_heads_lie_under_the_last_layer():
    with pytest.raises(ValueError, match="intermediate is 2, which must be less than the 2 layers"):
        EncoderConfig.model_validate(SMALL.model_dump() | {"intermediate": 2})


EXPORTED = {name: config for name, config in SHAPES.items() if not config.torch_only}


@pytest.mark.parametrize("config", EXPORTED.values(), ids=EXPORTED)
def test_onnx_gives_torchs_log_probs_at_every_length(config: EncoderConfig, tmp_path):
    pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime")
    from recog.model.onnx_check import check_onnx
    from recog.nn.export.recogniser import build_onnx, quantise

    network = randomised(config, 31)
    model = build_onnx(config, {k: v.numpy() for k, v in network.state_dict().items()}, 31)
    for kind, graph, tolerance in (("float", model, 1e-4), ("int8", quantise(model), 0.25)):
        path = tmp_path / f"{kind}.onnx"
        path.write_bytes(graph.SerializeToString())
        check_onnx(path)
        session = ort.InferenceSession(str(path))
        for length in (1, 2, 5, 64, 301):
            x = np.random.default_rng(length).random((length, config.height)).astype(np.float32)
            with torch.no_grad():
                expected = network(torch.from_numpy(x)[None], torch.tensor([length]))[0][0].numpy()
            got = session.run(None, {"features": x})[0]
            assert got.shape == expected.shape
            assert np.abs(got - expected).max() < tolerance


@pytest.mark.parametrize("cell", sorted(TORCH_ONLY))
def test_a_cell_without_an_operator_is_not_exported(cell: str):
    pytest.importorskip("onnx")
    from recog.errors import UserError
    from recog.nn.export.recogniser import build_onnx

    config = with_cell(cell)
    with pytest.raises(UserError, match="runs in torch only"):
        build_onnx(config, {k: v.numpy() for k, v in randomised(config).state_dict().items()}, 11)


def test_gru_weights_are_int8_in_the_file():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from recog.nn.export.recogniser import build_onnx, quantise

    config = HANDWRITING_ENCODER.model_copy(update={"cell": "gru"})
    weights = {k: v.numpy() for k, v in randomised(config).state_dict().items()}
    recurrent = sum(v.size for k, v in weights.items() if k.startswith("layers.") and v.ndim == 2)
    model = build_onnx(config, weights, 11)
    assert (
        len(model.SerializeToString()) - len(quantise(model).SerializeToString()) > 2.9 * recurrent
    )
