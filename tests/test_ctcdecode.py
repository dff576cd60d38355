"""ctcdecode's interface: against what ctcdecode 1.0.2 answered (RECOG_SHARED, else ../shared), and
by itself."""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recog.ctcdecode import CTCBeamDecoder, DecoderState, OnlineCTCBeamDecoder
from recog.decoding import Decoder, InvalidInputError, log_prob_of
from recog.errors import UserError

SHARED = Path(os.environ.get("RECOG_SHARED") or Path(__file__).parents[2] / "shared")
LABELS = "_abcdefghijklmnopqrstuvwxyz' "
WORDS = ["the cat sat", "the cat ran", "a dog ran", "the dog sat"]
Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def need(path: str) -> Path:
    if not (SHARED / path).is_file():
        pytest.skip(f"{path} is not in {SHARED}; set RECOG_SHARED to the folder of the references")
    return SHARED / path


@pytest.fixture(scope="module")
def cases() -> dict[str, np.ndarray]:
    with np.load(need("ctcdecode-reference/cases.npz"), allow_pickle=False) as file:
        return dict(file)


def recorded(cases: dict[str, np.ndarray], name: str) -> Rows:
    return tuple(
        cases[f"{name}.{key}"] for key in ("beam_results", "beam_scores", "timesteps", "out_lens")
    )  # type: ignore[return-value]


def row(answer: Rows, i: int, k: int = 0) -> tuple[int, ...]:
    return tuple(int(n) for n in answer[0][i][k][: answer[3][i][k]])


def probabilities(seed: int = 0, shape: tuple[int, ...] = (3, 30, 5)) -> np.ndarray:
    x = np.random.default_rng(seed).normal(0, 2.0, shape)
    return (np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)).astype(np.float32)


# What ctcdecode answered


def test_exhaustive_case_has_every_row_and_score(cases: dict[str, np.ndarray]) -> None:
    ours = CTCBeamDecoder("_abc", beam_width=1000, log_probs_input=True, num_processes=1).decode(
        cases["a.input"]
    )
    theirs = recorded(cases, "a")
    assert [[row(ours, i, k) for k in range(10)] for i in range(20)] == [
        [row(theirs, i, k) for k in range(10)] for i in range(20)
    ]
    np.testing.assert_allclose(ours[1][:, :10], theirs[1], atol=1e-5)


CASES: dict[str, dict[str, Any]] = {
    "b_log_blank0": {},
    "b_prob_blank0": {},
    "b_log_blank28": {},
    "b_prob_blank28": {},
    "d_top5": {"cutoff_top_n": 5},
    "d_cp99": {"cutoff_prob": 0.99},
    "d_top5_cp99": {"cutoff_top_n": 5, "cutoff_prob": 0.99},
    "d_top5_cp99_prob": {"cutoff_top_n": 5, "cutoff_prob": 0.99},
    "d_cp66": {"cutoff_prob": 0.66},
    "d_cp66_prob": {"cutoff_prob": 0.66},
}


@pytest.mark.parametrize("name", CASES)
def test_recorded_case(cases: dict[str, np.ndarray], name: str) -> None:
    """The same labels in the first row, at a score that is never worse; or others that are more
    probable."""
    log = "prob" not in name
    inputs, labels, blank = cases["b.log_input" if log else "b.prob_input"], LABELS, 0
    if name.endswith("28"):
        inputs, labels, blank = np.roll(inputs, -1, axis=2), LABELS[1:] + LABELS[0], 28
    decoder = CTCBeamDecoder(
        labels, beam_width=25, blank_id=blank, log_probs_input=log, num_processes=1, **CASES[name]
    )
    ours, theirs = decoder.decode(inputs), recorded(cases, name)
    same = 0
    for i in range(5):
        first = row(theirs, i)
        same += row(ours, i) == first
        log_probs = cases["b.log_input"][i]
        exact = [
            -log_prob_of(log_probs, [(n + 1) % 29 if blank else n for n in r])
            for r in (row(ours, i), first)
        ]
        assert ours[1][i][0] == pytest.approx(exact[0], abs=1e-4)
        assert exact[0] <= exact[1] + 1e-9 and ours[1][i][0] <= theirs[1][i][0] + 1e-4
        assert row(ours, i) in [row(theirs, i, k) for k in range(10)]
        if row(ours, i) == first:
            late = ours[2][i][0][: len(first)] - theirs[2][i][0][: len(first)]
            assert (late == 0).mean() > 0.9 and abs(late).max() <= 1
    assert same == 4  # in the fifth, ctcdecode's second is the more probable by 0.03


