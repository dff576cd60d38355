"""Kill a batch at random moments, start it again, and check what it left: every result complete,
none twice, none missing.

    python scripts/kill_and_resume.py CLIPS_FOLDER [--files 2000] [--kills 5] [--seed 0] [-- options
    of recog transcribe]

The clips (of any format, taken in turn until there are enough) are linked into a tree of folders.
One run is left alone: its results are the reference. Then the same command with ``--skip-existing``
is killed (SIGKILL, to the leading process only) again and again, and at last left alone.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

from recog.batch.files import walk
from recog.corpora.files import SOUND_SUFFIXES


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", type=Path)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    # argparse: only right behind the folder
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    arguments = parser.parse_args(sys.argv[1:split])
    arguments.options = sys.argv[split + 1 :]
    with tempfile.TemporaryDirectory(prefix="recog-kill-") as folder:
        check(Path(folder), arguments)


def check(folder: Path, arguments: argparse.Namespace) -> None:
    link(arguments.clips, folder / "in", arguments.files)
    begin = time.monotonic()
    run(folder / "in", folder / "reference", arguments.options)
    whole = time.monotonic() - begin
    reference = contents(folder / "reference")
    print(f"{len(reference)} results in {whole:.1f} s without a kill")
    assert len(reference) == arguments.files, "an undisturbed run has a result for each file"

    chance = random.Random(arguments.seed)
    out = folder / "out"
    done: dict[Path, tuple[int, int]] = {}
    for _ in range(arguments.kills):
        run(
            folder / "in",
            out,
            arguments.options,
            chance,
            chance.randrange(1, 2 * arguments.files // arguments.kills),
        )
        before, done = done, written(out)
        assert all(done[path] == stamp for path, stamp in before.items()), (
            "a result was written twice"
        )
        whole_ones = sum((out / path).read_bytes() == reference[path] for path in done)
        parts = len(list(out.rglob("*.part")))
        print(f"killed: {len(done)} results, {whole_ones} of them complete, {parts} left unnamed")
        assert whole_ones == len(done), "a result is half-written"
    run(folder / "in", out, arguments.options)
    final = written(out)
    assert all(final[path] == stamp for path, stamp in done.items()), "a result was written twice"
    assert contents(out) == reference, (
        "a result is missing or differs, or something was left behind"
    )
    print(
        f"left alone: {len(final)} results, all complete, none written twice, none missing, "
        "nothing left behind"
    )


def link(clips: Path, folder: Path, files: int) -> None:
    """Link so many clips into a tree, 100 a folder; over the border of a file system, a copy
    each."""
    found = list(walk(str(clips), frozenset(SOUND_SUFFIXES)))
    copies: dict[str, Path] = {}
    for i, clip in enumerate(islice(cycle(found), files)):
        place = folder / f"{i // 100:03d}" / f"{i:05d}{Path(clip).suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        if clip in copies:
            os.link(copies[clip], place)
        else:
            shutil.copyfile(clip, place)
            copies[clip] = place


def run(
    inputs: Path,
    out: Path,
    options: list[str],
    chance: random.Random | None = None,
    results: int | None = None,
) -> None:
    """The batch; killed some time after it has written so many results, where a number is given."""
    command = [
        sys.executable,
        "-m",
        "recog",
        "transcribe",
        str(inputs),
        "--output",
        str(out),
        "--skip-existing",
    ]
    process = subprocess.Popen([*command, *options])
    if chance is not None and results is not None:
        wanted = len(written(out)) + results
        while process.poll() is None and len(written(out)) < wanted:
            time.sleep(0.1)
        time.sleep(chance.uniform(0, 0.3))
        process.kill()
        process.wait()
    else:
        assert process.wait() == 0, f"exit code {process.returncode}"


def written(out: Path) -> dict[Path, tuple[int, int]]:
    """Each result, and what changes when it is written again."""
    return {
        path.relative_to(out): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in out.rglob("*.*")
        if path.suffix != ".part" and path.is_file()
    }


def contents(out: Path) -> dict[Path, bytes]:
    return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}


if __name__ == "__main__":
    main()
