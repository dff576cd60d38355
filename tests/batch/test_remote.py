"""Inputs and outputs by URL: the same results as by path, and a sentence for whatever goes
wrong."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recog.batch import remote
from recog.batch.files import Input, collect, write_result
from recog.batch.outputs import existing_results
from recog.cli import app
from recog.errors import UsageError, UserError

fsspec = pytest.importorskip("fsspec", reason="needs fsspec (the extra of this name)")
SAMPLES = Path(__file__).parent.parent.parent / "data" / "samples"


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def test_a_file_url_is_a_path(tmp_path):
    assert remote.local((tmp_path / "a b é.wav").as_uri()) == str(tmp_path / "a b é.wav")
    assert remote.local("s3://bucket/x") == "s3://bucket/x" and remote.local("a.wav") == "a.wav"
    assert (
        not remote.is_url("C:\\x.wav") and not remote.is_url("a/b.wav") and remote.is_url("s3://b")
    )


def test_folders_by_url_keep_their_tree(memory):
    for name in ("/in/a/x.wav", "/in/b/x.WAV", "/in/notes.txt"):
        memory.pipe_file(name, b"")
    found = collect(["memory://in/"], (".wav",), "memory://out", "srt")
    assert found == [
        Input("memory://in/a/x.wav", "memory://out/a/x.srt"),
        Input("memory://in/b/x.WAV", "memory://out/b/x.srt"),
    ]
    assert collect(["memory://in/a/x.wav"], (), "there", "txt")[0].target == str(
        Path("there", "x.txt")
    )
    with pytest.raises(UsageError, match="no file in this folder"):
        collect(["memory://in"], (".mp3",), None, "txt")
    memory.pipe_file("/in/a/x.wave", b"")
    with pytest.raises(UsageError, match="both be written"):
        collect(["memory://in"], (".wav", ".wave"), "memory://out", "txt")


def test_results_and_hidden_files_of_a_url_are_no_inputs(memory):
    for name in (
        "/in/a/x.wav",
        "/in/a/._x.wav",
        "/in/.b/y.wav",
        "/in/out/z.wav",
        "/in/outer/u.wav",
    ):
        memory.pipe_file(name, b"")
    names = [entry.name for entry in collect(["memory://in"], (".wav",), "memory://in/out/", "txt")]
    assert names == ["memory://in/a/x.wav", "memory://in/outer/u.wav"]


def test_results_that_are_there(memory, tmp_path):
    (tmp_path / "here.txt").touch()
    memory.pipe_file("/out/a/1.txt", b"")
    names = [
        "memory://out/a/1.txt",
        "memory://out/a/2.txt",
        "memory://none/1.txt",
        str(tmp_path / "here.txt"),
    ]
    inputs = [Input("x", name) for name in [*names, str(tmp_path / "absent.txt")]]
    assert existing_results(inputs, "txt") == {names[0]: names[0], names[3]: names[3]}
    memory.pipe_file("/out/book-0001.xml", b"")
    assert existing_results([Input("x", "memory://out/book.xml")], "page") == {
        "memory://out/book.xml": "memory://out/book-0001.xml"
    }


def test_a_result_is_written_whole_or_not_at_all(memory, monkeypatch):
    write_result("memory://deep/er/a.txt", b"text")
    assert memory.cat("/deep/er/a.txt") == b"text"

    class Full(type(memory.open("/deep/er/b.txt", "wb"))):
        def write(self, content):
            super().write(content[:2])
            raise OSError(28, "No space left on device")

    memory.rm("/deep/er/b.txt")
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFile", Full)
    with pytest.raises(
        UserError, match=r"memory://deep/er/b.txt: cannot be written .*No space left"
    ):
        write_result("memory://deep/er/b.txt", b"text")
    assert not memory.exists("/deep/er/b.txt")


def test_from_files_into_memory_and_back(memory, tmp_path):
    shutil.copy(SAMPLES / "numbers.wav", tmp_path / "one.wav")
    shutil.copy(SAMPLES / "weather.wav", tmp_path / "two.wav")
    (tmp_path / "three.wav").write_bytes(b"no sound")
    arguments = ["transcribe", tmp_path.as_uri(), "--beam", "0"]
    plain = CliRunner().invoke(app, [*arguments, "--output", str(tmp_path / "out")])
    there = CliRunner().invoke(app, [*arguments, "--output", "memory://out"])
    assert plain.exit_code == there.exit_code == 1 and there.output == plain.output
    written = {Path(name).name: memory.cat(name) for name in memory.find("/out")}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(written) == {"one.txt", "two.txt"} and all(written.values())

    memory.pipe_file("/in/one.wav", (tmp_path / "one.wav").read_bytes())
    memory.pipe_file("/in/three.wav", b"no sound")
    memory.pipe_file("/out/two.txt", b"kept")
    again = CliRunner().invoke(
        app, ["transcribe", "memory://in", "--beam", "0", "--output", "memory://out"]
    )
    assert (
        again.exit_code == 1
        and "memory://in/three.wav" in again.output
        and "recog-" not in again.output
    )
    assert (
        memory.cat("/out/one.txt") == written["one.txt"] and memory.cat("/out/two.txt") == b"kept"
    )
    done = CliRunner().invoke(app, [*arguments, "--output", "memory://out", "--skip-existing"])
    assert done.exit_code == 1 and "1 of" not in done.output and "three.wav" in done.output


def test_a_warning_names_the_url(memory):
    whole = (SAMPLES / "letter.wav").read_bytes()
    memory.pipe_file("/in/cut.wav", whole[: len(whole) // 2])
    arguments = ["transcribe", "memory://in/cut.wav", "--beam", "0", "--output", "memory://out"]
    done = CliRunner().invoke(app, arguments)
    assert (
        done.exit_code == 1
        and done.output.startswith("recog: memory://in/cut.wav")
        and memory.cat("/out/cut.txt")
    )
    done = CliRunner().invoke(app, [*arguments, "--format", "json"])
    document = json.loads(memory.cat("/out/cut.json"))
    assert document["damage"] == document["warnings"] and document["damage"][0].startswith(
        "memory://in/cut.wav is cut"
    )


@pytest.mark.parametrize(
    ("url", "kind", "message"),
    [
        ("nonsense://a/b.wav", UsageError, "nonsense"),
        ("memory://absent.wav", UserError, "memory://absent.wav: there is no such file"),
    ],
)
def test_urls_of_nothing(url, kind, message, memory):
    with pytest.raises(kind, match=message), Input(url).open():
        pass


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(UserError, match=r'pip install "recog\[fsspec\]"'):
        collect(["s3://bucket/folder"], (".wav",), None, "txt")
