"""Recordings to transcripts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recog.decoding.rescoring.test_time_augmentation import Posteriors
from recog.features.log_mel import log_mel, normalise, time_stretch
from recog.media.audio.reader import SoundReader, open_sound
from recog.media.errors import MediaError
from recog.media.source import Source, is_empty_sound, name_of
from recog.model.config import SpectrogramConfig, View
from recog.recognition.base import Recogniser
from recog.recognition.chunk_merging import Chunk, ChunkMerger
from recog.recognition.options import SpeechOptions
from recog.recognition.words import line_confidence, make_words
from recog.segment.speech import Segment, Segmenter
from recog.transcript import Line, Transcript
from recog.util.parallel import parallel

BLOCK_SECONDS = 10.0
MAX_EACH = 64  # channels that are transcribed separately, one after the other

logger = logging.getLogger("recog")


@dataclass
class Report:
    """What a pass over a recording reports beside its lines.

    Attributes:
        seconds: length of the sound.
        warnings: sentences on the recording.
        damage: those warnings that say that sound is missing.
    """

    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)


@dataclass(eq=False, repr=False)
class SpeechRecogniser(Recogniser):
    """A speech model with its decoder."""

    options: SpeechOptions = field(default_factory=SpeechOptions)

    @property
    def features(self) -> SpectrogramConfig:
        """How the network's log-mel frames are computed."""
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

        The option ``channels`` says how its channels are used.

        Args:
            source: path of a sound or video file, its bytes, a binary stream of it, or an array of
                samples: (samples,) or (samples, channels), floating point of full scale 1, int16,
                int32 or uint8. An array without samples gives a transcript without lines.
            sample_rate: samples a second of an array, 1,000 to 1,000,000; resampled as a file is.
            name: name of the source in the result; by default its path, the name of a stream, or
                its kind.
            advance: called with the seconds done after each segment.
            keep: called with each segment's log-probabilities (frames, symbols), in order.

        Raises:
            UserError: the file cannot be read. A file that is cut short gives its lines up to
                there, and a sentence in ``damage``.
        """
        report = Report()
        lines = list(self._recognise(source, sample_rate, report, advance, keep))
        lines.sort(key=lambda line: line.start or 0.0)
        return Transcript(
            name or name_of(source),
            tuple(lines),
            self.config.name,
            duration=round(report.seconds, 3),
            warnings=tuple(report.warnings),
            damage=tuple(report.damage),
        )

    def stream(
        self, source: Source, *, sample_rate: float | None = None
    ) -> Generator[Line, None, None]:
        """The lines of :meth:`transcribe`, each as soon as it is recognised.

        Channels that are transcribed separately follow one another. Warnings are logged. Close the
        iterator if you leave it before its end:
        ``with contextlib.closing(model.stream(path)) as lines``.

        Args:
            source, sample_rate: as for :meth:`transcribe`.

        Raises:
            UserError: the file cannot be read.
        """
        report = Report()
        yield from self._recognise(source, sample_rate, report)
        for warning in report.warnings:
            logger.warning("%s", warning)

    def _recognise(
        self,
        source: Source,
        sample_rate: float | None,
        report: Report,
        advance: Callable[[float], None] | None = None,
        keep: Callable[[NDArray[np.float32]], None] | None = None,
    ) -> Iterator[Line]:
        """The lines that are not empty, channel by channel; fills in ``report``."""
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
                    for line, chunk in recognised:
                        if keep:
                            keep(self.decoded_log_probs(chunk.posteriors))
                        if advance:
                            advance(chunk.end)
                        if line.text:
                            yield replace(line, channel=channel)
                report.seconds = max(report.seconds, segmenter.samples / self.features.sample_rate)
                report.warnings += [
                    warning for warning in sound.warnings if warning not in report.warnings
                ]
                report.damage += [
                    sentence for sentence in sound.damage if sentence not in report.damage
                ]

    def _channels(self, sound: SoundReader) -> list[int | None]:
        """Channels to transcribe, from 1; None stands for the mix of all.

        Raises:
            MediaError: there is no such channel, or there are too many.
        """
        channels, count = self.options.channels, sound.channels
        if channels == "mix":
            return [None]
        if channels == "each":
            if count > MAX_EACH:
                raise MediaError(
                    f"{sound.name} has {count} channels, too many to transcribe each; name one "
                    "of them"
                )
            return [*range(1, count + 1)]
        if not 1 <= channels <= count:
            raise MediaError(f"{sound.name} has no channel {channels}: it has {count}")
        return [channels]

    @property
    def step(self) -> float:
        """Seconds from one frame of log-probabilities to the next."""
        return self.features.hop * self.config.encoder.subsampling / self.features.sample_rate

    def lines(self, stream: Iterable[Segment]) -> Generator[tuple[Line, Chunk], None, None]:
        """Recognise segments in parallel; gives lines with their chunks, in order."""
        return parallel(
            lambda chunk: (self.line(chunk), chunk), self.chunks(stream), self.options.workers
        )

    def chunks(self, stream: Iterable[Segment]) -> Iterator[Chunk]:
        """Compute the chunks of a recording's segments in parallel, in order."""
        chunk_merger = self.chunk_merger()
        for segment, posteriors in parallel(self._segment_posteriors, stream, self.options.workers):
            yield chunk_merger(segment, posteriors)

    def chunk_merger(self) -> ChunkMerger:
        """A merger for the segments of one recording."""
        return ChunkMerger(step=self.step, symbols=self.config.symbols)

    def log_probs(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-probabilities (frames, symbols) of a segment of at most 30 s."""
        return self._variant(log_mel(wave, self.features), View()).log_probs

    def posteriors(self, wave: NDArray[np.float32]) -> Posteriors:
        """Posteriors of a segment of at most 30 s, in all variants if the first is uncertain."""
        frames = log_mel(wave, self.features)
        first, *others = self.config.decoding.views
        posteriors = self._variant(frames, first)
        if not self.needs_augmentation(posteriors.log_probs):
            return posteriors
        return posteriors._replace(variants=tuple(self._variant(frames, view) for view in others))

    def _variant(self, frames: NDArray[np.float32], view: View) -> Posteriors:
        """Posteriors of one variant of log-mel frames that are not normalised yet."""
        outputs = self.runtime.log_probs(normalise(time_stretch(frames, view.width), self.features))
        symbols = len(self.config.symbols)
        return Posteriors(
            outputs[:, :symbols], outputs[:, symbols:] if self.config.sounds else None
        )

    def _segment_posteriors(self, segment: Segment) -> tuple[Segment, Posteriors]:
        return segment, self.posteriors(segment.wave)

    def line(self, chunk: Chunk) -> Line:
        """The text of a chunk, with the times of its words in the recording."""
        text, spans, alternatives = self.decode(chunk.posteriors)
        words = make_words(spans, lambda frame: min(chunk.end, chunk.start + frame * self.step))
        return Line(
            text,
            words,
            start=words[0].start if words else round(chunk.start, 3),
            end=words[-1].end if words else round(chunk.end, 3),
            confidence=line_confidence(spans),
            alternatives=alternatives,
        )


Transcriber = SpeechRecogniser  # its former name