def test_recorded_lengths(cases: dict[str, np.ndarray]) -> None:
    decoder = CTCBeamDecoder(LABELS, beam_width=25, log_probs_input=True, num_processes=2)
    ours, theirs = decoder.decode(cases["b.log_input"], cases["e.seq_lens"]), recorded(cases, "e")
    for i in range(5):
        assert row(ours, i) == row(theirs, i)
        assert ours[1][i][0] <= theirs[1][i][0] + 1e-4
    assert ours[1][4][0] == 0.0 and np.isinf(ours[1][4][1:]).all() and not ours[3][4].any()
    beyond = decoder.decode(cases["b.log_input"], [1000, 97, 61, 1, 0])
    for a, b in zip(ours, beyond, strict=True):
        np.testing.assert_array_equal(a, b)


def test_online_is_offline_bit_for_bit(cases: dict[str, np.ndarray]) -> None:
    options: dict[str, Any] = {"beam_width": 25, "log_probs_input": True}
    decoder, inputs = OnlineCTCBeamDecoder(LABELS, **options), cases["b.log_input"]
    states = [DecoderState(decoder) for _ in range(5)]
    for t in range(0, 120, 30):
        answer = decoder.decode(inputs[:, t : t + 30], states, [t == 90] * 5)
        if t < 90:
            assert answer[0].shape == answer[2].shape == (5, 0, 0) and not answer[3].any()
    offline = CTCBeamDecoder(LABELS, **options).decode(inputs)
    longest = answer[0].shape[2]
    assert longest == offline[3].max()
    for online, whole in zip(answer, offline, strict=True):
        np.testing.assert_array_equal(online, whole[..., :longest] if whole.ndim == 3 else whole)
    assert row(answer, 0) == row(recorded(cases, "f"), 0)


# With the recorded language models


@pytest.fixture(scope="module")
def lm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The references' models, unpacked."""
    folder, paths = tmp_path_factory.mktemp("lm"), {}
    for name in ("word3", "char5"):
        paths[name] = folder / f"{name}.arpa"
        paths[name].write_bytes(lzma.decompress(need(f"lm-reference/{name}.arpa.xz").read_bytes()))
    return paths


class Arpa:
    """A plain reading of an ARPA file, for the scores."""

    def __init__(self, path: Path) -> None:
        self.log_prob: dict[tuple[str, ...], float] = {}
        self.backoff: dict[tuple[str, ...], float] = {}
        for line in path.read_text(encoding="utf-8").splitlines():
            fields = line.split("\t")
            if len(fields) >= 2:
                gram = tuple(fields[1].split(" "))
                self.log_prob[gram] = float(fields[0]) * np.log(10)
                self.backoff[gram] = float(fields[2]) * np.log(10) if len(fields) > 2 else 0.0
        self.words = {gram[0] for gram in self.log_prob if len(gram) == 1} - {
            "<s>",
            "</s>",
            "<unk>",
        }

    def score(self, tokens: list[str]) -> float:
        """Natural log of P(tokens | <s>), without </s>."""
        history, total = ["<s>"], 0.0
        for token in tokens:
            context = tuple(history[-2:])
            while (*context, token) not in self.log_prob:
                total += self.backoff.get(context, 0.0)
                context = context[1:]
            total += self.log_prob[(*context, token)]
            history.append(token)
        return total


