"""What goes into a batch, and where each result goes."""

import errno
import os
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recog.batch.failures import Failures
from recog.batch.files import Input, collect, sizes, write_result
from recog.batch.outputs import existing_results
from recog.errors import UserError
from recog.util.atomic_files import to_utf8, write_bytes
from recog.util.folders import walk

SOUND = frozenset({".wav"})


def test_a_folder_is_walked_in_the_order_of_names_and_links_to_folders_are_left_alone(tmp_path):
    for name in ("b.wav", "a/z.wav", "a/A.WAV", "a.wav", "c/deep/er/x.wav", "c/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "b" / "gone.wav").parent.mkdir()
    (tmp_path / "b" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    found = [os.path.relpath(name, tmp_path) for name in walk(str(tmp_path), SOUND)]
    assert found == ["a/A.WAV", "a/z.wav", "a.wav", "b/gone.wav", "b.wav", "c/deep/er/x.wav"]


def test_results_are_no_inputs_and_hidden_files_are_read_by_name_only(tmp_path):
    for name in (
        "in/a.png",
        "in/sub/b.png",
        "in/out/a.pdf",
        "in/out/sub/b.pdf",
        "in/._a.png",
        "in/.c/d.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    known = frozenset({".png", ".pdf"})

    def inputs(arguments, output):
        found = collect(
            [str(tmp_path / name) for name in arguments], known, tmp_path / output, "pdf"
        )
        return [os.path.relpath(entry.name, tmp_path) for entry in found]

    assert inputs(["in"], "in/out") == ["in/a.png", "in/sub/b.png"]
    assert inputs(["in"], "elsewhere") == [
        "in/a.png",
        "in/out/a.pdf",
        "in/out/sub/b.pdf",
        "in/sub/b.png",
    ]
    assert inputs(["in/._a.png", "in/.c"], "in/out") == ["in/._a.png", "in/.c/d.png"]
    (tmp_path / "in/a.pdf").touch()
    (tmp_path / "in/out/a.pdf").unlink()
    (tmp_path / "in/out/sub/b.pdf").unlink()
    assert inputs(["in"], "in") == ["in/a.png", "in/sub/b.png"]  # a.pdf is the result of a.png
    (tmp_path / "in/scan.pdf").touch()
    assert "in/scan.pdf" in inputs(["in"], "in")


def test_a_result_is_there_in_whatever_composition_its_name_has(tmp_path):
    one, two = "\u00e9", "e\u0301"
    (tmp_path / f"{two}.txt").touch()
    inputs = [
        Input("x", str(tmp_path / f"{one}.txt")),
        Input("y", str(tmp_path / "none" / f"{one}.txt")),
    ]
    assert list(existing_results(inputs, "txt")) == [str(tmp_path / f"{one}.txt")]
    both = [Input("x", str(tmp_path / f"{one}.txt")), Input("y", str(tmp_path / f"{two}.txt"))]
    if not (tmp_path / f"{one}.txt").exists():
        assert list(existing_results(both, "txt")) == [str(tmp_path / f"{two}.txt")]


def test_a_folder_that_cannot_be_listed_is_not_left_out_silently(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "one.wav").touch()
    scandir = os.scandir

    def closed(folder):
        if str(folder).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(UserError, match=r"closed: cannot be listed \(Permission denied\)"):
        collect([str(tmp_path)], SOUND, None, "txt")


def test_names_that_no_encoding_fits_and_names_that_are_not_latin(tmp_path):
    names = ["рукопись.wav", "手紙.wav", "a\tb\nc.wav"]
    if sys.platform == "linux":
        names.append(os.fsdecode(b"\xff\xfe.wav"))
    for name in names:
        (tmp_path / name).touch()
    found = collect([str(tmp_path)], SOUND, tmp_path / "out", "srt")
    assert {Path(entry.target or "").name for entry in found} == {
        n.removesuffix("wav") + "srt" for n in names
    }
    assert all(Path(entry.name).exists() for entry in found)


def test_sizes(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "empty").touch()
    inputs = [Input(str(tmp_path / name)) for name in ("a", "empty", "absent")]
    assert sizes(inputs) == [5, 1, 1] and sizes([*inputs, Input("s3://bucket/a")]) == [1, 1, 1, 1]


def test_encoded():
    assert to_utf8("é\n") == "é\n".encode() and to_utf8("\udcff") == rb"\udcff"


def unescaped(text: str) -> str:
    pairs = {"\\\\": "\\", "\\t": "\t", "\\n": "\n", "\\r": "\r"}
    parts, i = [], 0
    while i < len(text):
        step = 2 if text[i] == "\\" else 1
        parts.append(pairs.get(text[i : i + step], text[i : i + step]))
        i += step
    return "".join(parts)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)))))
def test_the_list_of_failures_holds_every_name(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("list") / "deep" / "failures.tsv"
    with Failures(path) as failures:
        for name in names:
            failures.add(name, ["a reason"])
        failures.add("whole", [])
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    assert [unescaped(name) for name, _ in rows] == names and failures.count == len(names)
    assert all(reason == "a reason" for _, reason in rows) and [
        p.name for p in path.parent.iterdir()
    ] == [path.name]


def test_what_failed_is_known_even_where_the_batch_was_killed(tmp_path):
    path = tmp_path / "failures.tsv"
    failures = Failures(path).__enter__()
    failures.add("a.wav", ["first", "second"])
    assert (
        tmp_path / "failures.tsv.part"
    ).read_text() == "a.wav\tfirst\na.wav\tsecond\n" and not path.exists()
    failures.__exit__(None, None, None)
    assert path.exists() and failures.count == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_written_into_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_bytes(pipe, b"content")
    reader.join(10)
    assert got == [b"content"] and pipe.is_fifo()


def test_a_result_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.txt"
    named: list[bool] = []
    plain = os.fsync

    def watched(number: int) -> None:
        named.append(target.exists())
        plain(number)

    monkeypatch.setattr(os, "fsync", watched)
    write_bytes(target, b"one")
    (tmp_path / "beside").write_bytes(b"two")
    write_result(str(tmp_path / "b.txt"), tmp_path / "beside")
    assert named == [False, True]
    assert target.read_bytes() == b"one" and (tmp_path / "b.txt").read_bytes() == b"two"


@pytest.mark.parametrize(("number", "written"), [(errno.ENOSPC, False), (errno.EINVAL, True)])
def test_a_disk_that_is_full_only_at_the_end_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, written: bool
) -> None:
    def refused(_number: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refused)
    if written:  # EINVAL: the file system has no such thing, and the file is there all the same
        write_bytes(tmp_path / "a.txt", b"one")
    else:
        with pytest.raises(OSError, match="space"):
            write_bytes(tmp_path / "a.txt", b"one")
    assert [path.name for path in tmp_path.iterdir()] == (["a.txt"] if written else [])
