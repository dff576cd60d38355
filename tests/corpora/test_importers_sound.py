"""Importers of speech corpora, each on a miniature tree of its layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from recog.corpora import LAYOUTS, importer
from recog.corpora.rows import Row
from recog.errors import UsageError, UserError


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))
    return root


def read(layout: str, src: Path, **options: str) -> list[Row]:
    return list(importer(layout, **options)(src))


def brief(rows: list[Row], root: Path) -> list[tuple[str, str, str | None, str | None]]:
    return [
        (row.media.relative_to(root).as_posix(), row.text, row.group, row.split) for row in rows
    ]


def test_registry() -> None:
    for layout in LAYOUTS:
        assert callable(importer(layout))
    with pytest.raises(UsageError, match="no layout 'timit'; use one of folder, librispeech"):
        importer("timit")
    with pytest.raises(UsageError, match="'kaldi' has no option --pattern"):
        importer("kaldi", pattern="x")


def test_librispeech(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "train-clean-5/19/198/19-198.trans.txt": "19-198-0000 NORTHANGER ABBEY\n19-198-0001 GONE\n",
            "train-clean-5/19/198/19-198-0000.FLAC": "",
            "dev-clean/84/1/84-1.trans.txt": "84-1-0000 GO  DO\n",
            "dev-clean/84/1/84-1-0000.opus": "",
            "test-other/7/1/7-1.trans.txt": "7-1-0000 YES\n",
        },
    )
    assert brief(read("librispeech", tmp_path), tmp_path) == [
        ("dev-clean/84/1/84-1-0000.opus", "GO  DO", "84", "dev"),
        ("test-other/7/1/7-1-0000.wav", "YES", "7", "test"),
        ("train-clean-5/19/198/19-198-0000.FLAC", "NORTHANGER ABBEY", "19", "train"),
        ("train-clean-5/19/198/19-198-0001.wav", "GONE", "19", "train"),
    ]
    assert {row.split for row in read("librispeech", tmp_path / "train-clean-5")} == {None}
    with pytest.raises(UserError, match="does not look like LibriSpeech"):
        read("librispeech", tmp_path / "dev-clean" / "84" / "none")


def test_kaldi(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "WAVE/a.opus": "",
            "data/train/text": "u1 hello there\nu2\tGO\nu3 lost\n",
            "data/train/wav.scp": "rec1 WAVE/a.wav\nu3 WAVE/none.wav\n",
            "data/train/segments": "u1 rec1 0.5 2\nu2 rec1 2.0 -1\n",
            "data/train/utt2spk": "u1 anne\nu2 bob\n",
        },
    )
    rows = read("kaldi", tmp_path / "data")
    assert [(r.media.name, r.text, r.start, r.end, r.group) for r in rows] == [
        ("a.opus", "hello there", 0.5, 2.0, "anne"),
        ("a.opus", "GO", 2.0, None, "bob"),
        ("none.wav", "lost", None, None, None),
    ]
    assert rows[0].media == tmp_path / "WAVE" / "a.opus"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("wav.scp", "u1 sph2pipe -f wav a.sph |\n", "with a command, and recog executes none"),
        ("wav.scp", "u1 | cat a.wav\n", "with a command"),
        ("wav.scp", "u1 a.wav\nu1 b.wav\n", "'u1' twice"),
        ("segments", "u1 a\n", "line 1, is not 'utterance recording start end'"),
        ("segments", "u1 a nan 2\n", "line 1, is not 'utterance recording start end'"),
    ],
)
def test_kaldi_refuses(tmp_path: Path, name: str, text: str, reason: str) -> None:
    put(tmp_path, {"text": "u1 hello\n", "wav.scp": "u1 a.wav\n", name: text})
    with pytest.raises(UserError, match=reason):
        read("kaldi", tmp_path)


def test_sphinx(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "etc/an4_train.fileids": "an4_clstk/fash/an251-fash-b\nan4_clstk/mjan/x-mjan-b\n",
            "etc/an4_train.transcription": "<s> READ(2) ++UM++ IT <sil> </s> (an251-fash-b)\r\n"
            "HELP [NOISE] (x-mjan-b)\n",
            "etc/an4_test.fileids": "an4test_clstk/fcaw/y-fcaw-b\n",
            "etc/an4_test.transcription": "YES (y-fcaw-b)\n",
            "wav/an4_clstk/fash/an251-fash-b.sph": "",
        },
    )
    assert brief(read("sphinx", tmp_path), tmp_path) == [
        ("wav/an4test_clstk/fcaw/y-fcaw-b.wav", "YES", "fcaw", "test"),
        ("wav/an4_clstk/fash/an251-fash-b.sph", "READ IT", "fash", None),
        ("wav/an4_clstk/mjan/x-mjan-b.wav", "HELP", "mjan", None),
    ]
    put(tmp_path, {"etc/an4_test.transcription": "YES (other)\n"})
    with pytest.raises(UserError, match=r"line 1, does not end in '\(y-fcaw-b\)'"):
        read("sphinx", tmp_path)
    put(tmp_path, {"etc/an4_test.transcription": "YES (y-fcaw-b)\nNO (z)\n"})
    with pytest.raises(UserError, match=r"1 files, but an4_test\.transcription 2 texts"):
        read("sphinx", tmp_path)


def test_ljspeech(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "metadata.csv": 'LJ001-0001|In 1800 "he"|In eighteen hundred "he"\nLJ001-0002|Only this|\nLJ001-0003|Raw\n',
            "wavs/LJ001-0001.ogg": "",
        },
    )
    assert brief(read("ljspeech", tmp_path), tmp_path) == [
        ("wavs/LJ001-0001.ogg", 'In eighteen hundred "he"', None, None),
        ("wavs/LJ001-0002.wav", "Only this", None, None),
        ("wavs/LJ001-0003.wav", "Raw", None, None),
    ]
    put(tmp_path, {"metadata.csv": "nothing\n"})
    with pytest.raises(UserError, match=r"line 1, is not 'name\|text\|normalised text'"):
        read("ljspeech", tmp_path)


def test_vctk(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "txt/p225/p225_001.txt": "Please call Stella.\n",
            "txt/p226/p226_001.txt": "Two.",
            "wav48_silence_trimmed/p225/p225_001_mic2.flac": "",
            "wav48_silence_trimmed/p225/p225_001_mic1.flac": "",
            "wav48_silence_trimmed/p226/p226_001_mic2.flac": "",
        },
    )
    assert brief(read("vctk", tmp_path), tmp_path) == [
        ("wav48_silence_trimmed/p225/p225_001_mic1.flac", "Please call Stella.", "p225", None),
        ("wav48_silence_trimmed/p226/p226_001_mic2.flac", "Two.", "p226", None),
    ]


def test_commonvoice(tmp_path: Path) -> None:
    head = "client_id\tpath\tsentence\tup_votes\n"
    put(
        tmp_path,
        {
            "train.tsv": head + 'aa\tcv_1.mp3\t"Quoted\u2028line\t2\nbb\tcv_2\tTwo\t2\n',
            "dev.tsv": head + "cc\tcv_3.mp3\tThree\t2\n",
            "validated.tsv": head + "zz\tcv_9.mp3\tNine\t2\n",
            "clips/cv_1.mp3": "",
            "clips/cv_2.mp3": "",
            "clips/cv_3.opus": "",
        },
    )
    assert brief(read("commonvoice", tmp_path), tmp_path) == [
        ("clips/cv_1.mp3", '"Quoted\u2028line', "aa", "train"),
        ("clips/cv_2.mp3", "Two", "bb", "train"),
        ("clips/cv_3.opus", "Three", "cc", "dev"),
    ]
    put(tmp_path, {"dev.tsv": "client_id\tfile\n"})
    with pytest.raises(UserError, match="no column 'path', 'sentence'"):
        read("commonvoice", tmp_path)


def test_fsdd(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            f"recordings/{name}": ""
            for name in ("7_jackson_4.wav", "0_de_vries_32.opus", "readme.txt", "x.wav")
        },
    )
    assert brief(read("fsdd", tmp_path), tmp_path) == [
        ("recordings/0_de_vries_32.opus", "zero", "de_vries", None),
        ("recordings/7_jackson_4.wav", "seven", "jackson", "test"),
    ]


def test_fsdd_holds_indices_of_every_speaker_back(tmp_path: Path) -> None:
    put(
        tmp_path,
        {f"{name}.wav": "" for name in ("7_jackson_4", "7_jackson_5", "7_theo_9", "7_theo_10")},
    )
    found = {
        media: split for media, _, _, split in brief(read("fsdd", tmp_path, dev="5-9"), tmp_path)
    }
    assert found == {
        "7_jackson_4.wav": "test",
        "7_jackson_5.wav": "dev",
        "7_theo_9.wav": "dev",
        "7_theo_10.wav": "train",
    }
    with pytest.raises(UserError, match="5-9, and not 'five'"):
        read("fsdd", tmp_path, dev="five")


def test_filenames(tmp_path: Path) -> None:
    put(tmp_path, {"anne-turn_left.wav": "", "notes.txt": ""})
    (row,) = read("filenames", tmp_path, pattern="(?P<group>[a-z]+)-(?P<text>.+)")
    assert (row.text, row.group) == ("turn left", "anne")
    for pattern, reason in (
        ("(", "not a regular expression"),
        ("x", "no group"),
        (None, "needs --pattern"),
    ):
        with pytest.raises(UsageError, match=reason):
            list(importer("filenames", pattern=pattern)(tmp_path))
    with pytest.raises(UserError, match="no sound or image whose name matches"):
        read("filenames", tmp_path, pattern="(?P<text>[0-9]+)")


def test_tsv_with_header(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "clips.tsv": "speaker\tnote\tFile\tTranscript\tstart\tend\tsplit\n"
            'anne\t-\ta\t"hi\t1.5\t2\tvalidation\n'
            "bob\t-\tb.wav\tyo\t\t\t\n",
            "wavs/a.mp3": "",
        },
    )
    first, second = read("tsv", tmp_path)
    assert first == Row(tmp_path / "wavs" / "a.mp3", '"hi', 1.5, 2.0, group="anne", split="dev")
    assert second == Row(tmp_path / "b.wav", "yo", group="bob")


def test_tsv_without_header(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "a.wav": "",
            "two.tsv": "a\thello\n",
            "four.tsv": "a\thello\t0\t1\n",
            "three.tsv": "a\tv1\thello\n",
        },
    )
    assert read("tsv", tmp_path / "two.tsv") == [Row(tmp_path / "a.wav", "hello")]
    assert read("tsv", tmp_path / "four.tsv") == [Row(tmp_path / "a.wav", "hello", 0.0, 1.0)]
    assert read("tsv", tmp_path / "three.tsv", columns="path,group,text") == [
        Row(tmp_path / "a.wav", "hello", group="v1")
    ]
    with pytest.raises(UserError, match=r"3 columns and no header .* --columns path,group,text"):
        read("tsv", tmp_path / "three.tsv")
    with pytest.raises(UserError, match="has 3 tables"):
        read("tsv", tmp_path)


def test_csv_has_quotes(tmp_path: Path) -> None:
    put(tmp_path, {"a.png": "", "lines.csv": 'path,text\na.png,"one, ""two"""\n'})
    assert read("tsv", tmp_path / "lines.csv") == [Row(tmp_path / "a.png", 'one, "two"')]
    put(tmp_path, {"lines.csv": 'path,text\na.png,"open\n'})
    with pytest.raises(UserError, match="is not CSV"):
        read("tsv", tmp_path / "lines.csv")


@pytest.mark.parametrize("line", ["a.wav", "a.wav\tx\tsoon\t2", "a.wav\tx\t-1\t2", "\tx\t1\t2"])
def test_tsv_names_the_bad_line(tmp_path: Path, line: str) -> None:
    put(tmp_path, {"t.tsv": f"path\ttext\tstart\tend\nb.wav\tx\t\t\n{line}\n"})
    with pytest.raises(UserError, match="line 3"):
        read("tsv", tmp_path / "t.tsv")