@pytest.mark.parametrize(
    ("name", "alpha", "beta"), [("c", 0.8, 1.2), ("c_alpha0_beta0", 0.0, 0.0), ("e_lm", 0.8, 1.2)]
)
def test_word_model(
    cases: dict[str, np.ndarray], lm: dict[str, Path], name: str, alpha: float, beta: float
) -> None:
    """Whole words only, and by one formula never a lower score than ctcdecode's."""
    arpa = Arpa(lm["word3"])
    options: dict[str, Any] = {
        "alpha": alpha,
        "beta": beta,
        "beam_width": 50,
        "log_probs_input": True,
    }
    decoder = CTCBeamDecoder(LABELS, str(lm["word3"]), num_processes=1, **options)
    lengths = cases["e.seq_lens"] if name == "e_lm" else np.full(5, 120)
    ours, theirs = decoder.decode(cases["b.log_input"], lengths), recorded(cases, name)
    assert (decoder.character_based(), decoder.max_order()) == (False, 3)
    assert decoder.dict_size() == sum(all(c in LABELS[1:] for c in word) for word in arpa.words)

    def fused(i: int, tokens: tuple[int, ...]) -> float:
        words = "".join(LABELS[n] for n in tokens).split()
        if not arpa.words.issuperset(words):
            return -np.inf
        log_prob = log_prob_of(cases["b.log_input"][i][: lengths[i]], list(tokens))
        return log_prob + alpha * arpa.score(words) + beta * len(words)

    for i in range(5):
        scores = ours[1][i][np.isfinite(ours[1][i])]
        assert (np.diff(scores) >= 0).all()
        assert fused(i, row(ours, i)) == pytest.approx(-scores[0], abs=1e-3)
        # -inf where their last word is unfinished
        assert -scores[0] >= fused(i, row(theirs, i)) - 1e-3
        times = ours[2][i][0][: ours[3][i][0]]
        assert (np.diff(times) > 0).all()


def test_word_model_online(cases: dict[str, np.ndarray], lm: dict[str, Path]) -> None:
    options: dict[str, Any] = {"alpha": 0.8, "beta": 1.2, "beam_width": 50, "log_probs_input": True}
    decoder = OnlineCTCBeamDecoder(LABELS, lm["word3"], **options)
    state = DecoderState(decoder)
    for t in range(0, 120, 30):
        answer = decoder.decode(cases["b.log_input"][:1, t : t + 30], [state], [t == 90])
    offline = CTCBeamDecoder(LABELS, lm["word3"], **options).decode(cases["b.log_input"][:1])
    beams, longest = answer[0].shape[1:]
    assert np.isfinite(offline[1][0]).sum() == beams
    for online, whole in zip(answer, offline, strict=True):
        np.testing.assert_array_equal(
            online, whole[:, :beams, :longest] if whole.ndim == 3 else whole
        )


def test_character_model(cases: dict[str, np.ndarray], lm: dict[str, Path]) -> None:
    """Each label is scored, the last one, "|", as the space; at a score no worse than ctcdecode's
    own first row."""
    labels = LABELS[:-1] + "|"
    decoder = CTCBeamDecoder(
        labels,
        lm["char5"],
        alpha=0.8,
        beta=1.2,
        beam_width=50,
        log_probs_input=True,
        num_processes=1,
    )
    assert (decoder.character_based(), decoder.max_order(), decoder.dict_size()) == (True, 5, 0)
    ours, theirs = decoder.decode(cases["b.log_input"]), recorded(cases, "g_char")
    agreement = sum(row(ours, i) in [row(theirs, i, k) for k in range(10)] for i in range(5))
    assert agreement >= 4
    assert (np.diff(ours[1], axis=1)[np.isfinite(ours[1][:, 1:])] >= 0).all()


# By itself


def test_same_as_the_decoder() -> None:
    probs = probabilities()
    results, scores, timesteps, out_lens = CTCBeamDecoder(
        ["<b>", "a", "b", "c", "d"], beam_width=7
    ).decode(probs)
    assert results.shape == timesteps.shape == (3, 7, 30) and scores.shape == out_lens.shape == (
        3,
        7,
    )
    assert (results.dtype, scores.dtype, timesteps.dtype, out_lens.dtype) == (
        np.int32,
        np.float32,
        np.int32,
        np.int32,
    )
    expected = Decoder(["", "a", "b", "c", "d"], beam_width=7, n_best=7).decode(np.log(probs))
    for i, hypotheses in enumerate(expected):
        assert len(hypotheses) == 7
        for k, hypothesis in enumerate(hypotheses):
            length = out_lens[i, k]
            assert tuple(results[i, k, :length]) == hypothesis.tokens
            assert tuple(timesteps[i, k, :length]) == hypothesis.timesteps
            assert not results[i, k, length:].any()
            assert scores[i, k] == pytest.approx(-hypothesis.log_prob, abs=1e-6)


