"""Decode phones into words with a pronunciation dictionary and a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recog.decoding.decoder import Decoder
from recog.decoding.fusion.tables import SPECIAL
from recog.decoding.hypothesis import Hypothesis
from recog.decoding.lexicon.homophones import Homophones
from recog.lm.g2p import open_g2p
from recog.model.recogniser_folder import RecogniserFolder
from recog.text.pronunciations import all_pronunciations

if TYPE_CHECKING:
    from recog.lm.trie import NGramTrie

MAX_PRONUNCIATIONS = 64  # of a hotword


class LexiconDecoder:
    """Decoding of a model's phones into words.

    The words are those of the model's dictionary, of the language model, and of the hotwords. Words
    that the dictionary lacks get the pronunciation that their spelling suggests.

    Args:
        model_folder: a model that recognises phones.
        lm: a language model of words.
        hotwords: words and phrases to expect, and their boosts.

    Attributes:
        phones: the model's phones, the blank first.
        pronunciations: the pronunciations of every word.
        unknown: the hotwords whose pronunciation is not known.

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
        self.phones = model_folder.config.sounds
        self.pronunciations = model_folder.pronunciations()
        hotwords = hotwords or {}
        words = dict.fromkeys((*lm.words, *" ".join(hotwords).split()))
        new = [word for word in words if word not in self.pronunciations and word not in SPECIAL]
        g2p = open_g2p(model_folder) if new else None
        if g2p is not None:
            phones = set(self.phones)
            self.pronunciations |= {
                word: (pronunciation,)
                for word, pronunciation in zip(new, g2p.pronounce(new), strict=True)
                if pronunciation and phones.issuperset(pronunciation)
            }
        self._lm = lm
        self.unknown = [
            phrase
            for phrase in hotwords
            if not all(word in self.pronunciations for word in phrase.split())
        ]
        self._hotwords = {
            phrase: boost for phrase, boost in hotwords.items() if phrase not in self.unknown
        }
        self._homophones = Homophones(lm, self.pronunciations, self._hotwords)

    def make_decoder(self, **options: Any) -> Decoder:
        """Return a decoder of phones into these words.

        Args:
            options: further options of :class:`recog.decoding.Decoder`.
        """
        boosts: dict[str, float] = {}
        for phrase, boost in self._hotwords.items():
            # of two phrases with the same pronunciation the higher boost counts
            for pronunciation in all_pronunciations(
                phrase, self.pronunciations, MAX_PRONUNCIATIONS
            ):
                boosts[pronunciation] = max(boost, boosts.get(pronunciation, 0.0))
        return Decoder(
            self.phones,
            lm=self._lm,
            lexicon=self.pronunciations,
            closed_vocabulary=True,
            hotwords=boosts,
            **options,
        )

    def words_of(self, hypothesis: Hypothesis) -> list[str]:
        """Return the words of a decoded hypothesis."""
        return self._words([hypothesis])[0]

    def texts(self, hypotheses: Sequence[Hypothesis]) -> list[str]:
        """Return the written text of each hypothesis."""
        return [" ".join(words) for words in self._words(hypotheses)]

    def _words(self, hypotheses: Sequence[Hypothesis]) -> list[list[str]]:
        texts = self._homophones.words_of_each([h.text.split() for h in hypotheses])
        return [[word or "" for word in words] for words in texts]
