"""``recog transcribe --live``: transcribe a microphone or a pipe in real time."""

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

from recog.cli.batch import check_model, check_options, read_hotwords
from recog.errors import UsageError

if TYPE_CHECKING:
    from recog.media.audio.capture import LiveSource
    from recog.recognition.live import LiveResult
    from recog.recognition.speech import SpeechRecogniser

PIPE_RATE = 16_000  # default sampling rate of a pipe, Hz


def run_live(
    files: list[str],
    model: str,
    format: str,
    decoding: dict[str, Any],
    rate: int | None,
    device: str | None,
    *,
    batch_options: list[str],
) -> None:
    """Transcribe until the sound ends or Ctrl-C is pressed; then finish the last segment.

    Args:
        files: empty for the microphone, ["-"] for standard input.
        format: "txt" prints final texts, a line each, and on a terminal the partial text below
            them; "json" prints an object a line.
        batch_options: names of options that the user gave and that only a batch has.

    Raises:
        UsageError: options do not go together.
        typer.Exit: with code 1, if the sound was cut off.
    """
    if files not in ([], ["-"]):
        raise UsageError(
            "--live transcribes the microphone, or standard input (-), and no files; "
            "leave out --live for them."
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
    if batch_options:
        raise UsageError(f"{', '.join(batch_options)} and --live do not go together.")
    from recog.media.audio.capture import microphone, pipe
    from recog.recognition.live import Listener
    from recog.recognition.load import load
    from recog.recognition.speech import SpeechRecogniser

    check_options(decoding)
    hotwords = decoding["hotwords"]
    decoding = {**decoding, "hotwords": {} if hotwords is None else read_hotwords(hotwords)}
    terminal = sys.stdout is not None and sys.stdout.isatty()
    show = _print_json if format == "json" else _print_on_terminal if terminal else _print_finals
    with ExitStack() as resources:
        source = (
            resources.enter_context(pipe(sys.stdin.fileno(), rate or PIPE_RATE)) if files else None
        )
        check_model(model, "speech", None)
        recogniser = load(model, threads=1, **decoding)
        assert isinstance(recogniser, SpeechRecogniser)
        warm_up(recogniser)
        if source is None:
            source = resources.enter_context(microphone(rate, device))
            print("recog: listening; Ctrl-C ends.", file=sys.stderr)
        resources.enter_context(_until_interrupted(source))
        listener = Listener(recogniser, partials=format == "json" or terminal)
        for block in source.blocks(recogniser.features.sample_rate):
            _show_all(listener.feed(block), show)
        _show_all(listener.finish(), show)
    if format == "txt" and terminal:
        print("\r\x1b[K", end="", flush=True)
    for sentence in filter(None, (source.damage, source.remark)):
        print(f"recog: {sentence}", file=sys.stderr)
    if source.damage is not None:
        raise typer.Exit(1)


def warm_up(transcriber: SpeechRecogniser) -> None:
    """Compile and load everything before anybody speaks."""
    from recog.recognition.live import Listener

    rate = transcriber.features.sample_rate
    noise = np.random.default_rng(0).normal(0.0, 0.1, 2 * rate).astype(np.float32)
    listener = Listener(transcriber)
    for _ in (*listener.feed(noise), *listener.finish()):
        pass


def _show_all(results: Iterator[LiveResult], show: Callable[[LiveResult], None]) -> None:
    for result in results:
        show(result)


def _print_json(result: LiveResult) -> None:
    from recog.formats.json import line_fields

    kind = "final" if result.is_final else "partial"
    print(json.dumps({"type": kind, **line_fields(result.line)}, ensure_ascii=False), flush=True)


def _print_finals(result: LiveResult) -> None:
    if result.is_final and result.line.text:
        print(result.line.text, flush=True)


def _print_on_terminal(result: LiveResult) -> None:
    """Print a text on a terminal.

    A partial text is cut to the end that fits in a row, and the next text overwrites it.
    """
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
    """Let the first Ctrl-C end the sound and the second one the program."""

    def stop(number: int, frame: Any) -> None:
        source.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
