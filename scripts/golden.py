"""Pin what recog gives today, so that work on the code can show that nothing else has changed.

    python scripts/golden.py make FOLDER [PART ...]
    python scripts/golden.py compare FOLDER [PART ...] [--tolerance 0]

Each part is a file ``FOLDER/PART.json`` of named cases:

- ``samples``: the JSON of every file of data/samples, by the command line and by the Python
    interface.
- ``decode``: ``recog decode`` of random log-probabilities: plain, with language models, hotwords
    and a lexicon.
- ``evaluate``: ``recog evaluate --json`` of texts and of a model on the samples.
- ``usage``: exit codes and sentences of wrong usage.
- ``help``: the options of every command.
- ``training``: digests of the weights after tiny trainings. They hold on one machine only.

Scores and confidences differ in their last digits between processors: with ``--tolerance`` numbers
may differ by as much, pixels by a hundred times as much. tests/golden holds all parts but
``training``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = "data/samples"
IMAGES = ("garden.png", "maison.png", "voyage.png", "page.jpg")
SOUNDS = ("letter.wav", "numbers.wav", "weather.wav")
PIXELS = ("box", "polygon", "baseline")
Cases = dict[str, Any]


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    """The current folder set to ``folder`` for a while: paths in the outputs are relative to it."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def command(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of ``recog ARGUMENTS``."""
    from typer.testing import CliRunner

    from recog.cli import app

    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def output(*arguments: str) -> str:
    """Standard output of a command that succeeds."""
    code, text, errors = command(*arguments)
    if code:
        raise RuntimeError(f"recog {' '.join(arguments)}: exit code {code}: {errors}")
    return text


# ---- the parts
# --------------------------------------------------------------------------------------------------


def samples() -> Cases:
    """Transcripts of all samples, as JSON."""
    import recog

    cases: Cases = {}
    with working_in(ROOT):
        for name, files in (("transcribe", SOUNDS), ("ocr", IMAGES)):
            for file in files:
                cases[f"{name} {file}"] = json.loads(
                    output(name, "-f", "json", f"{SAMPLES}/{file}")
                )
        cases["ocr n-best"] = json.loads(
            output("ocr", "-f", "json", "--n-best", "5", f"{SAMPLES}/garden.png")
        )
        cases["ocr best path"] = output("ocr", "--beam", "0", f"{SAMPLES}/voyage.png")
        cases["transcribe best path"] = output("transcribe", "--beam", "0", f"{SAMPLES}/letter.wav")
        for model, files in (("english-speech", SOUNDS), ("latin-handwriting", IMAGES)):
            recogniser = recog.load(model)
            for file in files:
                cases[f"load {file}"] = recogniser.transcribe(f"{SAMPLES}/{file}").to_dict()
    return cases


def decode() -> Cases:
    """The 20 best of random log-probabilities."""
    from recog.model.recogniser_folder import open_recogniser_folder

    cases: Cases = {}
    handwriting, speech = (
        open_recogniser_folder("latin-handwriting"),
        open_recogniser_folder("english-speech"),
    )
    letters, sounds = list(handwriting.config.symbols), list(speech.config.sounds)
    with tempfile.TemporaryDirectory() as folder, working_in(Path(folder)):
        for name, symbols, frames in (
            ("toy", ["", " ", "a", "b", "c", "d"], 40),
            ("letters", letters, 24),
            ("words", list(speech.config.symbols), 30),
            ("sounds", sounds, 30),
        ):
            Path(f"{name}.json").write_text(json.dumps(["<blank>", *symbols[1:]]), encoding="utf-8")
            rng = np.random.default_rng(len(symbols))
            scores = rng.normal(0.0, 2.0, (2, frames, len(symbols)))
            log_probs = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
            np.save(f"{name}.npy", log_probs.astype(np.float32))
        Path("hot.txt").write_text("bad cab\ndab\t9\n", encoding="utf-8")
        character, word = str(handwriting.path / "lm.bin"), str(speech.path / "lm.bin")
        pronunciations = str(speech.path / "pronunciations.tsv")
        for name, options in (
            ("toy", []),
            ("toy", ["--hotwords", "hot.txt"]),
            ("letters", ["--lm", character]),
            (
                "letters",
                ["--lm", character, "--alpha", "1.5", "--beta", "1", "--hotwords", "hot.txt"],
            ),
            ("words", ["--lm", word]),
            ("words", ["--lm", word, "--closed-vocabulary"]),
            ("sounds", ["--lm", word, "--lexicon", pronunciations]),
        ):
            lines = output(
                "decode",
                f"{name}.npy",
                "--symbols",
                f"{name}.json",
                "-f",
                "json",
                "--n-best",
                "20",
                *options,
            )
            title = " ".join([name, *(Path(option).name for option in options)])
            cases[title] = [json.loads(line) for line in lines.splitlines()]
    return cases


