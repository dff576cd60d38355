"""The LSTM and its relatives, and the layer that runs them in one direction or both.

``CELLS`` maps the names that a recipe uses (``encoder: {cell: peephole}``) to the modules.
:mod:`.fused` has the cells with a kernel of torch's, :mod:`.variants` the others on the step of
:mod:`.gated`. :mod:`.convolutional` is a layer of the front end.
"""

from recog.nn.cells.convolutional import ConvLSTM
from recog.nn.cells.fused import init_lstm, run_fused
from recog.nn.cells.layer import CELLS, RecurrentLayer, reversal_index

__all__ = ["CELLS", "ConvLSTM", "RecurrentLayer", "init_lstm", "reversal_index", "run_fused"]
