"""A run that is killed and started again ends as one that never was."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import load_file
from typer.testing import CliRunner

from recog.cli import app
from recog.errors import UserError
from recog.training.progress import Reporter
from recog.training.recogniser import ctc_loss as ctc_module
from recog.training.recogniser.run import train_recogniser
from recog.training.run_folder import folder_lock


class Kill(BaseException):
    """Stands for SIGKILL in this process: nothing of the program catches it."""


def stop_at(step: int, monkeypatch) -> None:
    plain = Reporter.step

    def counted(self, number, *rest):
        plain(self, number, *rest)
        if number == step:
            raise Kill

    monkeypatch.setattr(Reporter, "step", counted)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "training" / "last.safetensors")


@pytest.fixture
def whole(recipe_file: Path, tmp_path: Path) -> Path:
    out = tmp_path / "whole"
    train_recogniser(recipe_file, out, None)
    return out


def test_killed_in_the_middle_of_an_epoch_ends_bitwise_the_same(
    recipe_file, whole, tmp_path, monkeypatch
):
    out = tmp_path / "killed"
    monkeypatch.setattr("recog.training.loop.CHECKPOINT_SECONDS", 0.0)
    for step in (2, 7, 8):
        with monkeypatch.context() as patch:
            stop_at(step, patch)
            with pytest.raises(Kill):
                train_recogniser(recipe_file, out, None)
    train_recogniser(recipe_file, out, None)
    expected, got = weights(whole), weights(out)
    assert expected.keys() == got.keys() and len(expected) > 50
    for name, value in expected.items():
        assert torch.equal(value, got[name]), name
    assert (whole / "model.onnx").read_bytes() == (out / "model.onnx").read_bytes()


def test_the_log_has_every_step_once(recipe_file, tmp_path, monkeypatch):
    out = tmp_path / "log"
    monkeypatch.setattr("recog.training.progress.LOG_EVERY", 1)
    with monkeypatch.context() as patch:  # no checkpoint inside the epoch: its steps are done again
        stop_at(7, patch)
        with pytest.raises(Kill):
            train_recogniser(recipe_file, out, None)
    train_recogniser(recipe_file, out, None)
    entries = [
        json.loads(line) for line in (out / "training" / "log.jsonl").read_text().splitlines()
    ]
    steps = [entry["step"] for entry in entries if "learning_rate" in entry]
    assert steps == list(range(1, max(steps) + 1))
    assert [entry["epoch"] for entry in entries if "cer" in entry] == [1, 2, 3]
    assert len([entry for entry in entries if "cer" in entry][-1]["samples"]) == 3


def test_ctrl_c_saves_and_goes_on(recipe_file, whole, tmp_path, monkeypatch):
    out = tmp_path / "interrupted"
    plain = Reporter.step

    def interrupt(self, number, *rest):
        plain(self, number, *rest)
        if number == 6:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_recogniser(recipe_file, out, None)
    train_recogniser(recipe_file, out, None)
    assert all(torch.equal(v, weights(out)[k]) for k, v in weights(whole).items())


def test_a_finished_run_says_so(recipe_file, whole, capsys):
    before = (whole / "model.safetensors").stat().st_mtime_ns
    train_recogniser(recipe_file, whole, None)
    assert "finished" in capsys.readouterr().err
    assert (whole / "model.safetensors").stat().st_mtime_ns == before


def test_a_changed_recipe_is_refused_by_name(recipe_file, whole):
    recipe_file.write_text(
        recipe_file.read_text().replace("learning_rate: 0.01", "learning_rate: 0.02")
    )
    with pytest.raises(UserError, match=r"training\.learning_rate was 0\.01 and is 0\.02"):
        train_recogniser(recipe_file, whole, None)


def test_changed_transcripts_are_refused(recipe_file, whole, lines):
    file = lines / "line05.gt.txt"
    before = file.read_text()
    file.write_text("bbbb\n")
    try:
        with pytest.raises(UserError, match=r"transcripts of 'lines.*' have changed"):
            train_recogniser(recipe_file, whole, None)
    finally:
        file.write_text(before)


def test_a_damaged_checkpoint_is_named(recipe_file, whole):
    last = whole / "training" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"last\.safetensors: the checkpoint is damaged"):
        train_recogniser(recipe_file, whole, None)


@pytest.mark.slow
def test_sigkill(recipe_file, whole, tmp_path):
    out = tmp_path / "sigkill"
    program = (
        "import os, sys; from pathlib import Path; from recog.training import loop\n"
        "from recog.training.progress import Reporter\n"
        "loop.CHECKPOINT_SECONDS = 0.0; plain = Reporter.step\n"
        "def step(self, n, *rest):\n"
        "    plain(self, n, *rest)\n"
        "    if n == 7: os.kill(os.getpid(), 9)\n"
        "Reporter.step = step\n"
        "from recog.training.recogniser.run import train_recogniser\n"
        "train_recogniser(Path(sys.argv[1]), Path(sys.argv[2]), None)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(recipe_file), str(out)], capture_output=True
    )
    assert killed.returncode == -9
    again = subprocess.run(
        [sys.executable, "-m", "recog", "train", str(recipe_file), "--out", str(out)],
        capture_output=True,
    )
    assert again.returncode == 0, again.stderr.decode()
    assert all(torch.equal(v, weights(out)[k]) for k, v in weights(whole).items())


@pytest.mark.slow
def test_two_processes_train_as_one(recipe_file, tmp_path):
    """The global batch is formed first and then shared out: with dropout 0 torchrun on two
    processes gives one's weights."""
    text = recipe_file.read_text().replace("hidden: 16", "hidden: 16\n  dropout: 0.0")
    # bf16 rounds more than 1e-4
    recipe_file.write_text(text.replace("epochs: 3", "epochs: 3, amp: 'off'"))
    train_recogniser(recipe_file, tmp_path / "one", None)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*torchrun, "-m", "recog", "train", str(recipe_file), "--out", str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    two = weights(tmp_path / "two")
    for name, value in weights(tmp_path / "one").items():
        if name.startswith("network."):
            torch.testing.assert_close(two[name], value, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(recipe_file, tmp_path):
    """Of a batch twice as large, for 20 steps, in float32 and without dropout."""
    text = (
        recipe_file.read_text()
        .replace("hidden: 16", "hidden: 16\n  dropout: 0.0")
        .replace("epochs: 3", "epochs: 5, amp: 'off'")
    )
    recipe_file.write_text(text)
    program = tmp_path / "each_step.py"
    program.write_text(
        "import sys; from pathlib import Path; from recog.training import progress; progress.LOG_EVERY = 1\n"
        "from recog.training.recogniser.run import train_recogniser\n"
        "train_recogniser(Path(sys.argv[1]), Path(sys.argv[2]), None)\n"
    )
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    losses = {}
    for name, launcher in (("one", []), ("two", torchrun)):
        command = [sys.executable, *launcher, str(program), str(recipe_file), str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        entries = map(
            json.loads, (tmp_path / name / "training" / "log.jsonl").read_text().splitlines()
        )
        losses[name] = [(e["loss"], e["shortcut_loss"]) for e in entries if "gradient_norm" in e][
            :20
        ]
    assert len(losses["one"]) == 20
    assert losses["two"] == [pytest.approx(pair, rel=1e-4) for pair in losses["one"]]


def test_a_kill_while_gradients_are_accumulated(recipe_file, tmp_path, monkeypatch):
    recipe_file.write_text(recipe_file.read_text().replace("epochs: 3", "epochs: 3, accumulate: 2"))
    train_recogniser(recipe_file, tmp_path / "whole", None)
    with monkeypatch.context() as patch:
        patch.setattr("recog.training.loop.CHECKPOINT_SECONDS", 0.0)
        stop_at(4, patch)
        with pytest.raises(Kill):
            train_recogniser(recipe_file, tmp_path / "killed", None)
    train_recogniser(recipe_file, tmp_path / "killed", None)
    assert all(
        torch.equal(v, weights(tmp_path / "killed")[k])
        for k, v in weights(tmp_path / "whole").items()
    )


def test_a_checkpoint_from_before_an_option_existed_goes_on(recipe_file, whole):
    """Its identity does not name the option; the default is what it was trained with."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    last = whole / "training" / "last.safetensors"
    with safe_open(last, framework="pt") as file:
        metadata = file.metadata()
    state = json.loads(metadata["state"])
    recipe = state["identity"]["recipe"]
    del recipe["training"]["accumulate"], recipe["training"]["freeze"]
    del state["progress"]["cpu_seconds"], state["progress"]["joules"]
    save_file(load_file(last), last, metadata={**metadata, "state": json.dumps(state)})
    train_recogniser(recipe_file, whole, None)
    recipe["training"]["augment"] = False
    save_file(load_file(last), last, metadata={**metadata, "state": json.dumps(state)})
    with pytest.raises(UserError, match="augment was false and is true"):
        train_recogniser(recipe_file, whole, None)


def test_a_kill_during_the_export_is_made_good(recipe_file, whole, tmp_path, monkeypatch):
    out = tmp_path / "export"

    def kill(*_args, **_options):
        raise Kill

    with monkeypatch.context() as patch:
        patch.setattr("recog.training.recogniser.export.score_model_folder", kill)
        with pytest.raises(Kill):
            train_recogniser(recipe_file, out, None)
    train_recogniser(recipe_file, out, None)
    assert (
        json.loads((out / "config.json").read_text())["dev"]
        == json.loads((whole / "config.json").read_text())["dev"]
    )


def test_another_base_model_is_refused(recipe_file, whole, tmp_path, monkeypatch):
    out = tmp_path / "tuned"
    with monkeypatch.context() as patch:
        stop_at(2, patch)
        patch.setattr("recog.training.loop.CHECKPOINT_SECONDS", 0.0)
        with pytest.raises(Kill):
            train_recogniser(recipe_file, out, str(whole))
    with pytest.raises(UserError, match="base model was"):
        train_recogniser(recipe_file, out, None)


def test_a_second_training_in_one_folder_is_refused(recipe_file, whole, monkeypatch):
    monkeypatch.setattr("recog.training.run_folder.LOCK_PATIENCE", 0.0)
    fcntl = pytest.importorskip("fcntl")
    with (whole / "training" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another training is running"):
            train_recogniser(recipe_file, whole, None)


def test_what_lingers_of_a_killed_training_is_waited_for(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    from threading import Timer

    with (tmp_path / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Timer(0.6, lambda: fcntl.flock(lock, fcntl.LOCK_UN)).start()
        with folder_lock(tmp_path):
            pass


@pytest.mark.parametrize("modality", ["text", "page"])
def test_what_one_process_trains_is_not_begun_by_several(tmp_path, monkeypatch, modality):
    source = {"text": "{path: a.txt}", "page": "{path: pages, layout: page}"}[modality]
    (tmp_path / "r.yaml").write_text(
        f"name: r\nmodality: {modality}\ndata: [{source}]\n", encoding="utf-8"
    )
    monkeypatch.setenv("WORLD_SIZE", "2")
    result = CliRunner().invoke(
        app, ["train", str(tmp_path / "r.yaml"), "--out", str(tmp_path / "out")]
    )
    assert (
        result.exit_code == 2
        and "leave torchrun out" in result.output
        and not (tmp_path / "out").exists()
    )


def test_divergence_is_told(recipe_file, tmp_path, monkeypatch):
    monkeypatch.setattr("recog.training.loop.MAX_SKIPPED_UPDATES", 3)
    monkeypatch.setattr(ctc_module, "ctc", lambda log_probs, *_: log_probs.sum() * float("nan"))
    with pytest.raises(UserError, match=r"diverged.*--learning-rate"):
        train_recogniser(recipe_file, tmp_path / "diverged", None)