def evaluate() -> Cases:
    """Error rates of texts against texts, and of the shipped models on the samples."""
    cases: Cases = {}
    with tempfile.TemporaryDirectory() as folder, working_in(ROOT):
        handwriting, speech = Path(folder) / "handwriting.jsonl", Path(folder) / "speech.jsonl"
        for manifest, suffix, files in (
            (handwriting, ".gt.txt", IMAGES[:3]),
            (speech, ".txt", SOUNDS),
        ):
            rows = []
            for file in files:
                path = ROOT / SAMPLES / file
                text = path.with_suffix(suffix).read_text(encoding="utf-8").strip()
                rows.append(
                    json.dumps(
                        {"media": str(path), "text": text, "group": file[0]}, ensure_ascii=False
                    )
                )
            manifest.write_text("\n".join(rows) + "\n", encoding="utf-8")
        reference, hypothesis, other = (
            Path(folder) / f"{name}.txt" for name in ("ref", "hyp", "other")
        )
        reference.write_text(
            "The cat sat on the mat.\nA second line, here.\nÉté\n", encoding="utf-8"
        )
        hypothesis.write_text("The cat sat on a mat\nA second line here.\nEte\n", encoding="utf-8")
        other.write_text("Cats sat on the mat.\nA second line, here.\n\n", encoding="utf-8")
        pair = (str(reference), str(hypothesis))
        for title, arguments in (
            ("texts", pair),
            ("texts basic", (*pair, "--normalise", "basic")),
            ("texts compared", (*pair, "--compare", str(other))),
            ("handwriting", (str(handwriting), "--model", "latin-handwriting")),
            ("speech", (str(speech), "--model", "english-speech")),
        ):
            text = (
                output("evaluate", *arguments, "--json")
                .replace(str(ROOT), "ROOT")
                .replace(folder, "FOLDER")
            )
            cases[title] = json.loads(text)
    return cases


WRONG = (
    "transcribe",
    "transcribe missing.wav",
    "transcribe broken.wav",
    "transcribe broken.wav --beam -1",
    "transcribe broken.wav --n-best 5 --beam 0",
    "transcribe broken.wav -m no-such-model",
    "transcribe broken.wav --channels several",
    "transcribe broken.wav -m latin-handwriting",
    "ocr broken.png",
    "ocr broken.png --layout sideways",
    "ocr broken.png --lm missing.arpa",
    "ocr broken.png -m english-speech",
    "decode broken.wav --symbols broken.wav",
    "decode a.npy --symbols s.json --alpha 1",
    "decode a.npy --symbols s.json --n-best 50",
    "align broken.wav missing.txt",
    "evaluate text.txt",
    "evaluate text.txt text.txt --normalise nothing-known",
    "evaluate text.txt text.txt --beam 5",
    "show broken.png missing.json",
    "train missing.yaml",
    "train text.txt",
    "tune english-speech missing.jsonl",
    "prepare no-such-layout . -o out",
    "models no-such-model",
    "lm train missing.txt -o out.arpa",
    "lm perplexity missing.arpa text.txt",
    "no-such-command",
    "--no-such-option",
)


