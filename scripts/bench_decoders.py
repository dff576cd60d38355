#!/usr/bin/env python3
"""CTC decoders side by side: utterances per CPU-second, character error rate, and how probable what
they find is.

    python scripts/bench_decoders.py --peers-python PEERS/bin/python python
    scripts/bench_decoders.py --log-probs dev.npz --symbols-file symbols.txt --lm words.arpa --texts
    dev.txt

PEERS is an environment with those of flashlight-text and kenlm, fast-ctc-decode, pyctcdecode and
ctcdecode that install: they pin what recog does not (`python -m venv PEERS; PEERS/bin/pip install
flashlight-text kenlm fast-ctc-decode pyctcdecode`). Without it the peers are looked for beside
recog. One that is missing is named, and the others are measured.

Every decoder runs in its own process on one CPU, gets the same log-probabilities in the form it
takes them, decodes one utterance to warm up, and is timed by the CPU time of its process, the best
of --repeats. Loading models is not counted. Printed for each: utterances per CPU-second (character
error rate in %, mean over utterances of the log of the 1-best's exact probability, summed over all
alignments by recog, higher is better; a space at the end counts as each has it best).

Unpruned: only the beam width limits the search. Pruned: extension by 10 symbols a frame at most,
and a beam 10 deep in natural logarithms, or each decoder's nearest setting to it (see PRUNED).

The log-probabilities are made with a fixed seed unless given: peaks and blanks that spell sentences
of a made-up language with confusions and near misses, 300 to 600 frames; its 3-gram is estimated by
recog.lm from sentences of the same language.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ALPHA, BETA = 0.8, 1.0  # natural log
TOKENS, THRESHOLD = 10, 10.0
PRUNED = """Pruned: recog and flashlight-text 10 symbols a frame, threshold 10;
ctcdecode 10 symbols, cutoff_prob 0.995; fast-ctc-decode symbols above 0.0067 (e**-5);
pyctcdecode symbols above e**-5, beams within 10 of the best (its defaults)."""
LETTERS = {
    32: " 'abcdefghijklmnopqrstuvwxyz-.,",
    100: " 'abcdefghijklmnopqrstuvwxyz-.,ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!?:;()/&\"àâæçèéêëîïôœùûüÀÂÇÈÉÊËÎ",
}
Decode = Callable[[Any], str]


# ---- Decoders: each takes a job and gives a function from its own kind of input to a text, and
# what makes that input


def recog(job: dict[str, Any]) -> tuple[Decode, Callable[[Any], Any]]:
    from recog.decoding import Decoder

    pruning: dict[str, Any] = (
        {"beam_size_token": TOKENS, "beam_threshold": THRESHOLD} if job["pruned"] else {}
    )
    model: dict[str, Any] = (
        {"lm": job["lm"], "alpha": ALPHA, "beta": BETA, "closed_vocabulary": True}
        if job["lm"]
        else {}
    )
    symbols = ["", *job["letters"]]
    decoder = Decoder(symbols, beam_width=job["beam"], threads=1, **pruning, **model)
    return lambda x: decoder.decode([x])[0][0].text, lambda x: x


def flashlight_text(job: dict[str, Any]) -> tuple[Decode, Callable[[Any], Any]]:
    from flashlight.lib.text import decoder as fl

    letters, space = job["letters"], 1 + job["letters"].index(" ")
    size = len(letters) + 1
    tokens, threshold = (TOKENS, THRESHOLD) if job["pruned"] else (size, 1e9)
    if job["lm"]:
        decoder = _flashlight_lexicon(fl, job, space, tokens, threshold)
    else:
        options = fl.LexiconFreeDecoderOptions(
            beam_size=job["beam"], beam_size_token=tokens, beam_threshold=threshold,
            lm_weight=0.0, sil_score=0.0,
            log_add=True, criterion_type=fl.CriterionType.CTC,
        )  # fmt: skip
        decoder = fl.LexiconFreeDecoder(options, fl.ZeroLM(), space, 0, [])

    def decode(x: Any) -> str:
        # within a silence before and one after
        path = decoder.decode(x.ctypes.data, *x.shape)[0].tokens[1:-1]
        return "".join(letters[k - 1] for k, _ in itertools.groupby(path) if k > 0)

    return decode, lambda x: x


def _flashlight_lexicon(
    fl: Any, job: dict[str, Any], space: int, tokens: int, threshold: float
) -> Any:
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    letters, words = job["letters"], job["words"]
    dictionary = Dictionary()
    for word in [*words, "<unk>"]:
        dictionary.add_entry(word)
    dictionary.set_default_index(dictionary.get_index("<unk>"))
    lm = KenLM(job["lm"], dictionary)
    trie, start = fl.Trie(len(letters) + 1, space), lm.start(False)
    for word in words:
        index = dictionary.get_index(word)
        trie.insert(
            [letters.index(c) + 1 for c in word] + [space], index, lm.score(start, index)[1]
        )
    trie.smear(fl.SmearingMode.MAX)
    options = fl.LexiconDecoderOptions(
        beam_size=job["beam"], beam_size_token=tokens, beam_threshold=threshold,
        lm_weight=ALPHA * math.log(10), word_score=BETA,  # its KenLM answers in log10
        unk_score=-math.inf, sil_score=0.0, log_add=True, criterion_type=fl.CriterionType.CTC,
    )  # fmt: skip
    return fl.LexiconDecoder(options, trie, lm, space, 0, dictionary.get_index("<unk>"), [], False)


def fast_ctc_decode(job: dict[str, Any]) -> tuple[Decode, Callable[[Any], Any]]:
    import fast_ctc_decode as fast

    if job["lm"]:
        raise NotImplementedError("no language model")
    alphabet, cut = ["", *job["letters"]], 0.0067 if job["pruned"] else 0.0
    return lambda x: fast.beam_search(x, alphabet, job["beam"], cut)[0], np.exp


def pyctcdecode(job: dict[str, Any]) -> tuple[Decode, Callable[[Any], Any]]:
    from pyctcdecode import build_ctcdecoder

    if not job["pruned"]:
        raise NotImplementedError("minutes an utterance")
    labels = ["", *job["letters"]]
    if job["lm"]:
        decoder = build_ctcdecoder(
            labels, job["lm"], unigrams=job["words"], alpha=ALPHA * math.log(10), beta=BETA
        )
    else:
        decoder = build_ctcdecoder(labels)
    return lambda x: decoder.decode_beams(x, beam_width=job["beam"])[0][0], lambda x: x


def ctcdecode(job: dict[str, Any]) -> tuple[Decode, Callable[[Any], Any]]:
    import ctcdecode as original
    import torch

    torch.set_num_threads(1)
    labels = ["\0", *job["letters"]]
    top, share = (TOKENS, 0.995) if job["pruned"] else (len(labels), 1.0)
    decoder = original.CTCBeamDecoder(
        labels, job["lm"], alpha=ALPHA, beta=BETA, cutoff_top_n=top, cutoff_prob=share,
        beam_width=job["beam"],
        num_processes=1, log_probs_input=True,
    )  # fmt: skip

    def decode(x: Any) -> str:
        results, _, _, lengths = decoder.decode(x)
        return "".join(labels[k] for k in results[0][0][: lengths[0][0]])

    return decode, lambda x: torch.from_numpy(x)[None]


DECODERS = {
    "recog": recog,
    "flashlight-text": flashlight_text,
    "fast-ctc-decode": fast_ctc_decode,
    "pyctcdecode": pyctcdecode,
    "ctcdecode": ctcdecode,
}


# ---- A decoder's process


def work(name: str, path: str) -> None:
    """Decode a job's utterances; one line of JSON says what came out, or why nothing did."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    job = json.loads((Path(path) / "job.json").read_text(encoding="utf-8"))
    with np.load(Path(path) / "log_probs.npz", allow_pickle=False) as file:
        inputs = [np.ascontiguousarray(file[key], np.float32) for key in job["names"]]
    try:
        decode, prepare = DECODERS[name](job)
    except NotImplementedError as error:
        print(json.dumps({"left_out": str(error)}))
        return
    except ImportError as error:
        print(json.dumps({"missing": str(error)}))
        return
    prepared = [prepare(x) for x in inputs]
    decode(prepared[0])
    seconds = math.inf
    for _ in range(job["repeats"]):
        begin = time.process_time()
        texts = [decode(x) for x in prepared]
        seconds = min(seconds, time.process_time() - begin)
    version = "this" if name == "recog" else importlib.metadata.version(name)
    print(json.dumps({"seconds": seconds, "texts": texts, "version": version}))


