from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recog.util import jit


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit.config, "CACHE_DIR", "")


def test_compiled_code_goes_to_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = jit.cache_folder.__wrapped__()
    assert folder is not None and folder.is_dir() and folder.parent == tmp_path / "recog"


def test_numbas_own_setting_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jit.config, "CACHE_DIR", str(tmp_path / "mine"))
    folder = jit.cache_folder.__wrapped__()
    assert folder is not None and folder.parent == tmp_path / "mine"


def test_nothing_writable_keeps_it_in_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert jit.cache_folder.__wrapped__() is None


def test_a_kernel_is_compiled_once_says_so_and_is_loaded_after(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(
        "import logging; logging.basicConfig(level=logging.INFO)\n"
        "from recog.util.jit import kernel\n"
        "@kernel('int64(int64)')\ndef twice(n):\n    return 2 * n\n"
        "assert twice(21) == 42\n"
    )
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path]),
    }
    environment.pop("NUMBA_CACHE_DIR", None)
    runs = [
        subprocess.run(
            [sys.executable, "-c", "import tiny"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        for _ in range(2)
    ]
    assert "Compiling" in runs[0].stderr
    assert "Compiling" not in runs[1].stderr
    assert list((tmp_path / "recog").rglob("*.nbi"))


def test_another_process_compiles_a_module_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "planted_kernel.py").write_text(
        "from recog.util.jit import kernel\n@kernel('int64(int64)')\ndef thrice(n):\n    return 3 * n\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    jit.cache_folder.cache_clear()
    try:
        with jit.compile_in_background("planted_kernel"):
            assert "planted_kernel" not in sys.modules
        assert list((tmp_path / "recog").rglob("planted_kernel*.nbi"))
        monkeypatch.setattr(
            subprocess, "Popen", lambda *args, **options: pytest.fail("compiled again")
        )
        with jit.compile_in_background("planted_kernel"):
            pass
    finally:
        jit.cache_folder.cache_clear()


def kernel_decorators(path: Path) -> list[str]:
    """Names of what a file takes from recog.util.jit and decorates functions with."""
    return [
        decorator
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for decorator in (
            ast.unparse(entry).partition("(")[0].rpartition(".")[2] for entry in node.decorator_list
        )
        if decorator
        in ("kernel", "helper", "inlined", "maker", "njit", "jit", "vectorize", "guvectorize")
    ]


def test_every_kernel_and_what_it_may_contain_is_in_the_digest() -> None:
    digested = set(jit.kernel_files())
    compiled = [path for path in sorted(jit.PACKAGE.rglob("*.py")) if kernel_decorators(path)]
    assert len(compiled) > 10 and set(compiled) <= digested
    for path in compiled:  # numba freezes the constants that a kernel takes from elsewhere
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("recog"):
                base = jit.PACKAGE.parent.joinpath(*node.module.split("."))
                named = [base / f"{alias.name}.py" for alias in node.names] + [
                    base.with_suffix(".py"),
                    base / "__init__.py",
                ]
                assert any(file in digested for file in named if file.exists()), (
                    f"{path}: {node.module}"
                )


def test_an_edit_to_any_helper_changes_the_digest(tmp_path: Path) -> None:
    helpers = [
        "util/jit.py",
        "decoding/beam.py",
        "decoding/beam/kernels/step.py",
        "lm/query.py",
        "lm/deep/er.py",
    ]
    for name in helpers:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    seen = {jit._digest(tmp_path)}
    for name in helpers:
        (tmp_path / name).write_text("x = 2\n")
        seen.add(jit._digest(tmp_path))
    assert len(seen) == 1 + len(helpers)


@pytest.mark.slow
def test_of_several_workers_the_first_compiles_for_all(tmp_path: Path) -> None:
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    samples = sorted((Path(__file__).parents[2] / "data" / "samples").glob("*.wav"))
    done = subprocess.run(
        [sys.executable, "-m", "recog", "transcribe", *samples, "--jobs", "2"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == len(samples) >= 2
    assert done.stderr.count("Compiling") == 1
