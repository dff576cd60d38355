"""Import the IAM Handwriting Database (Marti and Bunke 2002).

The files are ``ascii/lines.txt`` and ``lines/a01/a01-000/a01-000-00.png``.

    a01-000u-00 ok 154 19 408 746 1663 91 A|MOVE|to|stop|Mr.|Gaitskell|from

``|`` is a space. ``ok`` and ``err`` describe the word segmentation; the line's text is good in
both. Group: the writer by ``forms.txt``, else the form.

Split: by lists of lines or of forms below SRC. Examples are the lists of the large
writer-independent text line task (``trainset.txt``, ``validationset1.txt``,
``validationset2.txt``, ``testset.txt``) and of the Aachen split (``train.uttlist``,
``validation.uttlist``, ``test.uttlist``; ``tr.lst``, ``va.lst``, ``te.lst``). With lists, lines in
no list are left out, as in the literature.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recog.corpora.files import IMAGE_SUFFIXES, find_media, read_lines, read_split_lists
from recog.corpora.rows import Row
from recog.errors import UserError

_FIELDS = 8  # before the text: name, ok|err, grey level, components, x, y, width, height


def rows(src: Path) -> Iterator[Row]:
    """Import the lines of ``lines.txt``.

    Raises:
        UserError: there is no ``lines.txt``, a line of it is damaged, or lists of lines and of
            forms contradict each other.
    """
    table = next(
        (path for path in (src / "ascii" / "lines.txt", src / "lines.txt") if path.exists()), None
    )
    if table is None:
        raise UserError(f"{src} does not look like IAM: there is no ascii/lines.txt or lines.txt.")
    writers = _writers(table.with_name("forms.txt"))
    splits = read_split_lists(src)
    for number, line in read_lines(table):
        if line.startswith("#"):
            continue
        fields = line.split(maxsplit=_FIELDS)
        parts = fields[0].split("-")
        if len(fields) < _FIELDS or len(parts) != 3:
            raise UserError(
                f"{table}, line {number}, is not 'a01-000u-00 ok 154 19 408 746 1663 91 text'."
            )
        form = "-".join(parts[:2])
        split = splits.get(fields[0], splits.get(form))
        if splits.get(form, split) != split:
            raise UserError(
                f"By the lists beneath {src}, line {fields[0]} is for {split} and its form {form} "
                f"for {splits[form]}; "
                "keep the lists of one split."
            )
        if splits and split is None:
            continue
        text = fields[_FIELDS].replace("|", " ").strip() if len(fields) > _FIELDS else ""
        yield Row(
            _image(src, parts[0], form, fields[0]), text, group=writers.get(form, form), split=split
        )


def _image(src: Path, first: str, form: str, name: str) -> Path:
    folders = (src / "lines" / first / form, src / first / form, src / "lines")
    candidates = [find_media(folder / name, IMAGE_SUFFIXES) for folder in folders]
    return next((path for path in candidates if path.exists()), candidates[0])


def _writers(forms: Path) -> dict[str, str]:
    """Map forms to writers; empty without ``forms.txt``."""
    if not forms.exists():
        return {}
    fields = (line.split() for _, line in read_lines(forms) if not line.startswith("#"))
    return {f[0]: f[1] for f in fields if len(f) > 1}
