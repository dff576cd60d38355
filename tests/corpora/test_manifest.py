"""The manifest: reading, every kind of bad line, writing, bare folders, modality."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recog.corpora.data import load_data, modality, modality_of
from recog.corpora.folder import read_folder
from recog.corpora.manifest import read_manifest, write_manifest
from recog.corpora.rows import LineShape, Row
from recog.errors import UserError

PAGE = """<?xml version="1.0"?>
<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"><Page imageFilename="{name}">
<TextRegion id="r"><TextLine id="a"><Coords points="0,0 90,0 90,20 0,20"/><Baseline points="0,15 90,15"/>
<TextEquiv><Unicode>first line</Unicode></TextEquiv></TextLine>
<TextLine id="b"><Coords points="0,20 90,20 90,40 0,40"/></TextLine></TextRegion></Page></PcGts>"""


def _touch(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_round_trip_is_exact_and_relative(tmp_path: Path) -> None:
    rows = [
        Row(tmp_path / "wav" / "ä b.wav", 'She said "é"\n', 1.5, 2.25, group="s1", split="dev"),
        Row(
            tmp_path / "p.png", "שלום", line=LineShape(((0, 0), (9, 0), (9, 5)), ((0, 4), (9, 4.5)))
        ),
        Row(tmp_path / "p.png", "", line=LineShape(baseline=((0, 4), (9, 4.5)))),
    ]
    path = tmp_path / "m.jsonl"
    write_manifest(rows, path)
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[0])["media"] == "wav/ä b.wav"
    assert "שלום" in path.read_text(encoding="utf-8")
    assert read_manifest(path) == rows
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_media_beside_the_manifest_are_reached_upwards(tmp_path: Path) -> None:
    media = _touch(tmp_path / "data" / "a.wav")
    write_manifest([Row(media, "a")], tmp_path / "out" / "deep" / "m.jsonl")
    (row,) = read_manifest(tmp_path / "out" / "deep" / "m.jsonl")
    assert row.media.resolve() == media.resolve()


def test_manifest_moves_with_its_folder(tmp_path: Path) -> None:
    _touch(tmp_path / "one" / "a.wav")
    write_manifest([Row(tmp_path / "one" / "a.wav", "a")], tmp_path / "one" / "m.jsonl")
    (tmp_path / "one").rename(tmp_path / "two")
    assert read_manifest(tmp_path / "two" / "m.jsonl")[0].media == tmp_path / "two" / "a.wav"


def test_failed_write_leaves_the_old_manifest(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write_manifest([Row(tmp_path / "a.wav", "old")], path)

    def broken():  # type: ignore[no-untyped-def]
        yield Row(tmp_path / "b.wav", "new")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_manifest(broken(), path)
    assert [row.text for row in read_manifest(path)] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"media": "a"}', "no 'text'"),
        ('{"text": "a"}', "no 'media'"),
        ('{"media": "a\\u0000b", "text": "a"}', "no 'media'"),
        ('{"media": "a", "text": 3}', "'text' that is not text"),
        ('{"media": "a", "text": "b", "speaker": "c"}', "unknown key 'speaker'"),
        ('{"media": "a", "text": "b", "split": "dve"}', "split 'dve'"),
        ('{"media": "a", "text": "b", "start": -1}', "'start' that is not a time"),
        ('{"media": "a", "text": "b", "start": NaN}', "'start' that is not a time"),
        ('{"media": "a", "text": "b", "end": 1e999}', "'end' that is not a time"),
        ('{"media": "a", "text": "b", "end": true}', "'end' that is not a time"),
        ('{"media": "a", "text": "b", "start": 2, "end": 2}', "ends (2 s) before it starts (2 s)"),
        ('{"media": "a", "text": "b", "end": 0}', "ends (0 s) before it starts"),
        ('{"media": "a", "text": "b", "line": {}}', "'line' that is not"),
        ('{"media": "a", "text": "b", "line": {"box": []}}', "'line' that is not"),
        ('{"media": "a", "text": "b", "line": {"polygon": []}}', "neither polygon nor baseline"),
        ('{"media": "a", "text": "b", "line": {"polygon": [[0,0],[1,1]]}}', "fewer than 3 points"),
        ('{"media": "a", "text": "b", "line": {"baseline": [[0,0],[1,"x"]]}}', "not [x, y]"),
        ('{"media": "a", "text": "b", "line": {"baseline": [[0,0],[1,Infinity]]}}', "not [x, y]"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, reason: str) -> None:
    path = _touch(tmp_path / "m.jsonl", '{"media": "a", "text": "b"}\n\n' + line + "\n")
    with pytest.raises(UserError) as caught:
        read_manifest(path)
    assert f"{path} has 1 bad line: line 3: " in str(caught.value)
    assert reason in str(caught.value)


def test_many_bad_lines_are_counted(tmp_path: Path) -> None:
    path = _touch(tmp_path / "m.jsonl", "{\n" * 13)
    with pytest.raises(UserError) as caught:
        read_manifest(path)
    message = str(caught.value)
    assert "13 bad lines" in message and "line 10:" in message and "line 11:" not in message
    assert message.endswith("and 3 more.")


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"media": "a", "text": "\xe9"}\n')
    with pytest.raises(UserError, match="not UTF-8"):
        read_manifest(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.binary(max_size=200)
    | st.text(max_size=100).map(lambda s: ('{"media": "a", ' + s).encode("utf-8", "replace"))
)
def test_any_bytes_give_rows_or_one_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(data)
    try:
        assert all(isinstance(row, Row) for row in read_manifest(path))
    except UserError as error:
        assert str(path) in str(error)


def test_bare_folder(tmp_path: Path) -> None:
    _touch(tmp_path / "clip.WAV")
    _touch(tmp_path / "clip.txt", "hello there\n")
    _touch(tmp_path / "lonely.wav")
    _touch(tmp_path / "notes.txt", "no media of this name")
    _touch(tmp_path / "a" / "line.webp")
    _touch(tmp_path / "a" / "line.gt.txt", "\ufeffa line")
    _touch(tmp_path / "b" / "page.jpg")
    _touch(tmp_path / "b" / "page.xml", PAGE.format(name="other.jpg"))
    _touch(tmp_path / "b" / "settings.xml", "<settings/>")
    _touch(tmp_path / "b" / "settings.png")
    _touch(tmp_path / ".hidden" / "c.wav")
    _touch(tmp_path / ".hidden" / "c.txt")
    rows = {row.media.name: row for row in read_folder(tmp_path)}
    assert {name: (row.text, row.group) for name, row in rows.items()} == {
        "clip.WAV": ("hello there", "."),
        "line.webp": ("a line", "a"),
        "page.jpg": ("first line", "b"),
    }
    assert rows["page.jpg"].line == LineShape(
        ((0, 0), (90, 0), (90, 20), (0, 20)), ((0, 15), (90, 15))
    )
    assert rows["line.webp"].line is None
    assert all(row.split is None for row in rows.values())


def test_what_finds_no_partner_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _touch(tmp_path / "a.wav")
    _touch(tmp_path / "a.txt", "hello")
    _touch(tmp_path / "sub" / "lonely.gt.txt", "x")
    _touch(tmp_path / "miscalled.png")
    _touch(tmp_path / "miscalled.txt", "y")
    for i in range(7):
        _touch(tmp_path / f"m{i}.wav")
    _touch(tmp_path / "._m0.txt", "a file of macOS")
    _touch(tmp_path / "out" / "training" / "problems.txt", "its own")
    assert [
        row.text for row in read_folder(tmp_path, quiet=True, leave_out=[tmp_path / "out"])
    ] == ["hello"]
    assert caplog.messages == []
    read_folder(tmp_path, leave_out=[tmp_path / "out"])
    assert caplog.messages == [
        "left out: a file with the suffix of another kind of media (a sound has NAME.txt, an image NAME.gt.txt): "
        "miscalled.txt",
        "left out: a file without a sound or image of the same name: sub/lonely.gt.txt",
        "left out: 7 files without a text of the same name: m0.wav, m1.wav, m2.wav, m3.wav, m4.wav and 2 more",
    ]


def test_names_are_compared_in_nfc(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, two = "\u00e9", "e\u0301"
    _touch(tmp_path / "w" / f"{one}.wav")
    _touch(tmp_path / "w" / f"{two}.txt", "sound")
    _touch(tmp_path / "i" / f"{two}.png")
    _touch(tmp_path / "i" / f"{one}.gt.txt", "image")
    assert [row.text for row in read_folder(tmp_path)] == ["image", "sound"]
    assert all(row.media.exists() for row in read_folder(tmp_path))
    assert caplog.messages == []
    _touch(tmp_path / "m.jsonl", json.dumps({"media": f"w/{two}.wav", "text": "x"}) + "\n")
    assert [row.media.exists() for row in load_data(tmp_path / "m.jsonl")] == [True]


def test_one_folder_has_no_group(tmp_path: Path) -> None:
    for name in "bca":
        _touch(tmp_path / f"{name}.mp3")
        _touch(tmp_path / f"{name}.txt", name)
    rows = read_folder(tmp_path)
    assert [row.text for row in rows] == ["a", "b", "c"]
    assert {row.group for row in rows} == {None}


def test_folders_that_name_splits(tmp_path: Path) -> None:
    for folder in ("train/anne", "dev/anne", "test-7/bob"):
        _touch(tmp_path / folder / "a.png")
        _touch(tmp_path / folder / "a.gt.txt", "x")
    rows = read_folder(tmp_path)
    assert [(row.group, row.split) for row in rows] == [
        ("anne", "dev"),
        ("test-7/bob", None),
        ("anne", "train"),
    ]
    assert [row.split for row in read_folder(tmp_path / "dev")] == [None]


def test_train_alone_leaves_dev_to_be_chosen(tmp_path: Path) -> None:
    for folder in ("train", "test"):
        _touch(tmp_path / folder / "a.png")
        _touch(tmp_path / folder / "a.gt.txt", "x")
    assert [row.split for row in read_folder(tmp_path)] == ["test", None]


def test_load_data(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"looked in it .* clip\.wav with clip\.txt"):
        load_data(tmp_path)
    with pytest.raises(UserError, match="is not there"):
        load_data(tmp_path / "none.jsonl")
    with pytest.raises(UserError, match="neither a folder nor a manifest"):
        load_data(_touch(tmp_path / "x.csv"))
    with pytest.raises(UserError, match="is empty"):
        load_data(_touch(tmp_path / "x.jsonl", "\n"))
    write_manifest([Row(tmp_path / "a.wav", "a")], tmp_path / "m.jsonl")
    assert load_data(tmp_path / "m.jsonl") == [Row(tmp_path / "a.wav", "a")]


def test_modality() -> None:
    sound, image = Row(Path("a.FLAC"), ""), Row(Path("a.tif"), "")
    assert modality([sound, sound]) == "speech"
    assert modality([image]) == "handwriting"
    with pytest.raises(UserError, match="mixes"):
        modality([sound, image])
    with pytest.raises(UserError, match="no rows"):
        modality([])
    with pytest.raises(UserError, match=r"neither sound nor image"):
        modality_of(Path("a.doc"))
