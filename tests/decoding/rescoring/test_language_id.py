from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog.decoding.decoder import Decoder
from recog.decoding.rescoring.language_id import STAY, USUAL, identify_languages
from recog.lm.estimation.kneser_ney import estimate
from recog.lm.trie import NGramTrie

FRENCH = [
    "les amis de la maison sont partis",
    "elle est dans la grande salle",
    "une lettre de son frère est arrivée",
]
ENGLISH = [
    "the friends of the house have left",
    "she is in the great hall",
    "a letter from his brother has arrived",
]


@pytest.fixture(scope="module")
def scorers() -> list[Decoder]:
    models = [
        NGramTrie.from_ngrams(estimate(text * 3, unit="character", order=4))
        for text in (FRENCH, ENGLISH)
    ]
    symbols = ["", *sorted(set("".join(FRENCH + ENGLISH) + "'"))]
    return [Decoder(symbols, lm=model, alpha=1.0, beta=0.0) for model in models]


def chosen(scorers: list[Decoder], texts: list[str]) -> list[int]:
    tokens = [[scorers[0].symbols.index(c) for c in text] for text in texts]
    return identify_languages([[scorer.weight(text) for scorer in scorers] for text in tokens])


def test_each_text_gets_the_model_of_its_language(scorers: list[Decoder]) -> None:
    assert chosen(scorers, ["les enfants de la salle"]) == [0]
    assert chosen(scorers, ["the great brother has a lettr"]) == [1]
    assert chosen(scorers[:1], ["the great brother"]) == [0]
    assert chosen(scorers, []) == []


def test_what_says_nothing_goes_with_the_lines_around_it(scorers: list[Decoder]) -> None:
    english, french = "the friends have left the hall", "elle est partie dans la maison"
    assert chosen(scorers, ["", english, "'", english, ""]) == [1] * 5
    assert chosen(scorers, ["", french, "'"]) == [0] * 3
    assert chosen(scorers, [""]) == [0]  # alone: the usual one
    assert chosen(scorers, [french, french, english, english]) == [0, 0, 1, 1]


@given(st.lists(st.tuples(*[st.floats(-20, 0)] * 3), min_size=1, max_size=5))
def test_no_other_path_is_more_probable(lines: list[tuple[float, ...]]) -> None:
    seen = np.array(lines)

    def value(path: tuple[int, ...]) -> float:
        start = USUAL if path[0] == 0 else (1 - USUAL) / 2
        moves = [STAY if a == b else (1 - STAY) / 2 for a, b in pairwise(path)]
        return float(np.log([start, *moves]).sum() + sum(seen[i, k] for i, k in enumerate(path)))

    best = max(map(value, product(range(3), repeat=len(lines))))
    assert value(tuple(identify_languages(seen))) == pytest.approx(best)
