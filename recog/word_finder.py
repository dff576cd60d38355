"""What was said -> what is written: the sounds that a network hears become words by a dictionary and a language model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recog.decoding.decoder import Decoder, Hypothesis
from recog.decoding.homophones import Homophones
from recog.decoding.language import SPECIAL
from recog.model.bundle import Bundle
from recog.text.pronunciations import say

if TYPE_CHECKING:
    from recog.lm.trie import NGramTrie


class WordFinder:
    """Finds words in a model's sounds: those of its dictionary, of a language model, and some more. Where the dictionary does
    not say how one is pronounced, its spelling does.

    Args:
        bundle: a model that hears sounds.
        lm: a language model of words.
        more: words to know beside.

    Raises:
        UserError: the model's pronunciations cannot be read.
    """

    def __init__(self, bundle: Bundle, lm: NGramTrie, more: Iterable[str] = ()) -> None:
        assert bundle.config.sounds is not None
        self.sounds = bundle.config.sounds
        self.pronunciations = bundle.pronunciations()
        new = [word for word in dict.fromkeys((*lm.words, *more)) if word not in self.pronunciations]
        new = [word for word in new if word not in SPECIAL]
        speller = bundle.speller() if new else None
        if speller is not None:
            heard = set(self.sounds)
            said = zip(new, speller.say(new), strict=True)
            self.pronunciations |= {word: (one,) for word, one in said if one and heard.issuperset(one)}
        self._lm = lm
        self._homophones = Homophones(lm, self.pronunciations)

    def knows(self, phrase: str) -> bool:
        """Whether all words of a phrase are among those that can be found."""
        return all(word in self.pronunciations for word in phrase.split())

    def decoder(self, hotwords: Mapping[str, float] | None = None, **options: Any) -> Decoder:
        """A decoder of sounds into these words.

        Args:
            hotwords: that it :meth:`knows`, as they are written, and their boosts.
            options: others of :class:`recog.decoding.Decoder`.
        """
        said = {say(phrase, self.pronunciations): boost for phrase, boost in (hotwords or {}).items()}
        return Decoder(
            self.sounds,
            lm=self._lm,
            lexicon=self.pronunciations,
            closed_vocabulary=True,
            hotwords={phrase: boost for phrase, boost in said.items() if phrase},
            **options,
        )

    def written(self, said: Hypothesis) -> list[str]:
        """The words of what the decoder found."""
        return self.written_each([said])[0]

    def written_each(self, said: Sequence[Hypothesis]) -> list[list[str]]:
        """The words of each of several."""
        found = self._homophones.words_of_each([one.text.split() for one in said])
        return [[word or "" for word in words] for words in found]

    def texts(self, said: Sequence[Hypothesis]) -> list[str]:
        """The text of each of several."""
        return [" ".join(words) for words in self.written_each(said)]
