"""``recog decode`` on files good, wrong and hostile."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from recog.cli import app
from recog.cli.decode import utterances
from recog.decoding import Decoder
from recog.errors import UserError
from recog.formats.log_probs import read_symbols
from recog.lm.binary import write_binary
from recog.lm.estimation.kneser_ney import estimate

SYMBOLS = ["<blank>", "<space>", "a", "b"]


def spell(text: str) -> np.ndarray:
    """Log-probabilities of a text in which each letter has a frame, and a blank after it."""
    probs = np.full((2 * len(text), 4), 0.02, np.float32)
    for k, letter in enumerate(text):
        probs[2 * k, " ab".index(letter) + 1] = 0.94
        probs[2 * k + 1, 0] = 0.94
    return np.log(probs)


@pytest.fixture
def symbols(tmp_path: Path) -> Path:
    (tmp_path / "symbols.txt").write_text("\n".join(SYMBOLS) + "\n", encoding="utf-8")
    return tmp_path / "symbols.txt"


def run(*arguments: object) -> int:
    return app([str(argument) for argument in ("decode", *arguments)], standalone_mode=False) or 0


def npz(path: Path, **arrays: Any) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def test_utterances_by_name(
    tmp_path: Path, symbols: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = npz(tmp_path / "x.npz", second=spell("b a"), first=spell("ab"))
    assert run(file, "--symbols", symbols, "--names") == 0
    assert capsys.readouterr().out == "second\tb a\nfirst\tab\n"
    assert run(file, file, "--symbols", symbols, "--threads", 1) == 0
    assert capsys.readouterr().out == "b a\nab\n" * 2


def test_batch_with_lengths(
    tmp_path: Path, symbols: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = np.full((3, 8, 4), np.nan, np.float32)
    batch[0], batch[1, :4] = spell("abba"), spell("ba")
    file = npz(tmp_path / "x.npz", log_probs=batch, lengths=np.array([8, 4, 0]))
    assert run(file, "--symbols", symbols, "--names") == 0
    assert capsys.readouterr().out == "0\tabba\n1\tba\n2\t\n"


def test_npy_of_one_and_of_many(
    tmp_path: Path, symbols: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "one.npy", np.asfortranarray(spell("ab").astype(">f8")))
    np.save(tmp_path / "many.npy", np.stack([spell("ab"), spell("ba")]))
    assert run(tmp_path / "one.npy", tmp_path / "many.npy", "--symbols", symbols, "--names") == 0
    assert capsys.readouterr().out == "one\tab\n0\tab\n1\tba\n"


def test_json_has_what_the_decoder_gives(
    tmp_path: Path, symbols: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_probs = spell("a b")
    file = npz(tmp_path / "x.npz", u=log_probs)
    assert run(file, "--symbols", symbols, "--format", "json", "--n-best", 3, "--beam", 9) == 0
    [line] = capsys.readouterr().out.splitlines()
    document = json.loads(line)
    assert (document["file"], document["name"]) == (str(file), "u")
    [expected] = Decoder(["", " ", "a", "b"], beam_width=9, n_best=3).decode([log_probs])
    assert [h["text"] for h in document["hypotheses"]] == [h.text for h in expected]
    for row, hypothesis in zip(document["hypotheses"], expected, strict=True):
        assert (row["tokens"], row["timesteps"]) == (
            list(hypothesis.tokens),
            list(hypothesis.timesteps),
        )
        assert row["log_prob"] == row["score"] == pytest.approx(hypothesis.log_prob, abs=1e-6)


def test_hotwords(tmp_path: Path, symbols: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_probs = spell("aa")
    log_probs[2, [2, 3]] = np.log([0.56, 0.40])
    file = npz(tmp_path / "x.npz", u=log_probs)
    (tmp_path / "hot.txt").write_text("ab\n\n  b   a \n", encoding="utf-8")
    assert run(file, "--symbols", symbols) == 0
    assert run(file, "--symbols", symbols, "--hotwords", tmp_path / "hot.txt") == 0
    assert capsys.readouterr().out == "aa\nab\n"
    (tmp_path / "hot.txt").write_text("abc\nab\n", encoding="utf-8")
    assert run(file, "--symbols", symbols, "--hotwords", tmp_path / "hot.txt") == 0
    told = capsys.readouterr()
    assert (
        told.out == "ab\n"
        and told.err == "recog: the hotword 'abc' is left out: there is no symbol for 'c'.\n"
    )


def test_language_model(tmp_path: Path, symbols: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log_probs = spell("a bb")
    log_probs[6, [2, 3]] = np.log([0.40, 0.56])
    file = npz(tmp_path / "x.npz", u=log_probs)
    unigrams = ["-3\t<unk>", "-99\t<s>", "-1\t</s>", "-0.5\ta", "-0.2\tba", "-5\tbb"]
    arpa = ["\\data\\", "ngram 1=6", "", "\\1-grams:", *unigrams, "", "\\end\\", ""]
    (tmp_path / "lm.arpa").write_text("\n".join(arpa), encoding="utf-8")
    assert run(file, "--symbols", symbols) == 0
    assert (
        run(file, "--symbols", symbols, "--lm", tmp_path / "lm.arpa", "--alpha", 1, "--beta", 0)
        == 0
    )
    assert capsys.readouterr().out == "a bb\na ba\n"
    for options in (("--alpha", 1), ("--beta", 1), ("--closed-vocabulary",)):
        assert run(file, "--symbols", symbols, *options) == 2
        assert "belong to --lm" in capsys.readouterr().err


def test_a_bad_utterance_is_reported_and_the_rest_goes_on(
    tmp_path: Path, symbols: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nan = spell("ab")
    nan[1] = np.nan
    bad, good = (
        npz(tmp_path / "bad.npz", u=spell("ab"), v=nan),
        npz(tmp_path / "good.npz", w=spell("ba")),
    )
    assert run(bad, tmp_path / "none.npz", good, "--symbols", symbols) == 1
    out, err = capsys.readouterr()
    assert out == "ab\nba\n"
    assert err.splitlines() == [
        f"recog: 'v' in {bad} has NaN at frame 1.",
        f"recog: {tmp_path / 'none.npz'}: cannot be read (No such file or directory).",
    ]


def test_wrong_usage(tmp_path: Path, symbols: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = npz(tmp_path / "x.npz", u=spell("ab"))
    assert run(file, "--symbols", symbols, "--n-best", 30) == 2
    assert run(file, "--symbols", tmp_path / "none.txt") == 1
    assert (
        capsys.readouterr().err.splitlines()[1]
        == f"recog: {tmp_path / 'none.txt'}: No such file or directory."
    )


# Files of log-probabilities


def read(path: Path) -> list[tuple[str, np.ndarray]]:
    return list(utterances(path, 4))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"u": np.zeros((3, 5))}, "'u' in .* has 5 symbols a frame, but there are 4 in the list"),
        ({"u": np.zeros(3)}, r"'u' in .* has shape \(3,\), where \(time, symbols\) is expected"),
        ({"u": np.full((3, 4), 0.25)}, "log to probabilities"),
        ({"u": np.array([["a"]])}, "'u' in .* holds <U1 values"),
        ({"u": np.array([{}], object)}, "'u' in .* holds object values"),
        ({"log_probs": np.zeros((2, 3, 4)), "x": np.zeros(1)}, "'x' beside log_probs"),
        (
            {"log_probs": np.zeros((2, 3, 4)), "lengths": [1.0, 2.0]},
            "'lengths' in .* must be 2 whole numbers",
        ),
        (
            {"log_probs": np.zeros((2, 3, 4)), "lengths": [1]},
            "'lengths' in .* must be 2 whole numbers",
        ),
        (
            {"log_probs": np.zeros((2, 3, 4)), "lengths": [1, 4]},
            r"lengths\[1\] in .* is 4, but there are 3 frames",
        ),
        ({}, "holds no array"),
    ],
)
def test_wrong_arrays_are_named(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(npz(tmp_path / "x.npz", **arrays))


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("unpickled",))

    np.save(tmp_path / "x.npy", np.array([Trap()], object), allow_pickle=True)
    with pytest.raises(UserError, match="holds object values"):
        read(tmp_path / "x.npy")
    (tmp_path / "y.npy").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(UserError, match=r"neither a \.npy nor a \.npz"):
        read(tmp_path / "y.npy")


def header(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


@pytest.mark.parametrize("shape", [(10**12, 4), (3, 4), (0, 10**30), (10**18, 0, 4), (-3, 4)])
def test_headers_that_promise_too_much(tmp_path: Path, shape: tuple[int, ...]) -> None:
    (tmp_path / "x.npy").write_bytes(header(shape) + b"\0" * 32)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("u.npy", header(shape) + b"\0" * 32)
    for name in ("x.npy", "x.npz"):
        with pytest.raises(UserError, match=r"cut short|holds no values|no NumPy array"):
            read(tmp_path / name)


def test_a_bomb_is_refused_by_its_directory(tmp_path: Path) -> None:
    """A zip whose directory says that 3 GB are packed in a few bytes: refused before anything is
    unpacked."""
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("u.npy", header((1000, 4)) + b"\0" * 16000)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = data.index(signature) + offset
        data[at : at + 4] = struct.pack("<I", 3 * 2**30)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"takes 3\.0 GB"):
        read(path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), max_size=4),
    st.integers(0, 1000),
    st.booleans(),
)
@example([], 1000, False)
@example([(400, 2)], 1000, True)  # a member that begins before the file does
def test_damaged_files_give_a_sentence_or_arrays(
    tmp_path: Path, changes: list[tuple[int, int]], end: int, packed: bool
) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        if packed:
            np.savez_compressed(file, u=spell("ab"), v=spell("b"))
        else:
            np.save(file, spell("ab"))
    data = bytearray(path.read_bytes())
    for at, value in changes:
        data[at % len(data)] = value
    path.write_bytes(data[: max(1, len(data) * end // 1000)])
    try:
        for _, log_probs in read(path):
            assert (
                log_probs.dtype == np.float32
                and log_probs.shape[1] == 4
                and log_probs.max(initial=0.0) < 0.1
            )
    except UserError as error:
        assert len(str(error).splitlines()) == 1


# Lists of symbols


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<blank>\n<space>\na\n", ["<blank>", " ", "a"]),
        (b"\xef\xbb\xbf<blank>\r\n \r\n[\r\n\xc3\xa9", ["<blank>", " ", "[", "é"]),
        (b'["", "<space>", "ab", "\\u00e9"]', ["", " ", "ab", "é"]),
        (b'\n [\n"_"]\n', ["_"]),
    ],
)
def test_symbols(tmp_path: Path, content: bytes, expected: list[str]) -> None:
    (tmp_path / "symbols").write_bytes(content)
    assert read_symbols(tmp_path / "symbols") == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nb\n", "begins with 'a'; the first line must be <blank>"),
        (b"", "begins with ''"),
        (b"<blank>\n\nb\n", "empty line, number 2; write <space>"),
        (b"<blank>\n\xff\n", "is not UTF-8"),
        (b"[1, 2]", "JSON list of strings"),
        (b"[]", "JSON list of strings"),
        (b'["a"', "begins like a JSON list but is none"),
        (b"[" * 100_000, "begins like a JSON list but is none"),
        (b'["", "\\ud800"]', "surrogate"),
    ],
)
def test_wrong_lists_of_symbols(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "symbols").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_symbols(tmp_path / "symbols")


def test_a_lexicon_gives_the_words_that_are_spelled_so(
    tmp_path: Path, symbols: Path, capsys
) -> None:
    write_binary(
        estimate(["be right", "we write", "we write", "be"], unit="word", order=2),
        tmp_path / "lm.bin",
    )
    lexicon = tmp_path / "said.tsv"
    lexicon.write_text("right\tab\nwrite\tab\nwe\tb\nbe\ta\n", encoding="utf-8")
    for i, text in enumerate(["b ab", "a ab"]):
        np.save(tmp_path / f"{i}.npy", spell(text))
    files = [tmp_path / "0.npy", tmp_path / "1.npy"]
    assert run(*files, "--symbols", symbols, "--lm", tmp_path / "lm.bin", "--lexicon", lexicon) == 0
    assert capsys.readouterr().out.split("\n")[:2] == ["we write", "be right"]
    assert run(*files, "--symbols", symbols, "--lexicon", lexicon) == 2
    assert "--lexicon belong to --lm" in capsys.readouterr().err
    lexicon.write_text("right ab\n", encoding="utf-8")
    assert run(*files, "--symbols", symbols, "--lm", tmp_path / "lm.bin", "--lexicon", lexicon) == 1
    assert "line 1: must be a word, a tab" in capsys.readouterr().err
