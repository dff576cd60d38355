"""``recog decode``: log-probabilities of any CTC model to text."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recog.cli.options import Hotwords, Names, Threads
from recog.errors import UsageError, UserError, one_line

if TYPE_CHECKING:
    from recog.decoding import Decoder, Hypothesis
    from recog.decoding.lexicon.homophones import Homophones
    from recog.decoding.validation import Floats


def decode(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="LOGPROBS...",
            help=".npy of shape (time, symbols) or (batch, time, symbols); .npz of arrays (time, "
            "symbols) by name, or of log_probs (batch, time, symbols) and lengths. Natural "
            "logarithms, the blank first.",
        ),
    ],
    symbols: Annotated[
        Path,
        typer.Option(
            help="JSON list of the symbols, the blank first; or a symbol a line, <blank> first."
        ),
    ],
    beam: Annotated[int, typer.Option(min=1, max=100_000, help="Beam width.")] = 25,
    n_best: Annotated[
        int, typer.Option(min=1, max=10_000, help="Number of alternatives (N-best) in JSON.")
    ] = 1,
    lm: Annotated[
        Path | None, typer.Option(help="n-gram language model: ARPA, plain or compressed, or .bin.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Weight of the language model. Default: 0.5.")
    ] = None,
    beta: Annotated[
        float | None, typer.Option(help="Bonus of a word (or character). Default: 0.5.")
    ] = None,
    hotwords: Hotwords = None,
    closed: Annotated[
        bool, typer.Option("--closed-vocabulary", help="Only words of the language model.")
    ] = False,
    lexicon: Annotated[
        Path | None,
        typer.Option(
            help="Pronunciations of the words of --lm in the symbols: word, tab, phones; a line "
            "for each pronunciation. Words are written."
        ),
    ] = None,
    format: Annotated[
        Literal["txt", "json"],
        typer.Option("--format", "-f", help="json: a line for each utterance."),
    ] = "txt",
    names: Names = False,
    threads: Threads = 0,
) -> None:
    """Decode log-probabilities of any CTC model: beam search, language model, hotwords.

    Prints a line for each utterance. A file that cannot be read is reported and the others are
    decoded; the exit code is then 1.
    """
    if n_best > beam:
        raise UsageError(f"--n-best {n_best} needs a --beam of at least {n_best}.")
    if lm is None and (alpha is not None or beta is not None or closed or lexicon is not None):
        raise UsageError(
            "--alpha, --beta, --closed-vocabulary and --lexicon belong to --lm; "
            "give it, or leave them out."
        )
    weights: dict[str, Any] = {
        name: value for name, value in (("alpha", alpha), ("beta", beta)) if value is not None
    }
    decoder, homophones = _load(
        symbols,
        lm,
        lexicon,
        hotwords,
        beam_width=beam,
        n_best=n_best,
        threads=threads or None,
        closed_vocabulary=closed,
        **weights,
    )

    def decode_file(file: Path) -> None:
        for name, hypotheses in results(decoder, utterances(file, len(decoder.symbols))):
            if homophones is not None:
                hypotheses = [with_words(hypothesis, homophones) for hypothesis in hypotheses]
            print(render(file, name, hypotheses, format, names), flush=True)

    failed = [_fails(decode_file, file) for file in files]
    if any(failed):
        raise typer.Exit(1)


def _load(
    symbols: Path, lm: Path | None, lexicon: Path | None, hotwords: Path | None, **options: Any
) -> tuple[Decoder, Homophones | None]:
    """The decoder, and what gives words for their pronunciations if there is a lexicon."""
    from recog.cli.batch import read_hotwords
    from recog.decoding import Decoder
    from recog.decoding.lexicon.homophones import Homophones
    from recog.formats.log_probs import read_symbols
    from recog.lm.binary import load_lm
    from recog.text.pronunciations import read_pronunciations

    model = None if lm is None else load_lm(lm)
    pronunciations = None if lexicon is None else read_pronunciations(lexicon)
    if model is not None and model.unit != "word" and pronunciations is not None:
        raise UserError(f"{lm}: is a model of characters; --lexicon needs one of words.")
    strings = read_symbols(symbols)
    boosts = None if hotwords is None else _usable_hotwords(read_hotwords(hotwords), strings[1:])
    decoder = Decoder(strings, lm=model, lexicon=pronunciations, hotwords=boosts, **options)
    if model is None or pronunciations is None:
        return decoder, None
    return decoder, Homophones(model, pronunciations)


def _fails(decode_file: Callable[[Path], None], file: Path) -> bool:
    """Decode a file and report its errors; returns whether there was one."""
    try:
        decode_file(file)
    except UserError as error:
        print(f"recog: {error}", file=sys.stderr)
    except MemoryError:
        print(f"recog: {file}: there is not enough memory for it.", file=sys.stderr)
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"recog: {file}: cannot be read ({error.strerror or error}).", file=sys.stderr)
    else:
        return False
    return True


def _usable_hotwords(hotwords: dict[str, float], symbols: Sequence[str]) -> dict[str, float]:
    """The hotwords that the symbols can spell. Reports the others."""
    from recog.decoding.fusion.hotwords import without_symbol

    missing = {phrase: without_symbol(phrase, symbols) for phrase in hotwords}
    for phrase, character in missing.items():
        if character is not None:
            print(
                f"recog: the hotword '{phrase}' is left out: there is no symbol for '{character}'.",
                file=sys.stderr,
            )
    return {phrase: boost for phrase, boost in hotwords.items() if missing[phrase] is None}


def with_words(hypothesis: Hypothesis, homophones: Homophones) -> Hypothesis:
    """A hypothesis with words in place of their pronunciations. Unknown pronunciations stay."""
    spellings = hypothesis.text.split()
    words = homophones.words(spellings)
    text = " ".join(word or spelling for word, spelling in zip(words, spellings, strict=True))
    return replace(hypothesis, text=text)


def utterances(file: Path, symbols: int) -> Iterator[tuple[str, Floats]]:
    """The names and checked log-probabilities of a file's utterances, one at a time.

    Raises:
        UserError: see :func:`recog.formats.log_probs.read_log_probs`.
        InvalidInputError: see :func:`recog.decoding.validation.as_log_probs`.
    """
    from recog.decoding.validation import as_log_probs
    from recog.formats.log_probs import read_log_probs

    for utterance in read_log_probs(file, symbols):
        yield utterance.name, as_log_probs(utterance.values, name=utterance.title)


def results(
    decoder: Decoder, utterances: Iterator[tuple[str, Floats]]
) -> Iterator[tuple[str, list[Hypothesis]]]:
    """Decode in order, as many utterances at a time as there are threads.

    Utterances before a bad one are decoded before the error is raised.
    """
    while True:
        batch: list[tuple[str, Floats]] = []
        error: UserError | None = None
        try:
            for utterance in islice(utterances, decoder.threads):
                batch.append(utterance)  # not extend(): those before an error count
        except UserError as exception:
            error = exception
        hypotheses = decoder.decode([log_probs for _, log_probs in batch])
        yield from zip((name for name, _ in batch), hypotheses, strict=True)
        if error is not None:
            raise error
        if len(batch) < decoder.threads:
            return


def render(
    file: Path, name: str, hypotheses: Sequence[Hypothesis], format: str, names: bool
) -> str:
    """The line that is printed for an utterance."""
    if format == "txt":
        text = " ".join(hypotheses[0].text.splitlines())  # one line, whatever the symbols are
        return f"{one_line(name)}\t{text}" if names else text
    rows = [
        {
            "text": hypothesis.text,
            "score": finite(hypothesis.score),
            "log_prob": finite(hypothesis.log_prob),
            "tokens": hypothesis.tokens,
            "timesteps": hypothesis.timesteps,
        }
        for hypothesis in hypotheses
    ]
    return json.dumps(
        {"file": str(file), "name": name, "hypotheses": rows}, ensure_ascii=False, allow_nan=False
    )


def finite(value: float) -> float | None:
    """A number for JSON, which has no infinity: None stands for log 0."""
    return round(value, 6) if math.isfinite(value) else None
