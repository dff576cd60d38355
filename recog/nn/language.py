"""The neural language model: embedding -> LSTM stack -> softmax over the next token.

(Mikolov et al. 2010, "Recurrent neural network based language model"; Sundermeyer et al. 2012 for the LSTM.)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recog.model.language import LanguageNetworkConfig
from recog.nn.cells import init_lstm

Carried = tuple[Tensor, Tensor]  # hidden and cell state, each (layers, batch, hidden)


class LanguageNetwork(nn.Module):
    """Predicts each token of a text from those before it.

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
        self.head = nn.Linear(config.hidden, symbols)
        nn.init.zeros_(self.head.bias)
        if config.tied:
            self.head.weight = self.embedding.weight
        else:
            nn.init.xavier_uniform_(self.head.weight)

    def start(self, batch: int) -> Carried:
        """The state before any token: zeros."""
        zeros = self.head.weight.new_zeros(self.config.layers, batch, self.config.hidden)
        return zeros, zeros.clone()

    def forward(self, tokens: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        """Log-probabilities of what follows each token.

        Args:
            tokens: (batch, time) int64.
            carried: the state that the text before left.

        Returns:
            (batch, time, symbols) float32, natural log, and the state after the last token.
        """
        x = self.dropout(self.embedding(tokens.transpose(0, 1)))
        hidden, cell = [], []
        for i, layer in enumerate(self.layers):
            x, (h, c) = layer(x, (carried[0][i : i + 1], carried[1][i : i + 1]))
            x = self.dropout(x)
            hidden.append(h)
            cell.append(c)
        log_probs = F.log_softmax(self.head(x).float(), dim=-1)
        return log_probs.transpose(0, 1), (torch.cat(hidden), torch.cat(cell))
