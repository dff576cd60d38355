"""The model card: what a person must know before trusting a model."""

from __future__ import annotations

from typing import Any

from recog.model.bundle import ModelConfig
from recog.model.config import SpectrogramConfig, StripConfig


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def model_card(config: ModelConfig, history: list[dict[str, Any]], notes: str = "") -> str:
    """A card in Markdown from the config and the epochs of the run.

    Args:
        notes: what only people know (licences, what the model cannot do), in Markdown; goes before the epochs.
    """
    features = config.spectrogram or config.strip
    lines = [f"# {config.name}", ""]
    lines.append(
        f"A {config.modality} model of recog" + (f" for {', '.join(config.languages)}." if config.languages else ".")
    )
    lines += ["", "## Network", ""]
    encoder = config.encoder
    lines.append(
        f"{len(encoder.convolutions)} convolutions, {encoder.layers} {encoder.recurrence} layers of {encoder.hidden}"
        f"{f', self-attention of {encoder.attention} heads' if encoder.attention else ''}, CTC over "
        f"{len(config.symbols) - 1} symbols; a frame is {encoder.subsampling} {_unit(features)}."
    )
    if encoder.torch_only:
        lines.append('ONNX has no operator for this cell: using the model needs torch (`pip install "recog[train]"`).')
    if config.trained:
        trained = config.trained
        lines += ["", "## Training", "", f"Data: {', '.join(trained.get('data', []))} ({trained.get('rows')} rows)."]
        lines.append(f"{trained.get('epochs')} epochs, {trained.get('steps')} steps, {trained.get('hours')} hours.")
        if trained.get("from"):
            lines.append(f"Trained on from the model {trained['from']}.")
    if config.dev:
        dev = config.dev
        lines += [
            "",
            "## Results on dev",
            "",
            f"{dev['rows']} rows, best path, {config.arithmetic}, texts normalised by '{config.normalise}'.",
        ]
        lines += ["", "| | CER % | 95 % interval | WER % | 95 % interval |", "|---|---|---|---|---|"]
        for name, row in {"all": dev, **dev.get("sources", {})}.items():
            intervals = [" to ".join(percent(v) for v in row.get(f"{k}_interval", ())) or "-" for k in ("cer", "wer")]
            lines.append(
                f"| {name} | {percent(row['cer'])} | {intervals[0]} | {percent(row['wer'])} | {intervals[1]} |"
            )
    if notes:
        lines += ["", notes.strip()]
    if history:
        lines += ["", "## Epochs", "", "| epoch | loss | dev CER % | dev WER % |", "|---|---|---|---|"]
        step = max(1, len(history) // 12)
        shown = history[step - 1 :: step]
        lines += [f"| {e['epoch']} | {e['loss']:.3f} | {percent(e['cer'])} | {percent(e['wer'])} |" for e in shown]
    return "\n".join(lines) + "\n"


def _unit(features: SpectrogramConfig | StripConfig | None) -> str:
    if isinstance(features, SpectrogramConfig):
        return f"hops of {1000 * features.hop / features.sample_rate:.0f} ms"
    return f"pixels of a line {features.height} pixels high" if features else "columns"