def usage() -> Cases:
    """Exit codes of wrong usage, and recog's sentence where the sentence is recog's."""
    cases: Cases = {}
    with tempfile.TemporaryDirectory() as folder, working_in(Path(folder)):
        Path("broken.wav").write_bytes(b"RIFF nothing")
        Path("broken.png").write_bytes(b"\x89PNG nothing")
        Path("text.txt").write_text("a text\n", encoding="utf-8")
        for line in WRONG:
            code, _, errors = command(*line.split())
            sentences = [
                sentence for sentence in errors.splitlines() if sentence.startswith("recog: ")
            ]
            cases[line] = {"code": code, "errors": sentences}
    return cases


def help_texts() -> Cases:
    """Every command's sentence and options, apart from how a terminal shows them."""
    import typer

    from recog.cli import app

    cases: Cases = {}

    def describe(name: str, entry: Any) -> None:
        options = {
            " ".join([*parameter.opts, *parameter.secondary_opts]): " ".join(
                (getattr(parameter, "help", "") or "").split()
            )
            for parameter in entry.params
            if not getattr(parameter, "hidden", False)
        }
        cases[name] = {"help": " ".join((entry.help or "").split()), "options": options}
        for child, below in getattr(entry, "commands", {}).items():
            describe(f"{name} {child}", below)

    describe("recog", typer.main.get_command(app))
    return cases


def training() -> Cases:
    """Digests of the weights that tiny trainings give."""
    from safetensors.numpy import load_file

    cases: Cases = {}
    with tempfile.TemporaryDirectory() as folder, working_in(Path(folder)):
        for name, recipe in (("lines", _lines()), ("pages", _pages()), ("text", _text())):
            Path(f"{name}.yaml").write_text(recipe, encoding="utf-8")
            code, _, errors = command("train", f"{name}.yaml", "-o", name)
            if code:
                raise RuntimeError(f"training of {name}: {errors}")
            for path in sorted(Path(name).rglob("*.safetensors")):
                digest = hashlib.sha256()
                for key, value in sorted(load_file(path).items()):
                    digest.update(f"{key} {value.dtype} {value.shape} ".encode() + value.tobytes())
                cases[path.as_posix()] = digest.hexdigest()
            graph = (Path(name) / "model.onnx").read_bytes()
            cases[f"{name}/model.onnx"] = hashlib.sha256(graph).hexdigest()
    return cases


def _lines() -> str:
    import cv2

    words = ["ab", "ba", "aab", "bba", "abab", "b", "a ab", "ba b"]
    Path("images").mkdir()
    for i in range(24):
        text = words[i % len(words)]
        image = np.full((40, 24 * len(text) + 20), 255, np.uint8)
        cv2.putText(image, text, (8, 30), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (0,), 2)
        cv2.imwrite(f"images/{i:02d}.png", image)
        Path(f"images/{i:02d}.gt.txt").write_text(text + "\n", encoding="utf-8")
    return """
name: lines
modality: handwriting
data: [{path: images}]
dev_share: 0.2
strip: {height: 16}
encoder:
  height: 16
  convolutions: [{channels: 8, stride: [2, 2]}, {channels: 8, pool: [2, 2]}]
  layers: 2
  hidden: 16
training: {epochs: 3, batch_items: 4, learning_rate: 0.01, threads: 1, device: cpu}
"""


