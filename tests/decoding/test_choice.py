from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog.decoding.choice import STAY, USUAL, _best_path, likeliest_models
from recog.lm.kneser_ney import estimate
from recog.lm.trie import NGramTrie

FRENCH = ["les amis de la maison sont partis", "elle est dans la grande salle", "une lettre de son frère est arrivée"]
ENGLISH = ["the friends of the house have left", "she is in the great hall", "a letter from his brother has arrived"]


@pytest.fixture(scope="module")
def models() -> list[NGramTrie]:
    return [NGramTrie.from_ngrams(estimate(text * 3, unit="character", order=4)) for text in (FRENCH, ENGLISH)]


def test_each_text_gets_the_model_of_its_language(models: list[NGramTrie]) -> None:
    assert likeliest_models(models, ["les enfants de la salle"]) == [0]
    assert likeliest_models(models, ["the great brother has a lettr"]) == [1]
    assert likeliest_models(models[:1], ["the great brother"]) == [0]
    assert likeliest_models(models, []) == []


def test_what_says_nothing_goes_with_the_lines_around_it(models: list[NGramTrie]) -> None:
    english, french = "the friends have left the hall", "elle est partie dans la maison"
    assert likeliest_models(models, ["", english, "12", english, ""]) == [1] * 5
    assert likeliest_models(models, ["", french, "12"]) == [0] * 3
    assert likeliest_models(models, [""]) == [0]  # alone: the usual one
    assert likeliest_models(models, [french, french, english, english]) == [0, 0, 1, 1]


@given(st.lists(st.tuples(*[st.floats(-20, 0)] * 3), min_size=1, max_size=5))
def test_no_other_path_is_more_probable(lines: list[tuple[float, ...]]) -> None:
    seen = np.array(lines)

    def value(path: tuple[int, ...]) -> float:
        start = USUAL if path[0] == 0 else (1 - USUAL) / 2
        moves = [STAY if a == b else (1 - STAY) / 2 for a, b in pairwise(path)]
        return float(np.log([start, *moves]).sum() + sum(seen[i, k] for i, k in enumerate(path)))

    best = max(map(value, product(range(3), repeat=len(lines))))
    assert value(tuple(_best_path(seen))) == pytest.approx(best)
