"""A module imports from its own station and from earlier ones, and no two import each other.

Every import counts: of the module, inside of functions, for type checkers alone, and by a name in a
string.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STATIONS = (  # in the order of the data; a name stands for the module and all that is below it
    ("recog.errors",),
    ("recog.util",),
    ("recog.text",),
    ("recog.media",),
    ("recog.transcript",),
    ("recog.model",),
    ("recog.features",),
    ("recog.formats",),
    ("recog.corpora",),
    ("recog.segment",),
    ("recog.lm",),
    ("recog.decoding",),
    ("recog.ctcdecode",),
    ("recog.recognition", "recog.recogniser", "recog.align", "recog.live"),
    ("recog.evaluation",),
    ("recog.tuning",),
    ("recog.nn",),
    ("recog.training",),
    ("recog.batch",),
    ("recog.visualise",),
    ("recog.cli", "recog.__main__"),
)
# from an early station to a later one, when a method is called; this list may shrink
EXCEPTIONS = {
    ("recog.transcript", "recog.formats.json"),  # Transcript.to_dict
    ("recog.transcript", "recog.formats.saving"),  # Transcript.save
    ("recog.model.runtime", "recog.nn.torch_runtime"),  # networks that only torch can run
}
Import = tuple[str, str]  # importing module, imported module


def modules(root: Path) -> dict[str, Path]:
    """Every module of the package ``recog`` below ``root``, but the package itself, by their
    names."""
    names = {}
    for path in sorted((root / "recog").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    # names from all stations, imported when asked for; a folder of models
    left_out = ("recog", "recog.pretrained")
    return {name: path for name, path in names.items() if name not in left_out}


def imports(root: Path) -> set[Import]:
    """All imports of the package's modules by each other."""
    known = modules(root)
    found: set[Import] = set()
    for name, path in known.items():
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        calls = any(
            isinstance(node, ast.Name) and node.id in ("import_module", "__import__")
            for node in nodes
        )
        for node in nodes:
            targets: list[str] = []
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative imports are not used here"
                of = str(node.module)
                targets = [
                    f"{of}.{a.name}" if f"{of}.{a.name}" in known else of for a in node.names
                ]
            elif isinstance(node, ast.Constant) and calls and isinstance(node.value, str):
                targets = [node.value]
            found |= {(name, target) for target in targets if target in known and target != name}
    return found


def station(module: str) -> int:
    """The place of a module's station in the order; -1 where it has none."""
    for place, names in enumerate(STATIONS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return place
    return -1


def later(found: set[Import]) -> set[Import]:
    """The imports from later stations."""
    return {(one, other) for one, other in found if station(other) > station(one)}


def check_no_cycle(found: set[Import]) -> None:
    """Raises CycleError, with the modules of a cycle, where there is one."""
    graph: dict[str, set[str]] = {}
    for one, other in found:
        graph.setdefault(one, set()).add(other)
    TopologicalSorter(graph).prepare()


def test_every_module_has_a_station() -> None:
    names = modules(ROOT)
    assert [name for name in names if station(name) < 0] == []
    empty = [
        one
        for ones in STATIONS
        for one in ones
        if not any(f"{n}.".startswith(f"{one}.") for n in names)
    ]
    assert empty == [], "stations without a module"


def test_no_module_imports_from_a_later_station() -> None:
    assert later(imports(ROOT)) == EXCEPTIONS


def test_no_module_is_imported_by_what_it_imports() -> None:
    check_no_cycle(imports(ROOT) - EXCEPTIONS)


def test_the_package_itself_imports_nothing_until_it_is_asked() -> None:
    tree = ast.parse((ROOT / "recog" / "__init__.py").read_text(encoding="utf-8"))
    names = [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert names == ["__future__", "importlib", "typing"]


@pytest.mark.parametrize(
    "line",
    [
        "import recog.cli",
        "from recog import cli",
        "from recog.cli import main",
        "def run():\n    from recog.cli import main",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from recog.cli import main",
        "from importlib import import_module\nimport_module('recog.cli')",
    ],
)
def test_every_kind_of_import_is_seen(tmp_path: Path, line: str) -> None:
    (tmp_path / "recog").mkdir()
    (tmp_path / "recog" / "errors.py").write_text(line)
    (tmp_path / "recog" / "cli.py").write_text("from recog.errors import UserError")
    found = imports(tmp_path)
    assert found == {("recog.errors", "recog.cli"), ("recog.cli", "recog.errors")}
    assert later(found) == {("recog.errors", "recog.cli")}
    with pytest.raises(CycleError):
        check_no_cycle(found)


# Files with tables, patterns or markup that would not be clearer on shorter lines.
WIDE_FILES: tuple[str, ...] = (
    "recog/evaluation/confidence.py",
    "recog/evaluation/reports/html.py",
    "recog/formats/timed/line_breaking.py",
    "recog/formats/timed/textgrid.py",
    "recog/model/onnx_check.py",
    "recog/text/normalise.py",
    "recog/text/pronunciations.py",
    "recog/util/folders.py",
)


def sources(without: tuple[str, ...] = ()) -> dict[str, Path]:
    """The files of the package but those in ``without``, by their path below the root."""
    files = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "recog").rglob("*.py")}
    return {name: path for name, path in sorted(files.items()) if name not in without}


def test_no_line_has_more_than_100_columns() -> None:
    lines = [
        f"{name}:{number}"
        for name, path in sources(WIDE_FILES).items()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 100
    ]
    assert lines == []


def test_first_lines_of_docstrings_stand_on_their_own() -> None:
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    first_lines = [
        (name, text.partition("\n\n")[0])
        for name, path in sources().items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, kinds) and (text := ast.get_docstring(node))
    ]
    assert [pair for pair in first_lines if len(pair[1]) > 90 or "\n" in pair[1]] == []
