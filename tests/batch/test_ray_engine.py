"""``--engine ray``: the same files from a cluster as from this machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recog.batch.files import Input
from recog.batch.ray_engine import Actor, RayCluster
from recog.batch.work import FileRecogniser, Task
from recog.cli import app
from recog.errors import UserError

SAMPLES = Path(__file__).parent.parent.parent / "data" / "samples"


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(UserError, match=r'pip install "recog\[ray\]"'),
        RayCluster(Task("english-speech", {}), 1, 1, ordered=False),
    ):
        pass


@pytest.mark.parametrize("name", ["-", "memory://a.wav"])
def test_what_no_other_node_can_read_is_refused(name):
    done = CliRunner().invoke(
        app, ["transcribe", name, str(SAMPLES / "numbers.wav"), "--engine", "ray"]
    )
    assert done.exit_code == 2 and f"{name} can be read by this process only" in done.output


def test_an_actor_recognises_and_says_what_fails(tmp_path):
    task = Task("english-speech", {"beam": 0, "threads": 1})
    entries = [Input(str(SAMPLES / "numbers.wav")), Input(str(tmp_path / "absent.wav"))]
    actor = Actor(task)
    done = actor({"index": [7, 8], "entry": entries})
    actor._pool.__exit__(None, None, None)
    assert done["index"] == [7, 8] and done["result"][0] == FileRecogniser(task)(entries[0])
    assert done["result"][1].errors == (f"{entries[1].name}: there is no such file.",)


@pytest.mark.slow
def test_two_nodes_give_the_same_files(tmp_path):
    """In a process of its own, as Ray keeps threads and settings for good."""
    pytest.importorskip("ray", reason="needs Ray (the extra ray)")
    folder = tmp_path / "in"
    for i, sample in enumerate(sorted(SAMPLES.glob("*.wav")) * 2):
        (folder / str(i % 2)).mkdir(parents=True, exist_ok=True)
        shutil.copy(sample, folder / str(i % 2) / f"{i}.wav")
    (folder / "0" / "broken.wav").write_bytes(b"no sound")
    program = (
        "import os, sys\n"
        "from ray.cluster_utils import Cluster\n"
        "cluster = Cluster(initialize_head=True, head_node_args={'num_cpus': 1})\n"
        "cluster.add_node(num_cpus=1)\n"
        "os.environ['RAY_ADDRESS'] = cluster.address\n"
        "from recog.cli import main\n"
        "main()\n"
    )
    arguments = ["transcribe", folder, "--format", "json", "--beam", "0"]
    local = subprocess.run(
        [sys.executable, "-m", "recog", *arguments, "-o", tmp_path / "local"], capture_output=True
    )
    remote = subprocess.run(
        [sys.executable, "-c", program, *arguments, "-o", tmp_path / "ray", "--engine", "ray"],
        capture_output=True,
        text=True,
        env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
    )
    assert local.returncode == remote.returncode == 1, remote.stderr
    assert "broken.wav" in remote.stderr and "Traceback" not in remote.stderr
    files = {
        path.relative_to(tmp_path / "local"): path.read_bytes()
        for path in (tmp_path / "local").rglob("*.json")
    }
    assert len(files) == len(list(SAMPLES.glob("*.wav"))) * 2
    assert files == {
        path.relative_to(tmp_path / "ray"): path.read_bytes()
        for path in (tmp_path / "ray").rglob("*.*")
    }
