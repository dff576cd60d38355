"""What was said -> what is written: the sounds that a network hears become words by a dictionary
and a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recog.decoding.decoder import Decoder, Hypothesis
from recog.decoding.fusion.tables import SPECIAL
from recog.decoding.lexicon.homophones import Homophones
from recog.lm.g2p import open_speller
from recog.model.recogniser_folder import RecogniserFolder
from recog.text.pronunciations import all_pronunciations

if TYPE_CHECKING:
    from recog.lm.trie import NGramTrie

MAX_WAYS = 64  # to say a hotword that are listened for


class WordFinder:
    """Finds words in a model's sounds: those of its dictionary, of a language model, and some more.
    Where the dictionary does not say how one is pronounced, its spelling does.

    Args:
        model_folder: a model that hears sounds.
        lm: a language model of words.
        hotwords: words and phrases to know beside and to expect, as they are written, and their
            boosts.

    Attributes:
        unknown: the hotwords of which it is not known how they are said.

    Raises:
        UserError: the model's pronunciations cannot be read.
    """

    def __init__(
        self,
        model_folder: RecogniserFolder,
        lm: NGramTrie,
        hotwords: Mapping[str, float] | None = None,
    ) -> None:
        assert model_folder.config.sounds is not None
        self.sounds = model_folder.config.sounds
        self.pronunciations = model_folder.pronunciations()
        more = " ".join(hotwords or {}).split()
        new = [
            word for word in dict.fromkeys((*lm.words, *more)) if word not in self.pronunciations
        ]
        new = [word for word in new if word not in SPECIAL]
        speller = open_speller(model_folder) if new else None
        if speller is not None:
            heard = set(self.sounds)
            said = zip(new, speller.say(new), strict=True)
            self.pronunciations |= {
                word: (one,) for word, one in said if one and heard.issuperset(one)
            }
        self._lm = lm
        self.unknown = [
            p for p in hotwords or {} if not all(word in self.pronunciations for word in p.split())
        ]
        self._hotwords = {
            phrase: boost
            for phrase, boost in (hotwords or {}).items()
            if phrase not in self.unknown
        }
        self._homophones = Homophones(lm, self.pronunciations, self._hotwords)

    def decoder(self, **options: Any) -> Decoder:
        """A decoder of sounds into these words.

        Args:
            options: those of :class:`recog.decoding.Decoder` that are not given by the words.
        """
        said: dict[str, float] = {}
        for phrase, boost in self._hotwords.items():
            for way in all_pronunciations(
                phrase, self.pronunciations, MAX_WAYS
            ):  # of two that sound alike the higher boost counts
                said[way] = max(boost, said.get(way, 0.0))
        return Decoder(
            self.sounds,
            lm=self._lm,
            lexicon=self.pronunciations,
            closed_vocabulary=True,
            hotwords=said,
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
