"""``recog transcribe --live``: what a microphone or a pipe brings, while it does."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from recog.cli.batch import check, check_model, read_hotwords
from recog.errors import UsageError

if TYPE_CHECKING:
    from recog.media.audio.capture import LiveSource
    from recog.recognition.live import LiveResult
    from recog.recognition.speech import SpeechRecogniser

PIPE_RATE = 16_000  # samples a second of a pipe, unless told


def run_live(
    files: list[str],
    model: str,
    format: str,
    decoding: dict[str, Any],
    rate: int | None,
    device: str | None,
    *,
    unfit: list[str],
) -> None:
    """Print what is said until the sound ends, or Ctrl-C ends it; then what was begun is finished.

    Args:
        files: none for the microphone, "-" for standard input.
        unfit: options that were given, and are of a batch.
        format: "txt": finals, one a line, and on a terminal the partial text below them; "json":
            one object a line.
    """
    if files not in ([], ["-"]):
        raise UsageError(
            "--live hears the microphone, or standard input (-), and no files; leave out --live for them."
        )
    if format not in ("txt", "json"):
        raise UsageError(f"--live writes txt or json, line by line, and not {format}.")
    if files and device is not None:
        raise UsageError(
            "--device is a microphone, and - is standard input; leave out one of them."
        )
    if files and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError(
            "Standard input is no pipe; send raw 16-bit samples to it, or leave out the - to speak."
        )
    if unfit:
        raise UsageError(f"{', '.join(unfit)} and --live do not go together.")
    from recog.media.audio.capture import microphone, pipe
    from recog.recognition.live import Listener
    from recog.recognition.load import load
    from recog.recognition.speech import SpeechRecogniser

    check(decoding)
    hotwords = decoding["hotwords"]
    decoding = {**decoding, "hotwords": {} if hotwords is None else read_hotwords(hotwords)}
    terminal = sys.stdout is not None and sys.stdout.isatty()
    show = _as_json if format == "json" else _on_terminal if terminal else _finals
    with ExitStack() as opened:
        source = (
            opened.enter_context(pipe(sys.stdin.fileno(), rate or PIPE_RATE)) if files else None
        )
        check_model(model, "speech", None)
        recogniser = load(model, threads=1, **decoding)
        assert isinstance(recogniser, SpeechRecogniser)
        warm_up(recogniser)
        if source is None:
            source = opened.enter_context(microphone(rate, device))
            print("recog: listening; Ctrl-C ends.", file=sys.stderr)
        opened.enter_context(_until_interrupted(source))
        listener = Listener(recogniser, partials=format == "json" or terminal)
        for block in source.blocks(recogniser.features.sample_rate):
            _each(listener.feed(block), show)
        _each(listener.finish(), show)
    if format == "txt" and terminal:
        print("\r\x1b[K", end="", flush=True)
    for sentence in filter(None, (source.damage, source.remark)):
        print(f"recog: {sentence}", file=sys.stderr)
    if source.damage is not None:
        raise typer.Exit(1)


def warm_up(transcriber: SpeechRecogniser) -> None:
    """Let whatever has to be compiled or loaded be so before anybody speaks."""
    from recog.recognition.live import Listener

    rate = transcriber.features.sample_rate
    noise = np.random.default_rng(0).normal(0.0, 0.1, 2 * rate).astype(np.float32)
    listener = Listener(transcriber)
    for _ in (*listener.feed(noise), *listener.finish()):
        pass


def _each(found: Iterator[LiveResult], show: Callable[[LiveResult], None]) -> None:
    for result in found:
        show(result)


def _as_json(result: LiveResult) -> None:
    from recog.formats.json import line_fields

    kind = "final" if result.is_final else "partial"
    print(json.dumps({"type": kind, **line_fields(result.line)}, ensure_ascii=False), flush=True)


def _finals(result: LiveResult) -> None:
    if result.is_final and result.line.text:
        print(result.line.text, flush=True)


def _on_terminal(result: LiveResult) -> None:
    """A final stays; a partial text, as much of its end as the row holds, is overwritten by what
    comes next."""
    text = result.line.text
    if result.is_final:
        print(f"\r\x1b[K{text}", end="\n" if text else "", flush=True)
        return
    columns = shutil.get_terminal_size().columns - 1
    print(
        f"\r\x1b[K\x1b[2m{text if len(text) <= columns else '…' + text[1 - columns :]}\x1b[0m",
        end="",
        flush=True,
    )


@contextmanager
def _until_interrupted(source: LiveSource) -> Iterator[None]:
    """The first Ctrl-C ends the sound, the second one everything."""

    def stop(number: int, frame: Any) -> None:
        source.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
