"""What `recog evaluate` reads, and what it prints."""

from __future__ import annotations

import json
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from recog.cli.evaluate import evaluate as command
from recog.errors import UsageError, UserError
from recog.evaluation import Pair, normalisation, read_pairs
from recog.formats import WRITERS
from recog.transcript import Line, Transcript, Word


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def texts(pairs: list[Pair]) -> dict[str, tuple[str, str | None]]:
    return {pair.id: (pair.reference, pair.hypothesis) for pair in pairs}


def test_lines(tmp_path: Path) -> None:
    ref = put(tmp_path / "ref.txt", "\ufeffa b\r\n\r\nc\x0cd\u2028e\n")
    hyp = put(tmp_path / "hyp.txt", "a\nx\nc")
    pairs, warnings = read_pairs(ref, hyp)
    assert (
        texts(pairs) == {"1": ("a b", "a"), "2": ("", "x"), "3": ("c\x0cd\u2028e", "c")}
        and warnings == []
    )


def test_lines_of_different_number(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ref\.txt has 2 lines and .*hyp\.txt has 1"):
        read_pairs(put(tmp_path / "ref.txt", "a\nb\n"), put(tmp_path / "hyp.txt", "a\n"))


@pytest.mark.parametrize(
    ("one", "other"), [("r.trn", "h.trn"), ("r.trn", "h.txt"), ("r.txt", "h.txt")]
)
def test_trn(tmp_path: Path, one: str, other: str) -> None:
    ref, hyp = (
        put(tmp_path / one, "a b (u1)\nc (u2)\n(u3)\n"),
        put(tmp_path / other, "x (u9)\nc (u2)\na (u1)\n"),
    )
    pairs, warnings = read_pairs(ref, hyp)
    assert texts(pairs) == {"u1": ("a b", "a"), "u2": ("c", "c"), "u3": ("", None)}
    assert warnings == [
        "No hypothesis for 1 of the references, counted as deleted: u3.",
        "No reference for 1 of the hypotheses, not counted: u9.",
    ]


def test_lines_that_end_in_parentheses_are_no_trn(tmp_path: Path) -> None:
    pairs, _ = read_pairs(
        put(tmp_path / "r.txt", "a (x)\nb (x)\n"), put(tmp_path / "h.txt", "a (x)\nb (y)\n")
    )
    assert texts(pairs)["1"] == ("a (x)", "a (x)")


def test_jsonl(tmp_path: Path) -> None:
    ref = put(
        tmp_path / "ref.jsonl",
        '{"media": "wav/a.wav", "text": "one", "group": "s1"}\n\n{"media": "wav/b.wav", "text": ""}\n',
    )
    hyp = put(
        tmp_path / "hyp.txt",
        '{"id": "wav/b.wav", "text": null}\n{"id": "wav/a.wav", "text": "won"}\n',
    )
    pairs, warnings = read_pairs(ref, hyp)
    assert pairs == [Pair("wav/a.wav", "one", "won", "s1"), Pair("wav/b.wav", "", None)]
    assert warnings == ["No hypothesis for 1 of the references, counted as deleted: wav/b.wav."]


def test_stretches_of_one_recording(tmp_path: Path) -> None:
    rows = '{"media": "a.wav", "start": 0, "end": 1.5, "text": "x"}\n{"media": "a.wav", "start": 1.5, "text": "y"}\n'
    pairs, _ = read_pairs(put(tmp_path / "r.jsonl", rows), put(tmp_path / "h.jsonl", rows))
    assert texts(pairs) == {"a.wav#0-1.5": ("x", "x"), "a.wav#1.5-None": ("y", "y")}


def test_folders(tmp_path: Path) -> None:
    for name, content in {
        "p/a.gt.txt": "A\n",
        "p/a.txt": "not the truth",
        "b.txt": "B",
        "c.txt": "C",
        ".x/d.txt": "D",
    }.items():
        put(tmp_path / "ref" / name, content)
    transcript = Transcript(
        "b.wav", (Line("B1", start=0.0, end=1.0), Line("B2", start=1.0, end=2.0))
    )
    put(tmp_path / "hyp/b.json", WRITERS["json"](transcript))
    put(tmp_path / "hyp/p/a.txt", "a\n")
    put(tmp_path / "hyp/extra.srt", "1\n00:00:01,000 --> 00:00:02,000\nx\n")
    put(tmp_path / "hyp/picture.png", b"\x89PNG\0")
    pairs, warnings = read_pairs(tmp_path / "ref", tmp_path / "hyp")
    assert texts(pairs) == {"b": ("B", "B1 B2"), "c": ("C", None), "p/a": ("A", "a")}
    assert len(warnings) == 2 and "c" in warnings[0] and "extra" in warnings[1]


def test_folders_with_names_in_two_compositions(tmp_path: Path) -> None:
    one, two = "\u00e9", "e\u0301"
    for folder, names in (("ref", (one, f"{two}a", "b")), ("hyp", (two, f"{one}a", "b"))):
        for name in names:
            put(tmp_path / folder / f"{name}.txt", "x")
    pairs, warnings = read_pairs(tmp_path / "ref", tmp_path / "hyp")
    assert [pair.hypothesis for pair in pairs] == ["x", "x", "x"] and warnings == []
    put(tmp_path / "twice" / f"{one}.txt", "x")
    put(tmp_path / "twice" / f"{two}.txt", "y")
    if len(list((tmp_path / "twice").iterdir())) == 2:
        with pytest.raises(UserError, match="one name in two Unicode compositions"):
            read_pairs(tmp_path / "twice", tmp_path / "hyp")
    rows = "".join(json.dumps({"id": name, "text": name}) + "\n" for name in (one, two))
    both = put(tmp_path / "both.jsonl", rows)  # who tells them apart may go on to
    assert texts(read_pairs(both, both)[0]) == {one: (one, one), two: (two, two)}


def test_hypotheses_within_the_folder_of_references(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(tmp_path / "ref" / f"{name}.gt.txt", name)
        put(tmp_path / "ref" / "out" / f"{name}.txt", "x")
        put(tmp_path / "ref" / "other" / f"{name}.txt", name)
    ref, out = tmp_path / "ref", tmp_path / "ref" / "out"
    pairs, warnings = read_pairs(ref, out, leave_out=[out, tmp_path / "ref" / "other"])
    assert texts(pairs) == {"a": ("a", "x"), "b": ("b", "x")} and warnings == []
    document, _ = run(ref, out, "--compare", tmp_path / "ref" / "other", "--json")
    assert json.loads(document)["wer"]["reference"] == 2


def test_a_training_folder_against_itself(tmp_path: Path) -> None:
    put(tmp_path / "a.gt.txt", "true")
    put(tmp_path / "a.txt", "read")
    pairs, _ = read_pairs(tmp_path, tmp_path)
    assert texts(pairs) == {"a": ("true", "read")}


def test_a_manifest_against_a_folder(tmp_path: Path) -> None:
    ref = put(
        tmp_path / "ref.jsonl",
        '{"media": "wav/a.wav", "text": "x"}\n{"media": "wav/b.wav", "text": "y"}\n',
    )
    put(tmp_path / "hyp/a.txt", "x")
    pairs, warnings = read_pairs(ref, tmp_path / "hyp")
    assert texts(pairs) == {"wav/a.wav": ("x", "x"), "wav/b.wav": ("y", None)}
    assert warnings[0] == "References and hypotheses are matched by the file name without suffix."
    put(
        tmp_path / "more.jsonl",
        '{"media": "1/a.wav", "text": "x"}\n{"media": "2/a.wav", "text": "y"}\n',
    )
    with pytest.raises(UserError, match="No id of"):  # two references would share a hypothesis
        read_pairs(tmp_path / "more.jsonl", tmp_path / "hyp")


def test_a_document_against_text(tmp_path: Path) -> None:
    page = Transcript("p.png", (Line("one"), Line("two")), size=(9, 9))
    pairs, _ = read_pairs(
        put(tmp_path / "r.txt", "one\ntwo\n"), put(tmp_path / "p.json", WRITERS["json"](page))
    )
    assert texts(pairs) == {"r": ("one\ntwo", "one\ntwo")}


def test_two_of_a_kind(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give two of a kind"):
        read_pairs(put(tmp_path / "r.txt", "a\n"), put(tmp_path / "h.trn", "a (u)\n"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("binary.txt", b"\x89PNG\r\n\0\0", "is not a text file"),
        ("latin.txt", b"caf\xe9\n", r"is not UTF-8 text \(byte 3\)"),
        ("bad.jsonl", b'{"id": "a", "text": "x"}\n{"id"\n', "Line 2 of .* is not valid JSON"),
        ("deep.jsonl", b"[" * 100_000, "Line 1 of .* is not valid JSON"),
        ("list.jsonl", b"[1]\n", "Line 1 of .* is not a JSON object"),
        ("noid.jsonl", b'{"text": "x"}\n', "no 'id' and no 'media'"),
        ("type.jsonl", b'{"id": "a", "text": 5}\n', "'text' that is not a string"),
        ("half.jsonl", b'{"id": "a", "text": "\\ud800"}\n', "half a surrogate"),
        (
            "twice.jsonl",
            b'{"id": 1, "text": "x"}\n{"id": "1", "text": "y"}\n',
            "id '1' more than once",
        ),
        ("twice.trn", b"a (u)\nb (u)\n", "id 'u' more than once"),
        ("bad.json", b"{}", "no format_version"),
        ("bad.vtt", b"x", "does not start with WEBVTT"),
    ],
)
def test_hostile_files_are_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = put(tmp_path / name, content)
    for arguments in (
        (path, path),
        (path, put(tmp_path / "other.jsonl", '{"id": "a", "text": "x"}\n')),
    ):
        with pytest.raises(UserError, match=said) as caught:
            read_pairs(*arguments)
        assert name in str(caught.value) and "\n" not in str(caught.value)


def test_other_refusals(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.txt cannot be read"):
        read_pairs(tmp_path / "gone.txt", tmp_path / "gone.txt")
    with pytest.raises(UserError, match="holds no text"):
        read_pairs(tmp_path, tmp_path)
    empty = put(tmp_path / "empty.txt", "")
    with pytest.raises(UserError, match=r"empty\.txt holds no text"):
        read_pairs(empty, empty)
    null = put(tmp_path / "null.jsonl", '{"id": "a", "text": null}\n')
    with pytest.raises(UserError, match="reference 'a' has no text"):
        read_pairs(null, null)


def test_control_characters_stay_out_of_messages(tmp_path: Path) -> None:
    ref = put(
        tmp_path / "r.jsonl",
        '{"id": "a", "text": "x"}\n{"id": "\\u001b[31m' + "b" * 10_000 + '", "text": "x"}\n',
    )
    _, (warning,) = read_pairs(ref, put(tmp_path / "h.jsonl", '{"id": "a", "text": "x"}\n'))
    assert "\x1b" not in warning and "\ufffd[31mbbb" in warning and len(warning) < 200


@settings(max_examples=60, deadline=None)
@given(
    one=st.binary(max_size=60),
    other=st.binary(max_size=60),
    suffix=st.sampled_from(
        [".txt", ".jsonl", ".trn", ".json", ".srt", ".vtt", ".ctm", ".TextGrid", ".xml", ".hocr"]
    ),
)
def test_any_bytes_give_pairs_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, one: bytes, other: bytes, suffix: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    try:
        pairs, _ = read_pairs(put(folder / f"r{suffix}", one), put(folder / f"h{suffix}", other))
    except UserError as error:
        assert str(folder) in str(error)
    else:
        assert pairs


def test_rules_of_a_file(tmp_path: Path) -> None:
    path = put(
        tmp_path / "rules.tsv",
        "# spelling\n\n#\tn\ncolour\tcolor\ne\u0301\te\nre:(\\d+)(st|th)\\b\t\\1\nuh\t\n",
    )
    rule = normalisation(str(path))
    assert rule(" #1  colour uh of the 21st e\u0301te\u0301 ") == "n1 color of the 21 ete"
    assert rule.name.startswith("rules.tsv sha256:") and "5 rules of rules.tsv" in rule.description
    same = normalisation(
        str(put(tmp_path / "rules.yaml", '- ["#", n]\n- ["re:o+", o]\n- [n, m]\n'))
    )
    assert same("# oo") == "m o"  # in their order
    assert same.name != rule.name and len(rule.name.split(":")[1]) == 12


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("r.tsv", "fine\tx\nno tab\n", "Line 2"),
        ("r.tsv", "a\tb\tc\n", "Line 1"),
        ("r.tsv", "\tx\n", "empty pattern"),
        ("r.tsv", "re:\tx\n", "empty pattern"),
        ("r.tsv", "re:(\tx\n", "line 1 .*not valid"),
        ("r.tsv", "re:a\t\\7\n", "line 1 .*not valid"),
        ("r.tsv", "re:a{99999999999}\tx\n", "line 1 .*not valid"),
        ("r.tsv", "re:" + "(" * 600 + "\tx\n", "longer than 500"),
        ("r.tsv", b"\xff\t\n", "not UTF-8"),
        ("r.tsv", "a\tb\n" * 10_001, "at most 10000"),
        ("r.yaml", "a: b\n", "not a list"),
        ("r.yaml", "- [yes, no]\n", "Rule 1"),
        ("r.yaml", "- [a]\n", "Rule 1"),
        ("r.yaml", "[" * 5_000, "not valid YAML"),
        ("r.yaml", "- !!python/object/apply:os.getcwd []\n", "not valid YAML"),
    ],
)
def test_bad_rules(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        normalisation(str(put(tmp_path / name, content)))
    assert name in str(caught.value)


# -- the command -----

app = typer.Typer()
app.command()(command)


def run(*arguments: object, exit_code: int = 0) -> tuple[str, str]:
    """Standard output and standard error; what the command raises is raised."""
    result = CliRunner().invoke(
        app, [str(argument) for argument in arguments], catch_exceptions=False
    )
    assert result.exit_code == exit_code, result.output
    return result.stdout, result.stderr


@pytest.fixture
def jsonl(tmp_path: Path) -> tuple[Path, Path, Path]:
    """References and the output of two systems, of which the second makes half the errors."""
    rows = [{"id": f"u{i}", "text": "the cat sat", "group": f"[b]{i % 3}"} for i in range(90)]
    first = [{"id": f"u{i}", "text": "the bat sat" if i % 3 else "the cat sat"} for i in range(89)]
    second = [
        {"id": f"u{i}", "text": "the bat sat" if i % 3 == 1 else "the cat sat"} for i in range(90)
    ]
    paths = [tmp_path / name for name in ("ref.jsonl", "one.jsonl", "two.jsonl")]
    for path, data in zip(paths, (rows, first, second), strict=True):
        put(path, "".join(json.dumps(row) + "\n" for row in data))
    return paths[0], paths[1], paths[2]


def test_tables(jsonl: tuple[Path, Path, Path]) -> None:
    ref, one, two = jsonl
    out, err = run(
        ref, one, "--compare", two, "--by-group", "--confusions", 1, "--normalise", "basic"
    )
    assert err == "Warning: No hypothesis for 1 of the references, counted as deleted: u89.\n"
    rows = [row.split() for row in out.splitlines()]
    wer = next(row for row in rows if row and row[0] == "WER")
    # 59 of "bat", 3 words of u89
    assert wer[1] == "22.96" and wer[4:] == ["62", "59", "3", "0", "270"]
    assert wer[2].startswith("[") and wer[3].endswith("]")
    assert ["cat", "bat", "59"] in rows and ["c", "b", "59"] in rows
    assert [row for row in rows if row[:1] == ["[b]0"]] == [
        ["[b]0", "30", "0.00", "90", "0.00", "330"]
    ]
    assert any(row[-3:] == ["B", "is", "better"] for row in rows)
    assert (
        "Normalisation: basic (lower case" in out
        and "only 3 groups" in out
        and "understates" in out
    )
    assert "\x1b" not in out and not set("━─│┃") & set(out)


def test_json_output(jsonl: tuple[Path, Path, Path], tmp_path: Path) -> None:
    ref, one, two = jsonl
    out, _ = run(ref, one, "--compare", two, "--json", "--out", tmp_path / "new/result.json")
    document = json.loads(out)
    assert document == json.loads((tmp_path / "new/result.json").read_text("utf-8"))
    assert document["wer"]["errors"] == 62 and document["missing"] == 1 and document["n"] == 90
    assert document["wer"]["rate"] == pytest.approx(62 / 270, abs=1e-6)
    assert document["groups"]["[b]0"]["wer"]["errors"] == 0
    assert document["comparison"]["wer"]["difference"] == pytest.approx((30 - 62) / 270, abs=1e-6)
    assert document["comparison"]["wer"]["b_better"] == 1.0
    assert document["bootstrap"] == document["comparison"]["bootstrap"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["result.json"]


def test_numbers_are_compared_as_words_and_lost_letters_are_named(tmp_path: Path) -> None:
    ref = put(tmp_path / "ref.txt", "it costs 25 dollars\nfine\n")
    hyp = put(tmp_path / "hyp.txt", "it costs 52 dollars\nfine \u0434\u0430\n")
    out, err = run(ref, hyp, "--normalise", "spoken", "--json")
    assert json.loads(out)["wer"]["errors"] == 2  # fifty two for twenty five
    assert "numbers in 1 of 2 references are taken as English words ('25' as 'twenty five')" in err
    assert (
        "no spelling for some letters or digits in 1 of 2 hypotheses, and leaves them out: \u0434 \u0430"
        in err
    )
    assert len(json.loads(out)["warnings"]) == 3
    assert run(ref, ref, "--normalise", "basic")[1] == ""


def test_usage(jsonl: tuple[Path, Path, Path]) -> None:
    ref, one, _ = jsonl
    for arguments in (
        (ref,),
        (ref, one, "--model", "m"),
        (ref, one, "--beam", "3"),
        (ref, one, "--split", "dev"),
    ):
        with pytest.raises(UsageError):
            run(*arguments)


@dataclass
class FakeRow:
    media: Path
    text: str
    group: str | None
    split: str | None


@pytest.fixture
def fake_model(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """A model that hears "heard" in everything but `bad.wav`; gives the list of its calls."""
    calls: list[tuple[object, ...]] = []
    rows = [
        FakeRow(Path("a.wav"), "heard it", "s1", None),
        FakeRow(Path("a.wav"), "heard", "s1", "dev"),
        FakeRow(Path("bad.wav"), "lost", "s2", "test"),
        FakeRow(Path("t.wav"), "never", "s3", "train"),
    ]

    def read_rows(model: str, rows: list[FakeRow], *, beam: int | None, threads: int | None):  # type: ignore[no-untyped-def]
        calls.append((model, len(rows), beam, threads))
        for row in rows:
            yield (
                row,
                None
                if row.media.stem == "bad"
                else Line("heard", (Word("heard", confidence=0.9),)),
            )

    runner, manifest = (
        types.ModuleType("recog.recognition.dataset"),
        types.ModuleType("recog.corpora.data"),
    )
    runner.read_rows = read_rows  # type: ignore[attr-defined]
    manifest.load_data = lambda path: rows  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "recog.recognition.dataset", runner)
    monkeypatch.setitem(sys.modules, "recog.corpora.data", manifest)
    return calls


def test_model(fake_model: list[tuple[object, ...]], tmp_path: Path) -> None:
    other = put(
        tmp_path / "other.jsonl",
        '{"id": "a.wav", "text": "heard it"}\n{"id": "bad.wav", "text": "lost"}\n',
    )
    out, err = run(
        "data.jsonl", "--model", "m", "--normalise", "none", "--beam", 5, "--threads", 2, "--json", "--compare", other,
        exit_code=1,
    )  # fmt: skip
    document = json.loads(out)
    assert fake_model == [("m", 3, 5, 2)]
    assert document["n"] == 3 and document["missing"] == 1
    assert (
        document["wer"]["errors"] == document["wer"]["deletions"] == 2
        and document["wer"]["reference"] == 4
    )
    assert set(document["groups"]) == {"s1", "s2"}
    # the second stretch of a.wav is missing there
    assert document["comparison"]["wer"]["b"] == 0.25
    assert (
        "1 of the rows could not be recognised, counted as deleted" in err
        and f"{other}: No hypothesis for 1" in err
    )


def test_model_on_a_split(fake_model: list[tuple[object, ...]]) -> None:
    out, _ = run("data.jsonl", "--model", "m", "--normalise", "none", "--split", "train", "--json")
    assert json.loads(out)["n"] == 1
    with pytest.raises(UserError, match="no rows of nosuch"):
        run("data.jsonl", "--model", "m", "--normalise", "none", "--split", "nosuch")
