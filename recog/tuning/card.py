"""The tuning in a model's config and on its card."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from recog.evaluation.result import Result
from recog.model.config import Rescoring, View
from recog.tuning.search import Setting

PLOT = "reliability.svg"
HEADING = "## Decoding"


def summary(setting: Setting, result: Result, baseline: Result, what: str) -> dict[str, Any]:
    """The tuning for the model's config."""
    return {
        "data": what,
        "utterances": result.n,
        "wer": round(result.wer.rate, 4),
        "cer": round(result.cer.rate, 4),
        "best_path_wer": round(baseline.wer.rate, 4),
        "best_path_cer": round(baseline.cer.rate, 4),
        "beam": setting.beam,
    }


def decoding_section(
    setting: Setting,
    best: Result,
    baseline: Result,
    what: str,
    has_lm: bool,
    calibration_error: float,
    languages: Sequence[str] = (),
    views: Sequence[View] = (),
    speech: bool = False,
    rescoring: Rescoring | None = None,
) -> str:
    """The section on decoding of the card."""
    weights = (
        f"alpha {setting.alpha:g}, beta {setting.beta:g}, unknown_cost {setting.unknown_cost:g}, "
        if has_lm
        else ""
    )
    lines = [
        HEADING,
        "",
        (
            f"Tuned on {what} ({best.n} rows): {weights}temperature {setting.temperature:g}, beam "
            f"{setting.beam}."
        ),
        "",
        "| | CER % | 95 % interval | WER % | 95 % interval |",
        "|---|---|---|---|---|",
    ]
    for name, result in (
        ("best path", baseline),
        ("with the language model" if has_lm else "beam", best),
    ):
        lines.append(
            f"| {name} | {100 * result.cer.rate:.2f} | {_percents(result.cer_interval)} "
            f"| {100 * result.wer.rate:.2f} | {_percents(result.wer_interval)} |"
        )
    lines += [
        "",
        "The figures with the language model are of the data that its weights were tuned on.",
    ]
    if languages:
        lines += [
            "",
            (
                "Lines that are likely in another language have a model of it: "
                f"{', '.join(languages)}."
            ),
        ]
    if rescoring is not None:
        lines += [
            "",
            f"A neural language model orders the readings within {rescoring.margin:g} of the "
            "best anew, and puts together "
            f"what is best in each: weight {rescoring.weight:g}, "
            f"{100 * rescoring.interpolate:.0f} % of what the n-gram "
            "model added taken back.",
        ]
    if len(views) > 1 and speech:
        slower = " and ".join(f"{view.width:g}" for view in views[1:])
        lines += ["", f"Doubtful stretches are heard again, {slower} times as slow."]
    elif len(views) > 1:
        shown = "; ".join(f"slant {view.slant:g}, width {view.width:g}" for view in views)
        lines += [
            "",
            (
                f"Doubtful lines are looked at in {len(views)} views ({shown}), all others in the "
                "first."
            ),
        ]
        if views[0] != View():
            lines[-1] += (
                " The best path above is of the first; elsewhere in this card lines are as they "
                "are."
            )
    if not math.isnan(calibration_error):
        lines += [
            "",
            "Word confidences are calibrated: expected calibration error "
            f"{calibration_error:.3f}, each half of the rows "
            f"judged by the other's ([plot]({PLOT})).",
        ]
    return "\n".join(lines) + "\n"


def _percents(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else f"{100 * interval[0]:.2f} to {100 * interval[1]:.2f}"


def with_section(card: str, section: str) -> str:
    """The card with a section, in the place of an older one or before the epochs."""
    if HEADING in card:
        start = card.index(HEADING)
        end = card.find("\n## ", start + 1)
        card = card[:start] + ("" if end < 0 else card[end + 1 :])
    at = card.find("## Data and licences")
    at = at if at >= 0 else card.find("## Epochs")
    return f"{card.rstrip()}\n\n{section}" if at < 0 else f"{card[:at]}{section}\n{card[at:]}"