# ---- What is decoded


def language(
    rng: np.random.Generator, letters: str, vocabulary: int = 4000
) -> Callable[[int], str]:
    """A made-up language: Zipf's frequencies, words that prefer a few successors. Gives sentences
    of about n characters."""
    onsets, nuclei, codas = (
        ["b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "st", "tr", "pl", "qu"],
        ["a", "e", "i", "o", "u", "ea", "ou"],
        ["", "n", "r", "s", "t", "l"],
    )
    if "é" in letters:
        nuclei += ["é", "è", "ê"]

    def word() -> str:
        syllables = rng.choice([1, 2, 3], p=[0.35, 0.45, 0.2])
        return "".join(
            rng.choice(onsets) + rng.choice(nuclei) + rng.choice(codas) for _ in range(syllables)
        )

    words: list[str] = list(dict.fromkeys(word() for _ in range(2 * vocabulary)))[:vocabulary]
    if "A" in letters:  # names and numbers
        words = [
            w.capitalize() if k % 9 == 4 else str(k) if k % 40 == 7 else w
            for k, w in enumerate(words)
        ]
    frequency = 1.0 / np.arange(3, len(words) + 3)
    steps = np.cumsum(frequency / frequency.sum())
    successors = np.minimum(np.searchsorted(steps, rng.random((len(words), 8))), len(words) - 1)

    def sentence(characters: int) -> str:
        text, last = "", 0
        while len(text) < characters:
            free = rng.random() < 0.3
            last = (
                int(np.searchsorted(steps, rng.random()))
                if free
                else int(successors[last, rng.integers(8)])
            )
            last = min(last, len(words) - 1)
            text += words[last] + ("," if rng.random() < 0.05 else "") + " "
        return text.strip()

    return sentence


def emit(rng: np.random.Generator, text: str, letters: str, frames: int) -> Any:
    """Log-probabilities (frames, symbols) as a trained model gives them for a text it hears not
    quite well."""
    logits = rng.normal(0, 1.2, (frames, len(letters) + 1))
    # some decoders end words at spaces only
    labels = [letters.index(c) + 1 for c in text] + [letters.index(" ") + 1]
    slots = np.sort(rng.choice(np.arange(1, frames // 2), len(labels), replace=False)) * 2
    logits[:, 0] += 9.0
    for t, label in zip(slots, labels, strict=True):
        logits[t, label] += 9.0 + rng.normal(1.0, 2.0)
        logits[t, 0] -= rng.uniform(1.0, 8.0)
        if rng.random() < 0.3:  # in doubt
            logits[t, rng.integers(1, len(letters) + 1)] += 9.0 + rng.normal(0.0, 1.5)
        if rng.random() < 0.3 and t + 1 < frames:  # held on
            logits[t + 1, label] += rng.normal(7.0, 3.0)
    for t in rng.choice(frames, frames // 60):  # heard where nothing is
        logits[t, rng.integers(1, len(letters) + 1)] += 8.0
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def made_up(size: int, count: int, folder: Path) -> dict[str, Any]:
    """Utterances, their texts, and an ARPA file of the language."""
    from recog.lm.arpa import write_arpa
    from recog.lm.estimation.kneser_ney import estimate

    rng = np.random.default_rng(size)
    letters = LETTERS[size]
    sentence = language(rng, letters)
    model = estimate([sentence(80) for _ in range(20_000)], order=3, cutoffs=(0, 0, 1))
    write_arpa(model, folder / f"words{size}.arpa")
    frames = [int(n) for n in rng.integers(300, 601, count)]
    texts = [sentence(n // 7) for n in frames]
    utterances = [emit(rng, text, letters, n) for text, n in zip(texts, frames, strict=True)]
    return {
        "letters": letters,
        "utterances": utterances,
        "texts": texts,
        "lm": folder / f"words{size}.arpa",
    }


def given(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The same of a real model's outputs."""
    from recog.cli.decode import utterances
    from recog.formats.log_probs import read_symbols

    symbols = read_symbols(arguments.symbols_file)
    if any(len(symbol) != 1 for symbol in symbols[1:]) or " " not in symbols:
        sys.exit("Some of the peers take only symbols of one character, with a space among them.")
    found = list(
        itertools.islice(utterances(arguments.log_probs, len(symbols)), arguments.utterances)
    )
    texts = (
        arguments.texts.read_text(encoding="utf-8").split("\n")[: len(found)]
        if arguments.texts
        else None
    )
    lm = None
    if arguments.lm:
        from recog.lm.arpa import read_arpa, write_arpa

        lm = folder / "words.arpa"
        write_arpa(read_arpa(arguments.lm), lm)  # KenLM reads plain ARPA files only
    return {
        "letters": "".join(symbols[1:]),
        "utterances": [x for _, x in found],
        "texts": texts,
        "lm": lm,
    }


# ---- The comparison


def measure(
    name: str, python: str, data: dict[str, Any], job: dict[str, Any], folder: Path
) -> dict[str, Any]:
    """Run one decoder in its own process, and judge what it finds."""
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [python, __file__, "--worker", name, "--job", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    try:
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        lines = done.stderr.strip().splitlines()
        return {"failed": lines[-1] if lines else f"exit code {done.returncode}"}
    return result | judge(result["texts"], data) if "texts" in result else result


def judge(texts: list[str], data: dict[str, Any]) -> dict[str, float]:
    from rapidfuzz.distance import Levenshtein

    from recog.decoding import log_prob_of

    number = {c: k for k, c in enumerate(data["letters"], 1)}
    exact = []
    for text, log_probs in zip(texts, data["utterances"], strict=True):
        if all(c in number for c in text):
            # some decoders keep a space at the end, some do not
            ends = (text.strip(), text.strip() + " ")
            exact.append(max(log_prob_of(log_probs, [number[c] for c in end]) for end in ends))
    measured = {"log_prob": float(np.mean(exact)) if exact else math.nan, "cer": math.nan}
    if data["texts"]:
        pairs = list(zip(texts, data["texts"], strict=True))
        errors = sum(Levenshtein.distance(text.strip(), true.strip()) for text, true in pairs)
        measured["cer"] = 100.0 * errors / sum(len(true.strip()) for _, true in pairs)
    return measured


def vocabulary(path: Path, letters: str) -> list[str]:
    from recog.lm.arpa import read_arpa

    words = read_arpa(path, unit="word").words[3:]  # <unk>, <s>, </s>
    return [word for word in words if all(c in letters for c in word)]


def cell_text(result: dict[str, Any]) -> str:
    if "seconds" not in result:
        return result.get("left_out", "missing" if "missing" in result else "failed")
    speed = result["count"] / max(result["seconds"], 1e-9)
    return f"{speed:.{0 if speed >= 20 else 1}f} ({result['cer']:.1f}, {result['log_prob']:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--peers-python", default=sys.executable, help="the interpreter of the peers' environment"
    )
    parser.add_argument("--decoders", nargs="+", choices=DECODERS, default=list(DECODERS))
    parser.add_argument(
        "--sizes", nargs="+", type=int, choices=LETTERS, default=list(LETTERS), help="symbols"
    )
    parser.add_argument("--beams", nargs="+", type=int, default=[25, 100])
    parser.add_argument("--models", nargs="+", choices=("none", "word3"), default=["none", "word3"])
    parser.add_argument("--utterances", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument(
        "--log-probs",
        type=Path,
        help="a real model's outputs, see recog decode; with --symbols-file",
    )
    parser.add_argument("--symbols-file", type=Path)
    parser.add_argument("--texts", type=Path, help="what they should say, one a line")
    parser.add_argument("--lm", type=Path, help="ARPA file of words for --log-probs")
    parser.add_argument("--json", type=Path, help="write all results there, too")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker, arguments.job)
        return
    with tempfile.TemporaryDirectory() as folder:
        results = compare(arguments, Path(folder))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1), encoding="utf-8")
    report(results)


def compare(arguments: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    if arguments.log_probs:
        sets = [given(arguments, folder)]
    else:
        sets = [made_up(size, arguments.utterances, folder) for size in arguments.sizes]
    results = []
    for data in sets:
        names = [f"u{k}" for k in range(len(data["utterances"]))]
        np.savez(folder / "log_probs.npz", **dict(zip(names, data["utterances"], strict=True)))
        words = vocabulary(data["lm"], data["letters"]) if data["lm"] else []
        grid = itertools.product(
            arguments.models, arguments.beams, (False, True), arguments.decoders
        )
        for model, beam, pruned, name in grid:
            if model == "word3" and not data["lm"]:
                continue
            job = {
                "letters": data["letters"],
                "names": names,
                "beam": beam,
                "pruned": pruned,
                "words": words,
            }
            job |= {
                "lm": str(data["lm"]) if model == "word3" else None,
                "repeats": arguments.repeats,
            }
            python = sys.executable if name == "recog" else arguments.peers_python
            result = measure(name, python, data, job, folder)
            result |= {"decoder": name, "pruned": pruned, "beam": beam, "model": model}
            result |= {"symbols": len(data["letters"]) + 1, "count": len(names)}
            results.append(result)
            print(
                f"{model}, {result['symbols']} symbols, beam {beam}, {name}: {cell_text(result)}",
                file=sys.stderr,
            )
    return results


def report(results: list[dict[str, Any]]) -> None:
    """The tables in Markdown, and what is missing from them."""
    columns = list(dict.fromkeys((r["symbols"], r["beam"]) for r in results))
    for model, title in (("none", "Without a language model"), ("word3", "With a word 3-gram")):
        rows = [r for r in results if r["model"] == model]
        if not rows:
            continue
        print(f"\n**{title}**: utterances per CPU-second (CER %, mean log P of the 1-best)\n")
        print(
            "| | "
            + " | ".join(f"{symbols} symbols, beam {beam}" for symbols, beam in columns)
            + " |"
        )
        print("|---" * (len(columns) + 1) + "|")
        for pruned, name in dict.fromkeys((r["pruned"], r["decoder"]) for r in rows):
            own = {
                (r["symbols"], r["beam"]): r
                for r in rows
                if (r["pruned"], r["decoder"]) == (pruned, name)
            }
            if any("seconds" in r for r in own.values()):
                cells = " | ".join(cell_text(own[column]) for column in columns)
                print(f"| {name}, {'pruned' if pruned else 'unpruned'} | {cells} |")
    print(f"\n{PRUNED}")
    versions = {r["decoder"]: r["version"] for r in results if "version" in r}
    print(
        "Versions: "
        + ", ".join(f"{name} {version}" for name, version in versions.items() if name != "recog")
        + "."
    )
    for name in dict.fromkeys(r["decoder"] for r in results if "missing" in r or "failed" in r):
        why = next(
            r.get("missing") or r.get("failed")
            for r in results
            if r["decoder"] == name and "seconds" not in r
        )
        print(f"{name} could not be measured: {why}.")


if __name__ == "__main__":
    main()