@pytest.mark.parametrize("blank", [0, 1, 4])
def test_any_blank(blank: int) -> None:
    probs = probabilities()
    columns = [1, 2, 3, 4]
    columns.insert(blank, 0)
    labels = ["".join("_abcd"[n]) for n in columns]
    plain = CTCBeamDecoder("_abcd", beam_width=5).decode(probs)
    moved = CTCBeamDecoder(labels, beam_width=5, blank_id=blank).decode(probs[:, :, columns])
    for i in range(3):
        for k in range(5):
            texts = [
                "".join(names[n] for n in row(answer, i, k))
                for names, answer in (("_abcd", plain), (labels, moved))
            ]
            assert texts[0] == texts[1]
            assert (moved[0][i, k, moved[3][i, k] :] == blank).all()
    np.testing.assert_array_equal(plain[1], moved[1])
    np.testing.assert_array_equal(plain[2], moved[2])


def test_zero_probabilities_are_floored_and_logs_are_not() -> None:
    probs = np.array([[[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]])
    results, scores, _, out_lens = CTCBeamDecoder("_ab", beam_width=4).decode(probs)
    assert row((results, scores, scores, out_lens), 0) == (1,)
    assert scores[0, 0] == pytest.approx(0.0, abs=1e-6) and scores[0, 1] == pytest.approx(
        87.34, abs=0.7
    )
    with np.errstate(divide="ignore"):
        scores = CTCBeamDecoder("_ab", beam_width=4, log_probs_input=True).decode(np.log(probs))[1]
    assert scores[0, 0] == pytest.approx(0.0, abs=1e-6) and np.isposinf(scores[0, 1:]).all()


def test_cutoff_prob_prunes_above_0_693() -> None:
    """One frame with a sure blank, one with 0.7, 0.2 and 0.1: what is cut off cannot be read."""
    probs = np.array([[[0.98, 0.01, 0.01], [0.1, 0.7, 0.2]]])
    found = [
        CTCBeamDecoder("_ab", cutoff_prob=p, beam_width=10).decode(probs) for p in (1.0, 0.95, 0.6)
    ]
    texts = [
        {row(answer, 0, k) for k in range(10) if np.isfinite(answer[1][0, k])} for answer in found
    ]
    assert texts[0] == {(), (1,), (2,), (1, 2), (2, 1)}
    assert texts[1] == {(), (1,), (2,)} and texts[2] == {(), (1,)}


def test_torch_in_torch_out() -> None:
    torch = pytest.importorskip("torch")
    probs = probabilities()
    arrays = CTCBeamDecoder("_abcd", beam_width=4).decode(probs, np.array([30, 3, 0]))
    tensors = CTCBeamDecoder("_abcd", beam_width=4).decode(
        torch.from_numpy(probs), torch.IntTensor([30, 3, 0])
    )
    for array, tensor in zip(arrays, tensors, strict=True):
        assert isinstance(tensor, torch.Tensor) and isinstance(array, np.ndarray)
        assert str(tensor.dtype).removeprefix("torch.") == str(array.dtype)
        np.testing.assert_array_equal(array, tensor.numpy())
    online = OnlineCTCBeamDecoder("_abcd", beam_width=4)
    answer = online.decode(
        torch.from_numpy(probs[:1]), [DecoderState(online)], [True], torch.IntTensor([30])
    )
    assert answer[0].tolist()[0] == [r[: answer[0].shape[2]] for r in tensors[0].tolist()[0]]


def test_torch_is_not_imported() -> None:
    program = "import sys, recog.ctcdecode as c; c.CTCBeamDecoder('_ab'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_without_a_model_its_questions_have_no_answer() -> None:
    for decoder in (CTCBeamDecoder("_ab", model_path=""), OnlineCTCBeamDecoder("_ab")):
        assert decoder.character_based() is decoder.max_order() is decoder.dict_size() is None
        decoder.reset_params(1.0, 2.0)


def write_arpa(path: Path) -> Path:
    """A bigram of sentences about cats and dogs."""
    words = sorted({word for line in WORDS for word in line.split()})
    pairs = sorted(
        {pair for line in WORDS for pair in zip(["<s>", *line.split()], line.split(), strict=False)}
    )
    lines = ["\\data\\", f"ngram 1={len(words) + 3}", f"ngram 2={len(pairs)}", "", "\\1-grams:"]
    lines += [
        "-2\t<unk>\t0",
        "-99\t<s>\t-0.5",
        "-1\t</s>\t0",
        *(f"-1\t{word}\t-0.5" for word in words),
        "",
    ]
    lines += ["\\2-grams:", *(f"-0.3\t{a} {b}" for a, b in pairs), "", "\\end\\", ""]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_reset_params_takes_effect(tmp_path: Path) -> None:
    labels = ["_", *"acdeghnorst ", "x"]
    probs = np.full((1, 7, len(labels)), 0.002)
    for t, letter in enumerate("the cat"):
        probs[0, t, labels.index(letter)] = 0.9
    probs[0, 4, labels.index("d")] = 0.02
    decoder = CTCBeamDecoder(labels, write_arpa(tmp_path / "cats.arpa"), alpha=0.0, beta=0.0)
    assert (
        decoder.dict_size() == 6 and decoder.max_order() == 2 and decoder.character_based() is False
    )
    answer = decoder.decode(probs)
    assert "".join(labels[n] for n in row(answer, 0)) == "the cat"
    before = answer[1][0, 0]
    decoder.reset_params(2.0, 0.5)
    answer = decoder.decode(probs)
    assert "".join(labels[n] for n in row(answer, 0)) == "the cat"
    assert answer[1][0, 0] == pytest.approx(
        before - (2.0 * np.log(10) * (-0.3 - 0.3) + 2 * 0.5), abs=1e-4
    )


def test_a_missing_model_is_an_exception(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.arpa"):
        CTCBeamDecoder("_ab", tmp_path / "none.arpa")


@pytest.mark.parametrize(
    ("probs", "seq_lens", "options", "message"),
    [
        (
            np.full((1, 4, 4), 0.25),
            None,
            {},
            r"shape \(1, 4, 4\), where \(batch, time, 3\) is expected",
        ),
        (np.full((4, 3), 0.3), None, {}, r"shape \(4, 3\)"),
        (np.full((1, 4, 3), np.nan), None, {}, "NaN in utterance 0"),
        (np.full((1, 4, 3), -1.1), None, {}, "set log_probs_input"),
        (np.full((1, 4, 3), 0.3), None, {"log_probs_input": True}, "at most 0"),
        (np.full((1, 4, 3), 0.3), [-1], {}, "seq_lens must be 1 whole numbers"),
        (np.full((1, 4, 3), 0.3), [1, 2], {}, "seq_lens must be 1 whole numbers"),
        (np.full((1, 4, 3), 0.3), None, {"blank_id": 3}, "blank_id is 3"),
        (np.full((1, 4, 3), 0.3), None, {"beam_width": 0}, "beam_width is 0"),
        (np.full((1, 4, 3), 0.3), None, {"cutoff_prob": 0.0}, "cutoff_prob is 0"),
    ],
)
def test_wrong_arguments_are_exceptions(
    probs: np.ndarray, seq_lens: list[int] | None, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        CTCBeamDecoder("_ab", **options).decode(probs, seq_lens)


def test_wrong_states_are_exceptions() -> None:
    decoder = OnlineCTCBeamDecoder("_abcd", beam_width=4)
    probs, state = probabilities(), DecoderState(decoder)
    with pytest.raises(InvalidInputError, match="3 utterances, 1 states and 1 is_eos_s"):
        decoder.decode(probs, [state], [True])
    with pytest.raises(InvalidInputError, match="same one twice"):
        decoder.decode(probs[:2], [state, state], [False, False])
    decoder.decode(probs[:1], [state], [True])
    with pytest.raises(InvalidInputError, match="has finished"):
        decoder.decode(probs[:1], [state], [True])
