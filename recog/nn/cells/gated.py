"""The LSTM step with the options of its relatives, and its backward pass.

The fused kernels of ``nn.LSTM`` compute the standard cell only. Here the input projection is
computed for all frames at once. A frame then costs one matrix product and a dozen element-wise
passes for both directions together. The loop of the backward pass has only what depends on the next
frame: slopes of the gates are computed before it, gradients of the weights after it, in one product
each.

For frame t of one direction, with the options in brackets (``*`` is element-wise)::

    u = h[t-1] R    [multiplicative: (x_m[t] * (h[t-1] M)) R; normalised: LN(h[t-1] R) * gain]
    i = sigmoid(pre_i + u_i [+ p_i * c[t-1]])
    f = sigmoid(pre_f + u_f [+ p_f * c[t-1]])
    g = tanh(pre_g + u_g)
    c[t] = f * c[t-1] + i * g [* mask]
    o = sigmoid(pre_o + u_o [+ p_o * c[t]])
    h[t] = o * tanh(c[t])    [normalised: o * tanh(LN(c[t]) * state_gain + state_bias)]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

EPSILON = 1e-5  # of layer normalisation


@dataclass(frozen=True)
class Step:
    """Weights of the step, for H units of a direction; None leaves an option out.

    Attributes:
        recurrent: R (H, 4 H), gates in torch's order i f g o.
        peepholes: (3 H), of i, f and o (Gers and Schmidhuber 2000).
        multiplier: x_m (time, batch, H), and
        inner: M (H, H): the multiplicative state (Krause et al. 2016).
        gain: (4 H), and
        state_gain, state_bias: (H): layer normalisation (Ba et al. 2016).
        mask: (batch, H), the same at all frames: dropout of the cell update (Semeniuta et al.
            2016).
    """

    recurrent: Tensor
    peepholes: Tensor | None = None
    multiplier: Tensor | None = None
    inner: Tensor | None = None
    gain: Tensor | None = None
    state_gain: Tensor | None = None
    state_bias: Tensor | None = None
    mask: Tensor | None = None


NAMES = [field.name for field in fields(Step)]


def gated(shares: Sequence[Tensor], steps: Sequence[Step]) -> list[Tensor]:
    """Compute the hidden states (time, batch, H) of each direction.

    The states before the first frame are zeros.
    Computed in float32 under autocast too. Differentiable, once, in all but the mask.

    Args:
        shares: for each direction the input's share of the gates with the biases, (time, batch, 4
            H).
        steps: the weights of each, all with the same options.
    """
    dtype = torch.float64 if shares[0].dtype == torch.float64 else torch.float32
    weights: list[Tensor | None] = []
    with torch.autocast(shares[0].device.type, enabled=False):
        for name in NAMES:
            values = [getattr(step, name) for step in steps]
            axis = 1 if name == "multiplier" else 0
            weights.append(None if values[0] is None else torch.stack(values, dim=axis).to(dtype))
        pre = torch.stack([share.to(dtype) for share in shares], dim=1)
        return list(_Gated.apply(pre, *weights).unbind(1))


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx, pre, *weights):  # type: ignore[override]
        saved = _forward(pre, Step(*weights))
        ctx.names = list(saved)
        ctx.save_for_backward(*weights, *saved.values())
        return saved["hidden"][1:]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):  # type: ignore[override]
        weights, values = ctx.saved_tensors[: len(NAMES)], ctx.saved_tensors[len(NAMES) :]
        step, saved = Step(*weights), dict(zip(ctx.names, values, strict=True))
        with torch.autocast(grad.device.type, enabled=False):
            gradients = _backward(grad, step, saved)
        return gradients.pop("pre"), *(gradients.get(name) for name in NAMES)


# Below, everything has the directions side by side: (time, D, batch, ..) for frames, (D, ..) for
# weights.


def _forward(pre: Tensor, s: Step) -> dict[str, Tensor]:
    """Compute all frames; gives the values for the backward pass.

    ``hidden`` and ``cells`` begin with the zeros before the first frame, the rest with frame 0:
    ``gates`` (after their sigmoid or tanh), ``bent`` (the tanh that h is the gated form of),
    ``inner`` (h M), and of each layer normalisation its input, mean and 1 / deviation.
    """
    time, directions, batch, n = *pre.shape[:3], s.recurrent.shape[1]

    def frames(size: int, extra: int = 0) -> Tensor:
        return pre.new_empty(time + extra, directions, batch, size)

    saved = {
        "gates": frames(4 * n),
        "hidden": frames(n, 1),
        "cells": frames(n, 1),
        "bent": frames(n),
    }
    saved["hidden"][0] = saved["cells"][0] = 0.0
    gates, hidden, cells, bent = (
        saved[name].unbind(0) for name in ("gates", "hidden", "cells", "bent")
    )
    parts = saved["gates"].view(time, directions, batch, 4, n)
    doors = parts[:, :, :, :2].unbind(0)  # i and f
    i, f, g, o = (part.unbind(0) for part in parts.unbind(3))
    peepholes = None if s.peepholes is None else s.peepholes.view(directions, 1, 3, n)
    products, states = _Normaliser(), _Normaliser()
    if s.inner is not None:
        saved["inner"] = frames(n)
    for t, share in enumerate(pre.unbind(0)):
        h, c, z = hidden[t], cells[t + 1], gates[t]
        if s.inner is not None and s.multiplier is not None:
            h = torch.bmm(h, s.inner, out=saved["inner"][t]) * s.multiplier[t]
        if s.gain is not None:
            torch.addcmul(share, products(torch.bmm(h, s.recurrent)), s.gain.unsqueeze(1), out=z)
        else:
            torch.baddbmm(share, h, s.recurrent, out=z)
        if peepholes is not None:
            doors[t].addcmul_(peepholes[:, :, :2], cells[t].unsqueeze(2))
        doors[t].sigmoid_()
        g[t].tanh_()
        torch.mul(i[t], g[t], out=c)
        if s.mask is not None:
            c.mul_(s.mask)
        c.addcmul_(f[t], cells[t])
        if peepholes is not None:
            o[t].addcmul_(peepholes[:, :, 2], c)
        o[t].sigmoid_()
        if s.state_gain is not None and s.state_bias is not None:
            c = torch.addcmul(s.state_bias.unsqueeze(1), states(c), s.state_gain.unsqueeze(1))
        torch.tanh(c, out=bent[t])
        torch.mul(o[t], bent[t], out=hidden[t + 1])
    return saved | products.saved("product") | states.saved("state")


class _Normaliser:
    """Layer normalisation, frame by frame, without gain and bias."""

    def __init__(self) -> None:
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def __call__(self, x: Tensor) -> Tensor:
        y, mean, scale = torch.native_layer_norm(x, x.shape[-1:], None, None, EPSILON)
        self.seen.append((x, mean, scale))
        return y

    def saved(self, name: str) -> dict[str, Tensor]:
        """Input, mean and 1 / deviation of all frames; nothing where there was none."""
        values = (torch.stack(values) for values in zip(*self.seen, strict=True))
        return dict(zip((name, f"{name}.mean", f"{name}.scale"), values, strict=False))


def _normaliser_backward(saved: dict[str, Tensor], name: str, t: int, grad: Tensor) -> Tensor:
    """The gradient of a :class:`_Normaliser`'s input at frame t."""
    x, mean, scale = saved[name][t], saved[f"{name}.mean"][t], saved[f"{name}.scale"][t]
    backward = torch.ops.aten.native_layer_norm_backward
    gradients: Tensor = backward(
        grad, x, x.shape[-1:], mean, scale, None, None, [True, False, False]
    )[0]
    return gradients


