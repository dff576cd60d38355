"""Self-attention over recurrent states (Vaswani et al. 2017), pre-norm (Xiong et al. 2020)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SelfAttention(nn.Module):
    """Residual self-attention: x + O attention(Q n, K n, V n), n = LN(x).

    There is no positional encoding, as recurrent states know their positions. O starts at 0, so
    that training begins with the recurrent stack alone. Memory grows linearly with the number of
    frames: torch computes softmax and sum in blocks.

    Args:
        width: features of a frame, a multiple of ``heads``.
        heads: heads of ``width / heads`` features.

    Input and output (time, batch, width). Parameters: 4 width (width + 1) + 2 width.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        for linear in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """Apply the attention.

        Args:
            x: (time, batch, width).
            valid: (batch, time) is True where there is a frame; None if all are valid.
        """
        time, batch, width = x.shape
        n = self.norm(x)
        q, k, v = (
            linear(n).view(time, batch, self.heads, -1).permute(1, 2, 0, 3)
            for linear in (self.query, self.key, self.value)
        )
        mask = None if valid is None else valid[:, None, None, :]
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        added: Tensor = self.out(attended.permute(2, 0, 1, 3).reshape(time, batch, width))
        return x + added
