"""The data of a tuning: dev rows with the network's outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from recog.corpora.data import modality
from recog.corpora.rows import Row
from recog.errors import UsageError, UserError
from recog.recognition.base import Recogniser
from recog.recognition.dataset import row_posteriors
from recog.tuning.search import Utterance


def collect(
    recogniser: Recogniser, rows: Sequence[Row], normalise: Callable[[str], str]
) -> Iterator[Utterance]:
    """Run the network over each row, once.

    Raises:
        UsageError: the model is for another kind of media.
        UserError: no row can be read.
    """
    if modality(rows) != recogniser.config.modality:
        raise UsageError(
            f"The model is for {recogniser.config.modality}, and the data is {modality(rows)}."
        )
    count = 0
    for i, row in enumerate(rows):
        try:
            pieces = tuple(row_posteriors(recogniser, row))
        except UserError:
            continue
        count += 1
        yield Utterance(f"{row.media.name}#{i}", pieces, normalise(row.text), row.group)
    if count == 0:
        raise UserError("None of the rows could be read.")
