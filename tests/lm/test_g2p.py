"""How words are said by their spelling, learned from words of an orthography with rules."""

from __future__ import annotations

import random

import pytest

from recog.lm.g2p import G2P, LONGEST
from recog.lm.trie import NGramTrie
from recog.training.g2p import MIN_WORDS, align_letters, train_g2p


def said(word: str) -> str:
    """An orthography: "sh" is S, "x" is ks, "e" at the end is silent, "c" is s before "i" and else
    k."""
    text = (
        word.removesuffix("e")
        .replace("sh", "S")
        .replace("x", "ks")
        .replace("ci", "si")
        .replace("c", "k")
    )
    return text.replace("a", "A").replace("i", "I")


def words(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    syllables = [onset + vowel for onset in ("b", "c", "sh", "t", "s", "x", "n") for vowel in "ai"]
    found = {
        "".join(rng.choices(syllables, k=rng.randint(2, 5))) + rng.choice(["", "", "e", "x"])
        for _ in range(count)
    }
    return sorted(found)


@pytest.fixture(scope="module")
def g2p() -> G2P:
    model = train_g2p({word: (said(word),) for word in words(1500, 1)})
    assert model is not None
    return G2P(NGramTrie.from_ngrams(model))


def test_new_words_are_said_by_the_rules(g2p: G2P) -> None:
    new = [word for word in words(300, 2) if word not in set(words(1500, 1))]
    right = sum(one == said(word) for word, one in zip(new, g2p.pronounce(new), strict=True))
    assert len(new) > 100 and right >= 0.95 * len(new)


def test_a_word_is_said_alike_alone_and_among_others(g2p: G2P) -> None:
    some = words(60, 3)
    assert g2p.pronounce(some) == [g2p.pronounce([word])[0] for word in some]


def test_what_has_unknown_letters_or_no_end_is_not_said(g2p: G2P) -> None:
    assert g2p.pronounce(["", "baé", "b" * (LONGEST + 1), "ba"]) == ["", "", "", "bA"]
    assert g2p.pronounce([]) == []


def test_sounds_are_shared_out_to_the_letters_that_stand_for_them() -> None:
    known = words(400, 4)
    cut = dict(zip(known, align_letters([(word, said(word)) for word in known]), strict=True))
    assert all(
        "".join(sounds for _, sounds in pairs) == said(word) for word, pairs in cut.items() if pairs
    )
    assert sum(bool(pairs) for pairs in cut.values()) >= 0.99 * len(cut)
    with_x = [dict(pairs)["x"] for word, pairs in cut.items() if "x" in word and pairs]
    assert sum(sounds == "ks" for sounds in with_x) >= 0.95 * len(with_x)


def test_few_words_teach_nothing() -> None:
    assert train_g2p({word: (said(word),) for word in words(MIN_WORDS // 4, 5)}) is None


def test_a_model_of_single_letters_says_words_too() -> None:
    from recog.lm.estimation.kneser_ney import estimate

    model = estimate(["aA bB", "bB aA", "aX", "aA"], unit="word", order=1)
    assert G2P(NGramTrie.from_ngrams(model)).pronounce(["ab", "ba", "c"]) == ["AB", "BA", ""]