def _pages() -> str:
    import cv2

    for split in ("train", "dev"):
        folder = Path("pages") / split
        folder.mkdir(parents=True)
        for number in range(2):
            image, lines = np.full((200, 260), 240, np.uint8), ""
            for y in (50, 100, 150):
                cv2.putText(
                    image, "abc defgh", (20, y), cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, 1.0, (30,), 2
                )
                lines += (
                    f'<TextLine id="l{y}"><Coords points="15,{y - 30} 230,{y - 30} 230,{y + 12} '
                    f'15,{y + 12}"/>'
                    f'<Baseline points="20,{y} '
                    f'225,{y}"/><TextEquiv><Unicode>abc</Unicode></TextEquiv></TextLine>'
                )
            cv2.imwrite(str(folder / f"{split}{number}.png"), image)
            (folder / f"{split}{number}.xml").write_text(
                '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15">'
                f'<Page imageFilename="{split}{number}.png" imageWidth="260" imageHeight="200">'
                '<TextRegion id="r"><Coords points="0,0 260,0 260,200 '
                f'0,200"/>{lines}</TextRegion></Page></PcGts>',
                encoding="utf-8",
            )
    return """
name: pages
modality: page
data: [{name: drawn, layout: page, path: pages}]
network: {widths: [4, 6, 8, 8, 8], side: 256}
training: {epochs: 1, updates: 2, batch: 2, crop: 96, device: cpu, threads: 1}
"""


def _text() -> str:
    Path("text.txt").write_text(
        "the cat sat on the mat and the dog sat on the log\n" * 100, encoding="utf-8"
    )
    return """
name: text
modality: text
data: [{path: text.txt}]
min_count: 2
dev_share: 0.1
network: {embedding: 8, hidden: 24, layers: 1, dropout: 0.1}
training: {epochs: 2, batch: 8, window: 16, learning_rate: 0.02, threads: 1, device: cpu}
"""


PARTS: dict[str, Callable[[], Cases]] = {
    "samples": samples,
    "decode": decode,
    "evaluate": evaluate,
    "usage": usage,
    "help": help_texts,
    "training": training,
}

# ---- files and comparison
# --------------------------------------------------------------------------------------------


def write(cases: Cases, path: Path) -> None:
    """Write the cases as JSON, a line each."""
    rows = [
        f"{json.dumps(name)}: {json.dumps(case, ensure_ascii=False)}"
        for name, case in cases.items()
    ]
    path.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def differences(wanted: Any, value: Any, tolerance: float = 0.0, place: str = "") -> list[str]:
    """Where two JSON values differ, as sentences.

    Args:
        tolerance: by how much floats may differ; a hundred times as much inside of pixels.
    """
    if isinstance(wanted, dict) and isinstance(value, dict):
        sentences = [f"{place}/{key}: is new" for key in value if key not in wanted]
        for key, item in wanted.items():
            if key not in value:
                sentences.append(f"{place}/{key}: is gone")
            else:
                wider = tolerance * 100 if key in PIXELS else tolerance
                sentences += differences(item, value[key], wider, f"{place}/{key}")
        return sentences
    if isinstance(wanted, list) and isinstance(value, list) and len(wanted) == len(value):
        pairs = enumerate(zip(wanted, value, strict=True))
        return [
            s for i, (one, two) in pairs for s in differences(one, two, tolerance, f"{place}/{i}")
        ]
    if isinstance(wanted, float) and isinstance(value, float):
        same = math.isclose(wanted, value, rel_tol=0.0, abs_tol=tolerance)
    else:
        same = type(wanted) is type(value) and wanted == value
    return [] if same else [f"{place}: {str(wanted)[:200]} -> {str(value)[:200]}"]


def main() -> None:
    """Make goldens, or compare with them; the exit code is 1 where something differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("make", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--tolerance", type=float, default=0.0)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    failed = False
    for part in arguments.parts or PARTS:
        path = arguments.folder / f"{part}.json"
        if arguments.action == "make":
            write(PARTS[part](), path)
            print(f"{part}: {path.stat().st_size:,} bytes", flush=True)
        else:
            wanted = json.loads(path.read_text(encoding="utf-8"))
            value = json.loads(json.dumps(PARTS[part]()))
            sentences = differences(wanted, value, arguments.tolerance)
            print(f"{part}: {len(sentences)} differences", *sentences[:50], sep="\n  ", flush=True)
            failed = failed or bool(sentences)
    sys.exit(failed)


if __name__ == "__main__":
    main()
