"""The options that commands share, their old spellings, and those that help does not show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from recog.cli import app
from recog.cli.options import (
    ALIASES,
    BatchOptions,
    Command,
    DecodingOptions,
    new_spellings,
    with_option_groups,
)
from recog.errors import UsageError


@dataclass(frozen=True)
class Group:
    """A group of options."""

    size: Annotated[int, typer.Option(min=1, help="How large.")] = 3
    flag: Annotated[bool, typer.Option("--flag")] = False


def test_a_group_becomes_options_with_their_defaults_and_ranges() -> None:
    calls: list[tuple[str, Group, str]] = []
    program = typer.Typer()

    @program.command()
    @with_option_groups
    def run(name: str, group: Group = Group(), last: str = "z") -> None:
        calls.append((name, group, last))

    runner = CliRunner()
    assert runner.invoke(program, ["a"]).exit_code == 0
    assert runner.invoke(program, ["b", "--size", "7", "--flag", "--last", "y"]).exit_code == 0
    assert runner.invoke(program, ["c", "--size", "0"]).exit_code == 2
    assert calls == [("a", Group(), "z"), ("b", Group(7, True), "y")]
    assert "How large." in runner.invoke(program, ["--help"]).output


@pytest.mark.parametrize(
    ("command", "old", "new"),
    [
        ("ocr", ["--looks", "once", "a.png"], ["--augment", "never", "a.png"]),
        ("ocr", ["--looks=all"], ["--augment=always"]),
        ("ocr", ["--looks", "auto"], ["--augment", "doubtful"]),
        ("ocr", ["--looks", "never"], ["--augment", "never"]),
        ("ocr", ["once", "--", "--looks", "once"], ["once", "--", "--looks", "once"]),
        ("transcribe", ["--looks", "once", "once"], ["--augment", "never", "once"]),
        ("tune", ["--view", "0.1,1", "--doubt=2"], ["--variant", "0.1,1", "--uncertainty=2"]),
        ("train", ["--lm", "own", "own"], ["--lm", "adapt", "own"]),
    ],
)
def test_old_spellings_are_rewritten(command: str, old: list[str], new: list[str]) -> None:
    assert new_spellings(old, ALIASES[command]) == new


@pytest.mark.parametrize("spelling", [("--looks", "once"), ("--augment", "never")])
def test_both_spellings_reach_the_recogniser(
    spelling: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    decodings: list[dict[str, object]] = []

    def stop(modality, inputs, model, format, decoding, options) -> None:
        decodings.append(decoding)
        raise UsageError("Stop.")

    monkeypatch.setattr("recog.cli.ocr.run_batch", stop)
    (tmp_path / "a.png").touch()
    result = CliRunner().invoke(app, ["ocr", *spelling, "--alpha", "1.5", str(tmp_path / "a.png")])
    assert result.exit_code == 2 and "Stop." in result.output
    assert decodings[0]["looks"] == "once" and decodings[0]["alpha"] == 1.5


def test_what_few_need_works_and_is_not_shown() -> None:
    for command, options in (
        ("transcribe", ("--alpha", "--beta", "--looks")),
        ("ocr", ("--alpha", "--beta", "--looks")),
        ("tune", ("--fix", "--doubt", "--uncertainty", "--view")),
    ):
        result = CliRunner().invoke(app, [command, "--help"])
        words = result.output.split()
        assert result.exit_code == 0 and not set(options) & set(words)
        assert "--threads" in words


def test_every_alias_is_of_a_command_and_leads_to_an_option() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, aliases in ALIASES.items():
        assert isinstance(commands[name], Command)
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert {option for option, _ in aliases.values()} <= options


def test_defaults_leave_decoding_to_the_model() -> None:
    keywords = DecodingOptions().keywords()
    assert {name for name, value in keywords.items() if value is not None} == {"n_best"}
    assert keywords["n_best"] == 1
    assert DecodingOptions(augment="always").keywords()["looks"] == "all"
    assert BatchOptions().engine == "local"
