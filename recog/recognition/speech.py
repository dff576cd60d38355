"""Sound files -> transcripts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recog.decoding.rescoring.test_time_augmentation import Posteriors
from recog.features.log_mel import log_mel, normalise, stretched
from recog.media.audio.reader import SoundReader, open_sound
from recog.media.errors import MediaError
from recog.media.source import Source, is_empty_sound, name_of
from recog.model.config import SpectrogramConfig, View
from recog.recognition.base import Recogniser, line_confidence, make_words
from recog.recognition.chunk_merging import Stitcher, Stretch
from recog.recognition.options import SpeechOptions
from recog.segment.speech import Segment, Segmenter
from recog.transcript import Line, Transcript
from recog.util.parallel import parallel

BLOCK_SECONDS = 10.0
MAX_EACH = 64  # channels that are transcribed each on its own, one after the other

logger = logging.getLogger("recog")


@dataclass
class Pass:
    """What a pass over a recording found out: seconds of sound, warnings, and those of them that
    are damage."""

    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)


@dataclass(eq=False, repr=False)
class SpeechRecogniser(Recogniser):
    """A speech model."""

    options: SpeechOptions = field(default_factory=SpeechOptions)

    @property
    def features(self) -> SpectrogramConfig:
        assert self.config.spectrogram is not None  # the config was validated
        return self.config.spectrogram

    def transcribe(
        self,
        source: Source,
        *,
        sample_rate: float | None = None,
        name: str | None = None,
        advance: Callable[[float], None] | None = None,
        keep: Callable[[NDArray[np.float32]], None] | None = None,
    ) -> Transcript:
        """Transcribe one recording of any length, in bounded memory.

        Its channels are taken as the option ``channels`` says.

        Args:
            source: path of a sound or video file, its bytes, a binary stream of it, or an array of
                samples: (samples,) or (samples, channels), floating point of full scale 1, int16,
                int32 or uint8. An array without samples gives a transcript without lines.
            sample_rate: samples a second of an array, 1,000 to 1,000,000; resampled as a file is.
            name: what to call it in the result; its path unless given, or the name of a stream, or
                what it is.
            advance: called with the seconds done after each segment.
            keep: called with each segment's log-probabilities (frames, symbols), in order.

        Raises:
            UserError: the file cannot be read. One that is cut short gives what there is, and says
                so in ``damage``.
        """
        done = Pass()
        lines = list(self._run(source, sample_rate, done, advance, keep))
        lines.sort(key=lambda line: line.start or 0.0)
        return Transcript(
            name or name_of(source),
            tuple(lines),
            self.config.name,
            duration=round(done.seconds, 3),
            warnings=tuple(done.warnings),
            damage=tuple(done.damage),
        )

    def stream(
        self, source: Source, *, sample_rate: float | None = None
    ) -> Generator[Line, None, None]:
        """The lines of one recording as they are recognised: those of :meth:`transcribe`.

        Of channels that are transcribed each on its own, one comes after the other. Warnings are
        logged. Where the iterator is left before its end, it is best closed:
        ``with contextlib.closing(model.stream(path)) as lines``.

        Args:
            source, sample_rate: as for :meth:`transcribe`.

        Raises:
            UserError: the file cannot be read.
        """
        done = Pass()
        yield from self._run(source, sample_rate, done)
        for warning in done.warnings:
            logger.warning("%s", warning)

    def _run(
        self,
        source: Source,
        sample_rate: float | None,
        done: Pass,
        advance: Callable[[float], None] | None = None,
        keep: Callable[[NDArray[np.float32]], None] | None = None,
    ) -> Iterator[Line]:
        """The lines that are not empty, channel by channel; what else is known goes to ``done``."""
        if is_empty_sound(source):
            return
        with open_sound(
            source, sample_rate=self.features.sample_rate, array_rate=sample_rate
        ) as sound:
            sound.amplify()
            for channel in self._channels(sound):
                if channel is not None:
                    sound.select(channel - 1)
                segmenter = Segmenter(self.features.sample_rate)
                with closing(self.lines(segmenter.run(sound.blocks(BLOCK_SECONDS)))) as recognised:
                    for line, stretch in recognised:
                        if keep:
                            keep(self.decoded_of(stretch.seen))
                        if advance:
                            advance(stretch.end)
                        if line.text:
                            yield replace(line, channel=channel)
                done.seconds = max(done.seconds, segmenter.samples / self.features.sample_rate)
                done.warnings += [
                    warning for warning in sound.warnings if warning not in done.warnings
                ]
                done.damage += [
                    sentence for sentence in sound.damage if sentence not in done.damage
                ]

    def _channels(self, sound: SoundReader) -> list[int | None]:
        """Those to transcribe, counted from 1; None for all in one.

        Raises:
            MediaError: there is no such channel, or there are too many.
        """
        asked, count = self.options.channels, sound.channels
        if asked == "mix":
            return [None]
        if asked == "each":
            if count > MAX_EACH:
                raise MediaError(
                    f"{sound.name} has {count} channels, too many to transcribe each; name one of them"
                )
            return [*range(1, count + 1)]
        if not 1 <= asked <= count:
            raise MediaError(f"{sound.name} has no channel {asked}: it has {count}")
        return [asked]

    @property
    def step(self) -> float:
        """Seconds of a frame of log-probabilities."""
        return self.features.hop * self.config.encoder.subsampling / self.features.sample_rate

    def lines(self, stream: Iterable[Segment]) -> Generator[tuple[Line, Stretch], None, None]:
        """Recognise the segments of a recording in parallel; gives each line with the stretch that
        it is of, in order."""
        return parallel(
            lambda stretch: (self.line(stretch), stretch),
            self.stretches(stream),
            self.options.workers,
        )

    def stretches(self, stream: Iterable[Segment]) -> Iterator[Stretch]:
        """What counts of the log-probabilities of each segment of a recording, in order; computed
        in parallel."""
        stitcher = self.stitcher()
        for segment, seen in parallel(self._piece, stream, self.options.workers):
            yield stitcher(segment, seen)

    def stitcher(self) -> Stitcher:
        """What joins the segments of one recording."""
        return Stitcher(step=self.step, symbols=self.config.symbols)

    def log_probs(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-probabilities (frames, symbols) of a segment of at most 30 s."""
        return self._view(log_mel(wave, self.features), View()).log_probs

    def look(self, wave: NDArray[np.float32]) -> Posteriors:
        """What the network hears in a segment of at most 30 s, in one view or, where that is
        doubtful, in all."""
        frames = log_mel(wave, self.features)
        first, *others = self.config.decoding.views
        seen = self._view(frames, first)
        if not self.looks_again(seen.log_probs):
            return seen
        return seen._replace(variants=tuple(self._view(frames, view) for view in others))

    def _view(self, frames: NDArray[np.float32], view: View) -> Posteriors:
        """Of log-mel frames that are not normalised."""
        found = self.runtime.log_probs(normalise(stretched(frames, view.width), self.features))
        symbols = len(self.config.symbols)
        return Posteriors(found[:, :symbols], found[:, symbols:] if self.config.sounds else None)

    def _piece(self, segment: Segment) -> tuple[Segment, Posteriors]:
        return segment, self.look(segment.wave)

    def line(self, stretch: Stretch) -> Line:
        """The text of a stretch, with the times of its words in the recording."""
        text, spans, alternatives = self.decode(stretch.seen)
        words = make_words(spans, lambda frame: min(stretch.end, stretch.start + frame * self.step))
        return Line(
            text,
            words,
            start=words[0].start if words else round(stretch.start, 3),
            end=words[-1].end if words else round(stretch.end, 3),
            confidence=line_confidence(spans),
            alternatives=alternatives,
        )


Transcriber = SpeechRecogniser  # its former name
