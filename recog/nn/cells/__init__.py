"""The LSTM and its relatives: one registry, and the layer that runs any of them in one direction or
both.

``CELLS`` maps the names that a recipe uses (``encoder: {cell: peephole}``) to the modules.
:mod:`.fused` has those with a kernel of their own, :mod:`.variants` the others, which share the
step of :mod:`.gated`; so does the layer of the front end in :mod:`.convolutional`.
"""

from recog.nn.cells.convolutional import ConvLSTM
from recog.nn.cells.fused import init_lstm, run_fused
from recog.nn.cells.layer import CELLS, RecurrentLayer, reversal_index

__all__ = ["CELLS", "ConvLSTM", "RecurrentLayer", "init_lstm", "reversal_index", "run_fused"]