def _normal(saved: dict[str, Tensor], name: str) -> Tensor:
    return (saved[name] - saved[f"{name}.mean"]) * saved[f"{name}.scale"]


def _slopes(s: Step, saved: dict[str, Tensor], parts: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives of all frames.

    Returns:
        Of the cell by the inputs of i f g, and of h by that of o, (time, D, batch, 4, H); of h by
        the tanh's input, (time, D, batch, H).
    """
    i, f, g, o = parts.unbind(3)
    bent, before = saved["bent"], saved["cells"][:-1]
    slopes = torch.stack(
        (g * i * (1 - i), before * f * (1 - f), i * (1 - g * g), bent * o * (1 - o)), dim=3
    )
    if s.mask is not None:
        slopes[:, :, :, 0].mul_(s.mask)
        slopes[:, :, :, 2].mul_(s.mask)
    return slopes, o * (1 - bent * bent)


def _backward(grad: Tensor, s: Step, saved: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gradients of ``pre`` and of the weights, by name."""
    time, directions, batch, n = grad.shape
    parts = saved["gates"].view(time, directions, batch, 4, n)
    slopes, bend = _slopes(s, saved, parts)
    f = parts[:, :, :, 1].unbind(0)
    d_gates = torch.empty_like(saved["gates"])
    d_parts = d_gates.view(time, directions, batch, 4, n)
    d_products = torch.empty_like(d_gates) if s.gain is not None else d_gates  # of h R
    d_inner = torch.empty_like(bend) if s.inner is not None else None  # of x_m * (h M)
    d_bent = torch.empty_like(bend)  # of the tanh's input
    peepholes = None if s.peepholes is None else s.peepholes.view(directions, 1, 3, n)
    turned = s.recurrent.transpose(1, 2)
    dh = torch.zeros_like(grad[0])
    dc = torch.zeros_like(grad[0])
    for t in range(time - 1, -1, -1):
        dh = dh + grad[t]
        torch.mul(dh, bend[t], out=d_bent[t])
        d_o = torch.mul(dh, slopes[t, :, :, 3], out=d_parts[t, :, :, 3])
        if s.state_gain is not None:
            dc += _normaliser_backward(saved, "state", t, d_bent[t] * s.state_gain.unsqueeze(1))
        else:
            dc += d_bent[t]
        if peepholes is not None:
            dc.addcmul_(d_o, peepholes[:, :, 2])
        torch.mul(dc.unsqueeze(2), slopes[t, :, :, :3], out=d_parts[t, :, :, :3])
        dc = dc * f[t]
        if peepholes is not None:
            dc += (d_parts[t, :, :, :2] * peepholes[:, :, :2]).sum(2)
        if s.gain is not None:
            d_products[t] = _normaliser_backward(
                saved, "product", t, d_gates[t] * s.gain.unsqueeze(1)
            )
        dh = torch.bmm(d_products[t], turned)
        if d_inner is not None and s.inner is not None and s.multiplier is not None:
            d_inner[t] = dh
            dh = torch.bmm(dh * s.multiplier[t], s.inner.transpose(1, 2))
    return {"pre": d_gates} | _weights_backward(s, saved, d_gates, d_products, d_bent, d_inner)


def _weights_backward(
    s: Step,
    saved: dict[str, Tensor],
    d_gates: Tensor,
    d_products: Tensor,
    d_bent: Tensor,
    d_inner: Tensor | None,
) -> dict[str, Tensor]:
    """Gradients of the weights from those of all frames."""
    gradients = {}
    before = saved["hidden"][:-1]
    if d_inner is not None and s.multiplier is not None:
        gradients["multiplier"] = d_inner * saved["inner"]
        gradients["inner"] = _over_frames(before, d_inner * s.multiplier)
        before = saved["inner"] * s.multiplier
    gradients["recurrent"] = _over_frames(before, d_products)
    if s.peepholes is not None:
        cells = saved["cells"]
        cells_seen = torch.stack((cells[:-1], cells[:-1], cells[1:]), dim=3)
        d_parts = d_gates.view(*d_gates.shape[:3], 4, -1)
        gradients["peepholes"] = (d_parts[:, :, :, (0, 1, 3)] * cells_seen).sum((0, 2)).flatten(1)
    if s.gain is not None:
        gradients["gain"] = (d_gates * _normal(saved, "product")).sum((0, 2))
    if s.state_gain is not None:
        gradients["state_gain"] = (d_bent * _normal(saved, "state")).sum((0, 2))
        gradients["state_bias"] = d_bent.sum((0, 2))
    return gradients


def _over_frames(a: Tensor, b: Tensor) -> Tensor:
    """Sum of outer products over frames and batch.

    Args:
        a, b: (time, D, batch, A) and (time, D, batch, B).

    Returns:
        (D, A, B).
    """
    return torch.bmm(
        a.transpose(0, 1).flatten(1, 2).transpose(1, 2), b.transpose(0, 1).flatten(1, 2)
    )
