"""``recog transcribe`` and ``recog ocr`` on batches with bad luck in them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recog.batch.files import collect
from recog.errors import UsageError
from recog.util.atomic_files import write_text

SAMPLES = Path(__file__).parent.parent.parent / "data" / "samples"


def command(*arguments: object, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "recog", *map(str, arguments)],
        capture_output=True,
        text=True,
        **options,
    )


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_folders_keep_their_tree(tmp_path):
    touch(tmp_path / "in/a/x.wav"), touch(tmp_path / "in/b/x.mp3"), touch(tmp_path / "in/notes.txt")
    found = collect([str(tmp_path / "in")], (".wav", ".mp3"), tmp_path / "out", "txt")
    assert [e.target for e in found] == [
        str(tmp_path / "out/a/x.txt"),
        str(tmp_path / "out/b/x.txt"),
    ]


def test_two_inputs_of_one_name_are_an_error_before_work(tmp_path):
    a, b = touch(tmp_path / "a/x.wav"), touch(tmp_path / "b/x.mp3")
    with pytest.raises(UsageError, match=r"x\.txt"):
        collect([str(a), str(b)], (".wav",), tmp_path / "out", "txt")
    with pytest.raises(UsageError, match=r"x\.wav is given twice; give it once"):
        collect([str(a), str(a)], (".wav",), tmp_path / "out", "txt")
    assert len(collect([str(a), str(b)], (".wav",), None, "txt")) == 2


def test_names_with_line_ends_and_tabs_keep_a_line_a_line(tmp_path):
    shutil.copy(SAMPLES / "garden.png", tmp_path / "a\nb\tc.png")
    (tmp_path / "d\ne.png").write_bytes(b"no image")
    done = command("ocr", "--names", "--beam", "0", tmp_path)
    (line,) = done.stdout.splitlines()
    assert line.startswith(str(tmp_path / r"a\nb\tc.png") + "\t") and line.count("\t") == 1
    assert [text for text in done.stderr.splitlines() if r"d\ne.png" in text], done.stderr
    assert done.returncode == 1


def test_a_file_where_a_folder_is_needed_is_told_as_that(tmp_path):
    file = touch(tmp_path / "file")
    for options in (("--failures", file / "x.tsv"), ("--output", file), ("--log-probs", file)):
        done = command("ocr", SAMPLES / "garden.png", "--beam", "0", *options)
        assert done.returncode == 1 and "there is a file where a folder is needed" in done.stderr, (
            done.stderr
        )
        assert (
            str(file) in done.stderr
            and ".part" not in done.stderr
            and "Traceback" not in done.stderr
        )


def test_standard_input_once(tmp_path):
    assert collect(["-"], (), tmp_path, "srt")[0].target == str(tmp_path / "stdin.srt")
    with pytest.raises(UsageError):
        collect(["-", "-"], (), None, "txt")


def test_an_empty_folder_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="no file in this folder"):
        collect([str(tmp_path)], (".wav",), None, "txt")


def test_nothing_half_written(tmp_path):
    write_text(tmp_path / "deep/er/a.txt", "é\n")
    assert (tmp_path / "deep/er/a.txt").read_text(encoding="utf-8") == "é\n"
    assert [p.name for p in (tmp_path / "deep/er").iterdir()] == ["a.txt"]


def test_a_result_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "a.txt").mkdir()  # in the way
    with pytest.raises(OSError):
        write_text(tmp_path / "a.txt", "text")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_many_inputs_are_looked_at_once_each(tmp_path):
    names = [str(tmp_path / f"{i}.wav") for i in range(20_000)]
    # minutes, if each looked at all others
    assert len(collect(names, (".wav",), tmp_path / "out", "txt")) == 20_000


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_the_progress_bar_leaves_standard_output_alone():
    import pty

    program = (
        "from recog.batch.progress import progress_display\n"
        "with progress_display(printing=True) as show:\n"
        "    for text in ('one', 'two'): print(text, flush=True); show(0.5, 'half')\n"
    )
    terminal, screen = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=screen, text=True
        )
        os.close(screen)
        shown = os.read(terminal, 10_000).decode()
    finally:
        os.close(terminal)
    assert done.stdout == "one\ntwo\n" and "one" not in shown and "50%" in shown and "half" in shown


@pytest.mark.parametrize("kind", ["transcribe", "ocr"])
def test_bad_files_get_a_sentence_each_and_good_ones_are_done(kind, tmp_path):
    good = SAMPLES / ("weather.wav" if kind == "transcribe" else "garden.png")
    rng = np.random.default_rng(0)
    files = {
        f"empty{good.suffix}": b"",
        f"random{good.suffix}": rng.bytes(5000),
        f"text{good.suffix}": b"this is a text\n" * 20,
        f"header{good.suffix}": good.read_bytes()[:20],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    shutil.copy(good, tmp_path / "renamed.xyz")
    names = [*files, "absent.dat", "renamed.xyz"]
    done = command(kind, *(tmp_path / n for n in names), "--output", tmp_path / "out")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    *lines, summary = done.stderr.strip().splitlines()
    # and not how far the batch is
    errors = [line for line in lines if line.startswith(f"recog: {tmp_path}")]
    assert len(errors) == 5 and summary == "recog: 5 of 6 files failed.", done.stderr
    for name in [*files, "absent.dat"]:
        assert sum(name in line for line in errors) == 1
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["renamed.txt"]
    assert (tmp_path / "out/renamed.txt").read_text().strip()


def test_cut_sound_is_transcribed_up_to_the_cut_with_a_warning(tmp_path):
    whole = (SAMPLES / "letter.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    done = command("transcribe", tmp_path / "cut.wav")
    assert done.returncode == 1 and "cut.wav" in done.stderr
    full = command("transcribe", SAMPLES / "letter.wav")
    assert 0 < len(done.stdout.strip()) < len(full.stdout.strip())


@pytest.mark.parametrize(
    "engine", [(), ("--jobs", 2), pytest.param(("--engine", "ray"), marks=pytest.mark.slow)]
)
def test_a_remark_is_told_and_only_damage_is_a_failure(tmp_path, engine):
    if "ray" in engine:
        pytest.importorskip("ray")
    samples, rate = soundfile.read(SAMPLES / "letter.wav", dtype="int16")
    whole = (SAMPLES / "letter.wav").read_bytes()
    soundfile.write(tmp_path / "inverse.wav", np.stack((samples, -samples), axis=1), rate)
    soundfile.write(tmp_path / "silent.wav", 0 * samples, rate)
    (tmp_path / "long.wav").write_bytes(
        whole[:40] + (len(samples)).to_bytes(4, "little") + whole[44:]
    )
    remarked = {
        "inverse": "each other's inverse",
        "silent": "every sample is 0",
        "long": "header that states",
    }
    failures, out = tmp_path / "failures.tsv", tmp_path / "out"
    options = (*engine, "--beam", 0, "--output", out, "--format", "json", "--failures", failures)
    paths = [tmp_path / f"{name}.wav" for name in remarked]

    done = command("transcribe", *paths, *options)
    assert done.returncode == 0 and failures.read_text() == "" and "failed" not in done.stderr
    for name, sentence in remarked.items():
        assert (
            len(
                [
                    line
                    for line in done.stderr.splitlines()
                    if sentence in line and f"{name}.wav" in line
                ]
            )
            == 1
        )
        document = json.loads((out / f"{name}.json").read_text())
        assert (
            len(document["warnings"]) == 1
            and sentence in document["warnings"][0]
            and "damage" not in document
        )

    inverse = (tmp_path / "inverse.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(inverse[: len(inverse) // 2])
    done = command("transcribe", *paths, tmp_path / "cut.wav", *options, "--skip-existing")
    document = json.loads((out / "cut.json").read_text())
    assert (
        done.returncode == 1
        and len(document["warnings"]) == 2
        and document["damage"] == document["warnings"][:1]
    )
    assert "cut short" in document["damage"][0] and all(
        warning in done.stderr for warning in document["warnings"]
    )
    name, reason = failures.read_text().removesuffix("\n").split("\t")
    assert name == str(tmp_path / "cut.wav") and "cut short" in reason and "inverse" not in reason
    assert not any(name in done.stderr for name in ("inverse.wav", "silent.wav", "long.wav"))

    done = command("transcribe", *paths, tmp_path / "cut.wav", *options, "--skip-existing")
    assert (done.returncode, done.stderr, failures.read_text()) == (0, "", "")


def test_skip_existing(tmp_path):
    (tmp_path / "weather.txt").write_text("kept")
    arguments = (
        "transcribe",
        SAMPLES / "weather.wav",
        SAMPLES / "numbers.wav",
        "--output",
        tmp_path,
    )
    assert command(*arguments, "--skip-existing").returncode == 0
    assert (tmp_path / "weather.txt").read_text() == "kept" and (tmp_path / "numbers.txt").exists()
    (tmp_path / "list.tsv").write_text("weather.wav\tbroken\n")
    assert (
        command(*arguments, "--skip-existing", "--failures", tmp_path / "list.tsv").returncode == 0
    )
    assert (tmp_path / "list.tsv").read_text() == "", "of an earlier run"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("transcribe",), 2, "FILES"),
        (("transcribe", "x.wav", "--format", "doc"), 2, "doc"),
        (("transcribe", "x.wav", "--model", "nothing"), 1, "no model 'nothing'"),
        (("transcribe", "x.wav", "--model", "latin-handwriting"), 2, "not for speech"),
        (("transcribe", "x.wav", "--n-best", "5", "--beam", "3"), 2, "--beam"),
        (("transcribe", "x.wav", "--beam", "0", "--lm", "model.arpa"), 2, "--beam"),
        (("ocr", "x.png", "--layout", "columns"), 2, "columns"),
        (("ocr", "x.png", "--page-model", "nothing"), 2, "no page model 'nothing'"),
        (("ocr", "x.png", "--language", "Greek"), 2, "for French and English, not for Greek"),
        (("ocr", "x.png", "--language", "English", "--beam", "0"), 2, "--language"),
        (("ocr", "x.png", "y.png", "--lm", "nothing.arpa"), 1, "nothing.arpa"),
        (("train", "no-such-folder"), 1, "no such file"),
        (("evaluate", "no-such-file", "other"), 1, "no-such-file"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_wrong_usage(arguments, code, message):
    done = command(*arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr


def test_help_and_version():
    assert "transcribe" in command("--help").stdout
    assert command("--version").stdout.startswith("recog 0.")


def test_using_recog_imports_no_torch_and_best_path_no_numba():
    program = (
        "import sys, recog; recog.load('english-speech', beam=0).transcribe(sys.argv[1])\n"
        "assert not {'torch', 'numba', 'onnx'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(SAMPLES / "numbers.wav")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_true_text_beside_its_recording_is_not_overwritten(tmp_path):
    shutil.copy(SAMPLES / "numbers.wav", tmp_path / "numbers.wav")
    (tmp_path / "numbers.txt").write_text("the truth")
    done = command("transcribe", tmp_path, "--output", tmp_path)
    assert done.returncode == 2 and "numbers.txt is there already" in done.stderr
    assert (tmp_path / "numbers.txt").read_text() == "the truth"
    assert command("transcribe", tmp_path, "--output", tmp_path, "--format", "json").returncode == 0


def test_hotwords_come_with_or_without_a_boost(tmp_path):
    from recog.cli.batch import read_hotwords
    from recog.errors import UserError

    path = tmp_path / "names.txt"
    path.write_text("Ada Lovelace\n\nriver\t8\n", encoding="utf-8")
    assert read_hotwords(path) == {"Ada Lovelace": 5.0, "river": 8.0}
    path.write_text("river\tfar\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 1: 'far' is not a number"):
        read_hotwords(path)


def test_kept_outputs_of_one_name_are_refused_before_work(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(SAMPLES / "numbers.wav", tmp_path / folder / "one.wav")
    done = command("transcribe", tmp_path / "a", tmp_path / "b", "--log-probs", tmp_path / "kept")
    assert (
        done.returncode == 2
        and "would both be saved" in done.stderr
        and not (tmp_path / "kept").exists()
    )


def test_log_probs_are_kept_for_decode(tmp_path):
    sound, log_probs = SAMPLES / "numbers.wav", tmp_path / "kept"
    said = command("transcribe", sound, "--beam", "0", "--log-probs", log_probs)
    assert said.returncode == 0, said.stderr
    again = command(
        "decode", log_probs / "numbers.npz", "--symbols", log_probs / "symbols.json", "--beam", "1"
    )
    assert again.returncode == 0 and again.stdout.split()[:3] == said.stdout.split()[:3]


def test_what_is_kept_is_what_the_text_came_from(tmp_path):
    model = Path(__file__).parent.parent.parent / "recog" / "pretrained" / "english-speech"
    tuned = json.loads((model / "config.json").read_text())["decoding"]
    sounds = [SAMPLES / f"{name}.wav" for name in ("weather", "letter")]
    options = ("--looks", "once", "--rescore", "none", "--log-probs", tmp_path)
    said = command("transcribe", *sounds, *options)
    assert said.returncode == 0, said.stderr
    again = command(
        "decode", *(tmp_path / f"{sound.stem}.npz" for sound in sounds), "--symbols",
        tmp_path / "symbols.json",
        "--lm", model / "lm.bin", "--lexicon", model / "pronunciations.tsv", "--closed-vocabulary",
        "--beam", str(tuned["beam"]), "--alpha", str(tuned["alpha"]), "--beta", str(tuned["beta"]),
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert again.stdout == said.stdout and "the river" in said.stdout


def test_a_hotword_that_cannot_be_spelled_is_told_once(tmp_path):
    (tmp_path / "hot.txt").write_text("дом\nRiver\n", encoding="utf-8")
    sounds = [SAMPLES / f"{name}.wav" for name in ("weather", "letter")]
    said = command("transcribe", *sounds, "--hotwords", tmp_path / "hot.txt", "--jobs", "2")
    assert said.returncode == 0 and "the river" in said.stdout
    assert said.stderr.count("The hotword 'дом' is left out") == 1
