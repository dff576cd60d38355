"""Distances between sequences of words."""

from recog.util.edit_distance import as_numbers, correct_words, edit_distance


def test_equal_items_are_equal_numbers() -> None:
    assert as_numbers(["a", "b", "a"], ["b", "c"]) == ([0, 1, 0], [1, 2])


def test_edit_distance() -> None:
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance(["a", "b"], ["b"]) == 1
    assert edit_distance([1, 2], []) == 2


def test_correct_words() -> None:
    assert correct_words(["a", "b", "c", "d"], ["a", "x", "c", "d", "e"]) == [
        True,
        False,
        True,
        True,
        False,
    ]
    assert correct_words([], ["a"]) == [False]
    assert correct_words(["a", "b"], []) == []
    assert correct_words(["a", "b"], ["b"]) == [True]
