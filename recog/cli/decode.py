"""``recog decode``: other people's log-probabilities -> text."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

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
            help=".npy of (time, symbols) or (batch, time, symbols); .npz of arrays (time, symbols) by name, or of "
            "log_probs (batch, time, symbols) and lengths. Natural logarithms, the blank first.",
        ),
    ],
    symbols: Annotated[
        Path,
        typer.Option(
            help="A JSON list of the symbols, the blank first; or lines: <blank>, then one symbol each."
        ),
    ],
    beam: Annotated[int, typer.Option(min=1, max=100_000, help="Beam width.")] = 25,
    n_best: Annotated[
        int, typer.Option("--n-best", min=1, max=10_000, help="Alternatives in JSON.")
    ] = 1,
    lm: Annotated[
        Path | None,
        typer.Option(help="A language model: ARPA, plain or compressed, or recog's own."),
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Weight of the language model. Default: 0.5.")
    ] = None,
    beta: Annotated[
        float | None, typer.Option(help="Added for each word (or character). Default: 0.5.")
    ] = None,
    hotwords: Annotated[
        Path | None,
        typer.Option(help="Words and phrases to expect, one a line; a tab and a boost (5)."),
    ] = None,
    closed: Annotated[
        bool,
        typer.Option("--closed-vocabulary", help="Only words of the language model, nothing else."),
    ] = False,
    lexicon: Annotated[
        Path | None,
        typer.Option(
            help="How the words of --lm are spelled in the symbols, where not by their letters: word, tab, its "
            "sounds; a line for each way. Their words are written."
        ),
    ] = None,
    format: Annotated[
        Literal["txt", "json"],
        typer.Option("--format", "-f", help="json: a line for each utterance."),
    ] = "txt",
    names: Annotated[
        bool, typer.Option("--names", help="Print each utterance's name and a tab before its text.")
    ] = False,
    threads: Annotated[int, typer.Option(min=0, max=1024, help="Threads; 0 for every core.")] = 0,
) -> None:
    """Decode log-probabilities of any CTC model: beam search, language model, hotwords.

    Prints one line for each utterance. A file that cannot be read is reported, and the others go
    on; the exit code is then 1.
    """
    from recog.cli.batch import read_hotwords
    from recog.decoding import Decoder
    from recog.decoding.lexicon.homophones import Homophones
    from recog.formats.log_probs import read_symbols
    from recog.lm.binary import load_lm
    from recog.text.pronunciations import read_pronunciations

    if n_best > beam:
        raise UsageError(f"--n-best {n_best} needs a --beam of at least {n_best}.")
    if lm is None and (alpha is not None or beta is not None or closed or lexicon is not None):
        raise UsageError(
            "--alpha, --beta, --closed-vocabulary and --lexicon belong to --lm; give it, or leave them out."
        )
    weights: dict[str, Any] = {
        name: value for name, value in (("alpha", alpha), ("beta", beta)) if value is not None
    }
    model = None if lm is None else load_lm(lm)
    pronunciations = None if lexicon is None else read_pronunciations(lexicon)
    if model is not None and model.unit != "word" and pronunciations is not None:
        raise UserError(f"{lm}: is a model of characters; --lexicon needs one of words.")
    strings = read_symbols(symbols)
    decoder = Decoder(
        strings,
        beam_width=beam,
        n_best=n_best,
        threads=threads or None,
        lm=model,
        lexicon=pronunciations,
        hotwords=None
        if hotwords is None
        else _usable_hotwords(read_hotwords(hotwords), strings[1:]),
        closed_vocabulary=closed,
        **weights,
    )
    homophones = (
        None if model is None or pronunciations is None else Homophones(model, pronunciations)
    )
    failed = False
    for file in files:
        try:
            for name, found in results(decoder, utterances(file, len(decoder.symbols))):
                hypotheses = (
                    found if homophones is None else [with_words(h, homophones) for h in found]
                )
                print(render(file, name, hypotheses, format, names), flush=True)
        except UserError as error:
            failed = True
            print(f"recog: {error}", file=sys.stderr)
        except MemoryError:
            failed = True
            print(f"recog: {file}: there is not enough memory for it.", file=sys.stderr)
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            failed = True
            print(f"recog: {file}: cannot be read ({error.strerror or error}).", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def _usable_hotwords(hotwords: dict[str, float], symbols: Sequence[str]) -> dict[str, float]:
    """The hotwords that can be spelled in the symbols; the others are told."""
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
    """A hypothesis with its words in place of how they are spelled; what no word is spelled like
    stays."""
    spellings = hypothesis.text.split()
    words = homophones.words(spellings)
    return replace(
        hypothesis,
        text=" ".join(word or spelling for word, spelling in zip(words, spellings, strict=True)),
    )


def utterances(file: Path, symbols: int) -> Iterator[tuple[str, Floats]]:
    """The names and checked log-probabilities of a file's utterances, one at a time.

    Raises:
        UserError: see :func:`recog.formats.log_probs.read_log_probs`; InvalidInputError: see
            :func:`recog.decoding.validation.as_log_probs`.
    """
    from recog.decoding.validation import as_log_probs
    from recog.formats.log_probs import read_log_probs

    for utterance in read_log_probs(file, symbols):
        yield utterance.name, as_log_probs(utterance.values, name=utterance.title)


def results(
    decoder: Decoder, utterances: Iterator[tuple[str, Floats]]
) -> Iterator[tuple[str, list[Hypothesis]]]:
    """Decode as many utterances at once as there are threads, in order; what comes before a bad one
    is decoded."""
    while True:
        batch: list[tuple[str, Floats]] = []
        error: UserError | None = None
        try:
            for utterance in islice(utterances, decoder.threads):
                batch.append(utterance)  # one by one: those before an error count
        except UserError as caught:
            error = caught
        found = decoder.decode([log_probs for _, log_probs in batch])
        yield from zip((name for name, _ in batch), found, strict=True)
        if error is not None:
            raise error
        if len(batch) < decoder.threads:
            return


def render(
    file: Path, name: str, hypotheses: Sequence[Hypothesis], format: str, names: bool
) -> str:
    """One utterance's line."""
    import json

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
    """JSON has no infinity: null stands for what is impossible."""
    return round(value, 6) if math.isfinite(value) else None
