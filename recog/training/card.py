"""The model card of a recogniser."""

from __future__ import annotations

from typing import Any

from recog.model.config import SpectrogramConfig, StripConfig
from recog.model.recogniser_folder import ModelConfig
from recog.training.energy import WATTS
from recog.util.display import percent


def model_card(config: ModelConfig, history: list[dict[str, Any]], notes: str = "") -> str:
    """The card in Markdown.

    Args:
        history: an entry for each epoch of the run.
        notes: licences and limits, in Markdown; they go before the epochs.
    """
    features = config.spectrogram or config.strip
    lines = [f"# {config.name}", ""]
    lines.append(
        f"A {config.modality} model of recog"
        + (f" for {', '.join(config.languages)}." if config.languages else ".")
    )
    lines += ["", "## Network", ""]
    encoder = config.encoder
    sounds = f" and {encoder.sounds - 1} sounds" if encoder.sounds else ""
    lines.append(
        f"{len(encoder.convolutions)} convolutions, {encoder.layers} {encoder.recurrence} layers "
        f"of {encoder.hidden}"
        f"{f', self-attention of {encoder.attention} heads' if encoder.attention else ''}, CTC "
        "over "
        f"{len(config.symbols) - 1} symbols{sounds}; a frame is {encoder.subsampling} "
        f"{_unit(features)}."
    )
    if encoder.torch_only:
        lines.append(
            "ONNX has no operator for this cell: using the model needs torch (`pip install "
            '"recog[train]"`).'
        )
    if config.trained:
        lines += ["", *_training_section(config.trained)]
    if config.dev:
        lines += ["", *_dev_section(config)]
        lines += [
            "",
            "## Decoding",
            "",
            (
                "Not tuned: best path. Its word confidences are not calibrated; `recog tune` does "
                "both."
            ),
        ]
    if notes:
        lines += ["", notes.strip()]
    if config.trained and "cannot" not in notes:
        lines += ["", *_limits(config)]
    if history:
        lines += [
            "",
            "## Epochs",
            "",
            "| epoch | loss | dev CER % | dev WER % |",
            "|---|---|---|---|",
        ]
        step = max(1, len(history) // 12)
        shown = history[step - 1 :: step]
        lines += [
            f"| {e['epoch']} | {e['loss']:.3f} | {percent(e['cer'])} | {percent(e['wer'])} |"
            for e in shown
        ]
    return "\n".join(lines) + "\n"


def _training_section(trained: dict[str, Any]) -> list[str]:
    lines = [
        "## Training",
        "",
        f"Data: {', '.join(trained.get('data', []))} ({trained.get('rows')} rows).",
    ]
    lines.append(
        f"{trained.get('epochs')} epochs, {trained.get('steps')} steps, {trained.get('hours')} "
        "hours."
    )
    if trained.get("from"):
        lines.append(f"Trained on from the model {trained['from']}.")
    energy = trained.get("energy", {})
    if energy.get("by") == "measured":
        lines.append(
            f"Energy: {energy['kwh']:.3g} kWh of the processor, measured by its counters, which "
            "count all that ran beside it."
        )
    elif energy:
        lines.append(
            f"Energy: about {energy['kwh']:.3g} kWh, estimated: {trained.get('cpu_seconds')} CPU "
            f"seconds at {WATTS:g} W a core; "
            "a GPU is not counted."
        )
    if trained.get("plot"):
        lines.append(f"[Plot of the run]({trained['plot']}).")
    corpora = trained.get("corpora", {})
    if corpora:
        lines += ["", "| corpus | rows to train on | rows of dev | licence |", "|---|---|---|---|"]
        for name, row in corpora.items():
            lines.append(
                f"| {cell(name)} | {row['train']} | {row['dev']} | "
                f"{cell(row['licence'] or 'not stated')} |"
            )
    return lines


def _dev_section(config: ModelConfig) -> list[str]:
    dev = config.dev
    lines = ["## Results on dev", ""]
    lines.append(
        f"{dev['rows']} rows, best path, {config.arithmetic}, texts normalised by "
        f"'{config.normalise}'; {_resampled(dev)}."
    )
    lines += [
        "",
        "| | rows | CER % | 95 % interval | WER % | 95 % interval |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in {"all": dev, **dev.get("sources", {})}.items():
        intervals = [
            " to ".join(percent(v) for v in row.get(f"{k}_interval", ())) or "-"
            for k in ("cer", "wer")
        ]
        lines.append(
            f"| {cell(name)} | {row['rows']} | {percent(row['cer'])} | {intervals[0]} | "
            f"{percent(row['wer'])} | {intervals[1]} |"
        )
    errors = dev.get("errors")
    if errors:
        lines += [
            "",
            "### Errors",
            "",
            "| | rows | CER % | substituted | left out | put in |",
            "|---|---|---|---|---|---|",
        ]
        for name, row in errors["kinds"].items():
            kinds = " | ".join(percent(row[kind]) for kind in ("substituted", "left_out", "put_in"))
            lines.append(f"| {cell(name)} | {row['rows']} | {percent(row['cer'])} | {kinds} |")
        shown = ", ".join(f"{shown_edit(a, b)} {n} times" for a, b, n in errors["confusions"])
        lines += [
            "",
            f"The shares are of the characters of the reference. Most often: {shown or 'nothing'}.",
        ]
    return lines


def shown_edit(reference: str, hypothesis: str) -> str:
    """A confusion of characters in words."""
    if not reference:
        return f"{_code(hypothesis)} put in"
    return (
        f"{_code(reference)} left out"
        if not hypothesis
        else f"{_code(reference)} read as {_code(hypothesis)}"
    )


def _code(text: str) -> str:
    shown = text.replace(" ", "space") if text.strip() == "" else text
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"


def cell(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def _resampled(dev: dict[str, Any]) -> str:
    unit = dev.get("resampled", "rows")
    return f"intervals by bootstrap over {unit}" + (
        "" if unit == "groups" else ", which understates how speakers or hands differ"
    )


def _limits(config: ModelConfig) -> list[str]:
    media = "one line of writing an image" if config.modality == "handwriting" else "speech"
    symbols = "".join(symbol for symbol in config.symbols[1:] if len(symbol) == 1)
    return [
        "## What it cannot do",
        "",
        f"It reads {media}, and can write no other characters than {_code(symbols)}. Its figures "
        "are of data like that it was "
        "trained on; other hands or voices, languages, paper, microphones and noise were not "
        "tried, and are read worse.",
    ]


def _unit(features: SpectrogramConfig | StripConfig | None) -> str:
    if isinstance(features, SpectrogramConfig):
        return f"hops of {1000 * features.hop / features.sample_rate:.0f} ms"
    return f"pixels of a line {features.height} pixels high" if features else "columns"
