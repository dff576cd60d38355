"""Differences between two texts, marked word by word and letter by letter: nothing lost, nothing
invented."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from recog.evaluation.reports.differences import LONG, MAX_BLOCKS, Span, differences


def told(spans: list[Span]) -> str:
    """Right letters of wrong words in parentheses, wrong letters in brackets."""
    signs = {"same": "{}", "word": "({})", "letter": "[{}]", "left out": "<{}>"}
    return "".join(signs[span.mark].format(span.text) for span in spans)


def both(reference: str, hypothesis: str) -> tuple[str, str]:
    ours, theirs = differences(reference, hypothesis)
    return told(ours), told(theirs)


def test_letters_of_a_word() -> None:
    assert both("the cat sat", "the bat sat") == ("the [c](at) sat", "the [b](at) sat")
    assert both("a b", "a b") == ("a b", "a b")
    assert both("one two", "one") == ("one [two]", "one")
    assert (
        both("", "x y") == ("", "[x y]")
        and both("x", "") == ("[x]", "")
        and both("", "") == ("", "")
    )


def test_words_run_together_differ_in_the_space() -> None:
    assert both("he can not go", "he cannot go") == ("he (can)[ ](not) go", "he (can)(not) go")


def test_words_with_little_in_common_are_marked_whole() -> None:
    assert both("the dog barks", "the umbrella barks") == (
        "the [dog] barks",
        "the [umbrella] barks",
    )


def test_long_texts_show_what_surrounds_errors() -> None:
    words = [f"w{k}" for k in range(1000)]
    other = [*words]
    other[500] = "wrong"
    ours, theirs = both(" ".join(words), " ".join(other))
    assert ours.startswith("<… 492 words …> w492 ") and ours.endswith(
        " w508<… 491 words …>".replace("<", " <")
    )
    assert "[w500]" in ours and "[wrong]" in theirs
    everything, _ = differences(
        " ".join(f"a{k} same" for k in range(2000)), " ".join(f"b{k} same" for k in range(2000))
    )
    assert everything[-1].mark == "left out" and everything[-1].text.endswith("more words")
    assert sum(span.mark == "letter" for span in everything) == MAX_BLOCKS


TEXT = st.lists(
    st.sampled_from(["a", "ab", "abc", "xyz", "é", "和平", "--", "a" * 30]), max_size=LONG
).map(" ".join)


@settings(max_examples=100, deadline=None)
@given(reference=TEXT, hypothesis=TEXT)
def test_spans_are_the_texts(reference: str, hypothesis: str) -> None:
    ours, theirs = differences(reference, hypothesis)
    assert (
        "".join(span.text for span in ours) == reference
        and "".join(span.text for span in theirs) == hypothesis
    )
    assert [s.text for s in ours if s.mark == "word"] == [
        s.text for s in theirs if s.mark == "word"
    ]
    right = [span.text for span in ours if span.mark == "same" and span.text.strip()]
    assert right == [span.text for span in theirs if span.mark == "same" and span.text.strip()]
    assert (reference == hypothesis) == (not [s for s in [*ours, *theirs] if s.mark != "same"])
