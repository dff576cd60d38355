"""Text normalisation before scoring: a named rule, or a file of rewriting rules.

The named rules are in :mod:`recog.text.normalise`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recog.errors import UserError
from recog.text.normalise import RULES, TrackedRule, collapse
from recog.text.normalise import rule as named_rule
from recog.util.text_files import read_text

MAX_FILE_BYTES = 1_000_000
MAX_RULES = 10_000
MAX_PATTERN = 500  # characters

_DESCRIPTIONS = {
    "none": "Unicode NFC, white space at the ends removed; nothing else",
    "collapse": "Unicode NFC, runs of white space to one space",
    "plain": "as collapse, with curly quotes and long dashes made plain",
    "diplomatic": "as plain, without editorial marks",
    "spoken": "English as it is heard: lower case, letters, apostrophe and space; "
    "accents removed, numbers as words",
    "basic": "lower case, plain quotes, no punctuation or symbols but the apostrophe, "
    "white space collapsed",
    "words": "as basic, a word ends after its apostrophe, every digit is 0",
}


@dataclass(frozen=True)
class Normalisation:
    """Rewriting of references and hypotheses before they are compared.

    Attributes:
        name: name of the rule, or of the file with the start of its SHA-256.
        description: a description for people.
        rule: the rewriting function, which comparison and ``repr`` ignore.
        languages: languages of the texts, as for :func:`recog.text.normalise.rule`.
    """

    name: str
    description: str
    rule: Callable[[str], str] = field(repr=False, compare=False)
    languages: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def notes(self, texts: Iterable[str], what: str) -> list[str]:
        """Describe changes by the rule that a user should know; see :meth:`TrackedRule.notes`."""
        if self.name not in RULES:
            return []
        account = TrackedRule(self.name, self.languages)
        for text in texts:
            account(text)
        return account.notes(what)

    def __call__(self, text: str) -> str:
        """Rewrite a text, and always apply NFC and strip white space at the ends."""
        return unicodedata.normalize("NFC", self.rule(text)).strip()


def normalisation(name: str, languages: Sequence[str] = ()) -> Normalisation:
    """Return the normalisation of a rule's name or of a file of rules.

    Args:
        name: name of a rule or file.
        languages: languages of the texts, as for :func:`recog.text.normalise.rule`.

    A file holds rewriting rules, which are applied in order. NFC comes before them. After them,
    runs of white space become a single space. A plain text file has ``pattern TAB replacement`` on
    each line. A line without a TAB that starts with ``#`` is a comment. A YAML file (``.yaml``,
    ``.yml``) has a list of ``[pattern, replacement]``. A pattern is a plain string, or a Python
    regular expression after ``re:``. The replacement of a regular expression may refer to groups
    (``\\1``).

    Raises:
        UserError: the name is neither a rule nor a readable file, or a rule in the file is
            malformed. The message gives its line or number.
    """
    if name in RULES:
        return Normalisation(
            name, _DESCRIPTIONS[name], named_rule(name, languages), tuple(languages)
        )
    path = Path(name)
    if not path.is_file():
        raise UserError(
            f"There is no normalisation '{name}'; give a file of rules or one of "
            f"{', '.join(RULES)}."
        )
    return _from_file(path)


def _from_file(path: Path) -> Normalisation:
    text = read_text(path, max_bytes=MAX_FILE_BYTES)
    rows = (
        _yaml_rows(path, text)
        if path.suffix.lower() in (".yaml", ".yml")
        else _tsv_rows(path, text)
    )
    if len(rows) > MAX_RULES:
        raise UserError(f"{path} has {len(rows)} rules; at most {MAX_RULES} are allowed.")
    steps = [
        _compile_rule(pattern, replacement, f"{place} of {path}")
        for place, pattern, replacement in rows
    ]

    def rewrite(text: str) -> str:
        text = unicodedata.normalize("NFC", text)
        for step in steps:
            text = step(text)
        return collapse(text)

    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    description = (
        f"Unicode NFC, the {len(steps)} rules of {path.name}, runs of white space to one space"
    )
    return Normalisation(f"{path.name} sha256:{digest}", description, rewrite)


def _tsv_rows(path: Path, text: str) -> list[tuple[str, str, str]]:
    rows = []
    for number, row in enumerate(text.split("\n"), start=1):
        if "\t" not in row and (not row.strip() or row.startswith("#")):
            continue
        fields = row.split("\t")
        if len(fields) != 2:
            raise UserError(
                f"Line {number} of {path} is not 'pattern TAB replacement'; write it so, with one "
                "TAB."
            )
        rows.append((f"line {number}", fields[0], fields[1]))
    return rows


def _yaml_rows(path: Path, text: str) -> list[tuple[str, str, str]]:
    import yaml

    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise UserError(
            f"{path} is not valid YAML; write a list of [pattern, replacement]."
        ) from None
    if document is None:
        return []
    if not isinstance(document, list):
        raise UserError(f"{path} is not a list; write a list of [pattern, replacement].")
    rows = []
    for number, item in enumerate(document, start=1):
        if not (
            isinstance(item, list)
            and len(item) == 2
            and all(isinstance(part, str) for part in item)
        ):
            raise UserError(
                f"Rule {number} of {path} is not [pattern, replacement] of two quoted strings."
            )
        rows.append((f"rule {number}", item[0], item[1]))
    return rows


def _compile_rule(pattern: str, replacement: str, place: str) -> Callable[[str], str]:
    """Compile a rewriting rule to a function.

    The length of a regular expression is limited. Its running time is not.
    """
    if len(pattern) > MAX_PATTERN or len(replacement) > MAX_PATTERN:
        raise UserError(f"The rule on {place} is longer than {MAX_PATTERN} characters; shorten it.")
    expression = pattern.removeprefix("re:")
    if not expression:
        raise UserError(f"The rule on {place} has an empty pattern; write what is to be replaced.")
    if expression == pattern:
        plain = unicodedata.normalize("NFC", pattern)
        return lambda text: text.replace(plain, replacement)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about constructs that a later Python may change
            compiled = re.compile(expression)
            # parses the replacement too: its group numbers may be wrong
            compiled.sub(replacement, "")
    except (re.error, IndexError, OverflowError, RecursionError) as error:
        raise UserError(
            f"The regular expression on {place} is not valid ({error}); correct it."
        ) from None
    return lambda text: compiled.sub(replacement, text)
