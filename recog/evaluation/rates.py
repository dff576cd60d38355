"""Word and character error rates of strings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from recog.errors import UserError
from recog.evaluation.counts import Counts, Pair
from recog.evaluation.inputs.normalisation import Normalisation, normalisation
from recog.evaluation.score import score_pair

Texts = str | Iterable[str]


def wer(reference: Texts, hypothesis: Texts, *, normalise: str | Normalisation = "none") -> float:
    """Word error rate: (substitutions + deletions + insertions) / words of the reference.

    Args:
        reference: the true text, or a list of texts. Errors and words of a list are summed before
            they are divided.
        hypothesis: the recognised text, or a list with a text for each reference.
        normalise: normalisation of both texts: "none" (Unicode NFC, no white space at the ends),
            "collapse", "plain", "diplomatic", "spoken", "basic", "words", or a file of rules; see
            :func:`recog.evaluation.normalisation`.

    Returns:
        A fraction of at least 0, above 1 where there are many insertions. With an empty reference
        it is 0 without errors, else infinity.

    Raises:
        UserError: there are no texts, the lists differ in length, or the rule is unknown.

    Example:
        >>> wer("the cat sat", "the bat")
        0.6666666666666666
    """
    return _summed(reference, hypothesis, normalise, "wer").rate


def cer(reference: Texts, hypothesis: Texts, *, normalise: str | Normalisation = "none") -> float:
    """Character error rate: as :func:`wer`, over Unicode code points, spaces included.

    Example:
        >>> cer("the cat", "the bat")
        0.14285714285714285
    """
    return _summed(reference, hypothesis, normalise, "cer").rate


def _summed(
    reference: Texts, hypothesis: Texts, normalise: str | Normalisation, which: str
) -> Counts:
    references, hypotheses = _texts("reference", reference), _texts("hypothesis", hypothesis)
    if isinstance(reference, str) != isinstance(hypothesis, str):
        raise UserError(
            "reference and hypothesis are a text and a list of texts; give two texts, or two lists."
        )
    if len(references) != len(hypotheses):
        raise UserError(
            f"There are {len(references)} references and {len(hypotheses)} hypotheses; give a "
            "hypothesis for each reference."
        )
    if not references:
        raise UserError("There is nothing to evaluate; give at least one reference.")
    rule = normalisation(normalise) if isinstance(normalise, str) else normalise
    pairs = (
        Pair(str(i), *texts)
        for i, texts in enumerate(zip(references, hypotheses, strict=True), start=1)
    )
    return sum(
        (getattr(score_pair(pair, rule, Counter(), Counter()), which) for pair in pairs), Counts()
    )


def _texts(name: str, texts: Any) -> list[str]:
    found = (
        [texts]
        if isinstance(texts, str)
        else list(texts)
        if isinstance(texts, Iterable)
        else [texts]
    )
    wrong = next((text for text in found if not isinstance(text, str)), None)
    if wrong is not None or not all(isinstance(text, str) for text in found):
        raise UserError(f"{name} holds {wrong!r}; it must be a text or a list of texts.")
    return found
