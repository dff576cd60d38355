"""Running a recogniser in torch, for networks without an ONNX graph."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from recog.model.recogniser_folder import RecogniserFolder
from recog.nn.weights import network_from


class TorchRuntime:
    """A network in torch, on the CPU in float32; see :func:`recog.model.runtime.open_runtime`.

    It is thread-safe. Each call uses one thread, as ONNX Runtime's do.

    Raises:
        UserError: the weights are missing or do not fit the config.
    """

    def __init__(self, model_folder: RecogniserFolder) -> None:
        self.config = model_folder.config
        self._network = network_from(model_folder).eval()

    def log_probs(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :meth:`recog.model.runtime.Runtime.log_probs`."""
        if len(features) == 0:
            return np.zeros((0, self.config.outputs), np.float32)
        torch.set_num_threads(1)  # the items run in parallel
        x = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
        with torch.inference_mode():
            log_probs = self._network(x.unsqueeze(0), torch.tensor([len(x)]))[0][0]
        return np.asarray(log_probs.numpy())
