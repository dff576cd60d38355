"""Self-attention: its equations, padding, memory."""

import pytest

torch = pytest.importorskip("torch")

from recog.nn.attention import SelfAttention

WIDTH, HEADS = 6, 2


def random_attention() -> SelfAttention:
    torch.manual_seed(0)
    attention = SelfAttention(WIDTH, HEADS).double()
    with torch.no_grad():
        for p in attention.parameters():
            p.add_(0.5 * torch.randn_like(p))
    return attention


def test_it_is_its_equations_for_the_valid_frames_of_each_item():
    a = random_attention()
    lengths = [7, 1, 4]
    x = torch.randn(7, 3, WIDTH, dtype=torch.float64)
    valid = torch.arange(7) < torch.tensor(lengths)[:, None]
    with torch.no_grad():
        got = a(x, valid)
        for b, n in enumerate(lengths):
            item = x[:n, b]
            mean, var = item.mean(-1, keepdim=True), item.var(-1, unbiased=False, keepdim=True)
            normal = (item - mean) / (var + 1e-5).sqrt() * a.norm.weight + a.norm.bias
            q, k, v = (normal @ layer.weight.T + layer.bias for layer in (a.query, a.key, a.value))
            found = []
            for head in range(HEADS):
                part = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
                scores = q[:, part] @ k[:, part].T / (WIDTH // HEADS) ** 0.5
                found.append(scores.softmax(-1) @ v[:, part])
            expected = item + torch.cat(found, -1) @ a.out.weight.T + a.out.bias
            torch.testing.assert_close(got[:n, b], expected, atol=1e-12, rtol=0)
            torch.testing.assert_close(a(item[:, None], None)[:, 0], expected, atol=1e-12, rtol=0)


def test_gradients_are_those_of_finite_differences():
    a = random_attention()
    names = [name for name, _ in a.named_parameters()]
    x = torch.randn(4, 2, WIDTH, dtype=torch.float64, requires_grad=True)
    valid = torch.tensor([[True] * 4, [True, True, False, False]])

    def function(x, *weights):
        y = torch.func.functional_call(a, dict(zip(names, weights, strict=True)), (x, valid))
        return y[valid.T]

    assert torch.autograd.gradcheck(
        function, (x, *(p.detach().requires_grad_() for p in a.parameters()))
    )


def test_it_begins_as_nothing():
    x = torch.randn(5, 2, WIDTH)
    assert torch.equal(SelfAttention(WIDTH, HEADS)(x, None), x)


def test_memory_does_not_grow_with_the_square_of_the_frames():
    """What autograd keeps is at most a few times the frames, with a mask too."""
    a = SelfAttention(16, 4)
    time = 3000
    valid = torch.arange(time) < torch.tensor([time, 50])[:, None]
    for mask in (None, valid):
        kept: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, kept=kept: kept.append(t.numel()) or t, lambda t: t
        ):
            a(torch.randn(time, 2, 16, requires_grad=True), mask)
        # the scores alone would be 4 * 3000 times the frames
        assert 0 < sum(kept) < 25 * 2 * 16 * time


def test_parameters():
    assert (
        sum(p.numel() for p in SelfAttention(WIDTH, HEADS).parameters())
        == 4 * WIDTH * (WIDTH + 1) + 2 * WIDTH
    )
