"""The neural language model: embedding, LSTM stack, softmax over the next token.

(Mikolov et al. 2010, "Recurrent neural network based language model"; Sundermeyer et al. 2012 for
the LSTM.)
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recog.model.language_model import LanguageNetworkConfig
from recog.nn.cells import init_lstm, run_fused

Carried = tuple[Tensor, Tensor]  # hidden and cell state, each (layers, batch, hidden)


class LanguageNetwork(nn.Module):
    """Predicts each token of a text from the tokens before.

    Args:
        config: its shape.
        symbols: size of the vocabulary.
    """

    def __init__(self, config: LanguageNetworkConfig, symbols: int) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(symbols, config.embedding)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        sizes = [config.embedding] + [config.hidden] * config.layers
        self.layers = nn.ModuleList(nn.LSTM(sizes[i], config.hidden) for i in range(config.layers))
        for layer in self.layers:
            assert isinstance(layer, nn.LSTM)
            init_lstm(layer)
        self.dropout = nn.Dropout(config.dropout)
        self.projection = (
            nn.Linear(config.hidden, config.embedding, bias=False) if config.projected else None
        )
        self.head = nn.Linear(config.embedding if config.tied else config.hidden, symbols)
        nn.init.zeros_(self.head.bias)
        if config.tied:
            self.head.weight = self.embedding.weight
        else:
            nn.init.xavier_uniform_(self.head.weight)

    def start(self, batch: int) -> Carried:
        """The state before any token: zeros."""
        zeros = self.head.weight.new_zeros(self.config.layers, batch, self.config.hidden)
        return zeros, zeros.clone()

    def read(self, tokens: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """Compute the inputs of the output layer.

        Args:
            tokens: (batch, time) int64.
            carried: the state after the text before.

        Returns:
            (time, batch, size of the output layer's rows), and the state after the last token.
        """
        x = self.dropout(self.embedding(tokens.transpose(0, 1)))
        hidden, cell = [], []
        for i, layer in enumerate(self.layers):
            x, (h, c) = run_fused(layer, x, (carried[0][i : i + 1], carried[1][i : i + 1]))
            x = self.dropout(x)
            hidden.append(h)
            cell.append(c)
        if self.projection is not None:
            x = self.projection(x)
        return x, (torch.cat(hidden), torch.cat(cell))

    def forward(self, tokens: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """Log-probabilities of the next token after each token.

        Args:
            tokens: (batch, time) int64.
            carried: the state after the text before.

        Returns:
            (batch, time, symbols) float32, natural log, and the state after the last token.
        """
        x, after = self.read(tokens, carried)
        return F.log_softmax(self.head(x).float(), dim=-1).transpose(0, 1), after

    def sampled_loss(
        self, tokens: Tensor, targets: Tensor, carried: Carried, candidates: Tensor
    ) -> tuple[Tensor, Carried]:
        """Mean of -ln P of ``targets``, estimated by importance sampling of symbols.

        (Bengio and Senécal 2008; Jean et al. 2015, "On using very large target vocabulary for
        neural machine translation", equation 9.) Each symbol's score is lowered by the log of its
        probability to be drawn, so that the network learns the scores of the whole softmax.

        Args:
            tokens, carried: as in :meth:`forward`.
            targets: (batch, time) int64, what follows each token.
            drawn: (candidates,) int64, the same for all places, from :func:`log_uniform`; several
                alike count once.
        """
        x, after = self.read(tokens, carried)
        x, targets_flat = x.flatten(0, 1), targets.transpose(0, 1).flatten()
        symbols, tries = self.head.out_features, len(candidates)
        candidates = candidates.unique()
        others = F.linear(x, self.head.weight[candidates], self.head.bias[candidates]).float()
        others = others - log_expected(candidates, symbols, tries)
        # it stands in the first column
        others = others.masked_fill(targets_flat[:, None] == candidates, -torch.inf)
        target_scores = (x.float() * self.head.weight[targets_flat].float()).sum(
            dim=1
        ) + self.head.bias[targets_flat]
        target_scores = target_scores - log_expected(targets_flat, symbols, tries)
        return F.cross_entropy(
            torch.cat((target_scores[:, None], others), dim=1), torch.zeros_like(targets_flat)
        ), after


def log_uniform(uniform: Tensor, symbols: int) -> Tensor:
    """Draw symbols by Zipf's law, P(k) = ln((k + 2) / (k + 1)) / ln(symbols + 1).

    Args:
        uniform: numbers from 0 to under 1.
        symbols: size of the vocabulary, the most frequent symbol first.
    """
    return (torch.exp(uniform.double() * math.log(symbols + 1)).long() - 1).clamp(0, symbols - 1)


def log_expected(symbol: Tensor, symbols: int, tries: int) -> Tensor:
    """Natural log of the probability that ``tries`` draws of :func:`log_uniform` have a symbol."""
    share = torch.log1p(1.0 / (symbol.double() + 1.0)) / math.log(symbols + 1)
    return torch.log(-torch.expm1(tries * torch.log1p(-share))).float()
