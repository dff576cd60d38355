"""Shape Arabic letters, for drawing with a font but without a text shaper.

The shapes are Unicode's presentation forms. A letter with an initial form joins the next letter, a
letter with a final form joins the previous one (Unicode, section 9.2).
"""

from __future__ import annotations

import unicodedata
from functools import cache

_LAM, _TATWEEL, _NOT_JOINED, _JOINED = "\u0644", "\u0640", "\u200c", "\u200d"


def shape_arabic(text: str) -> str:
    """Replace the Arabic letters of a text in logical order by their presentation forms."""
    forms = _forms()
    letters = _ligated(text)
    result = []
    for k, letter in enumerate(letters):
        if letter[0] not in forms and letter not in forms:
            result.append(letter)
            continue
        before = next((other for other in reversed(letters[:k]) if not _is_mark(other)), " ")
        after = next((other for other in letters[k + 1 :] if not _is_mark(other)), " ")
        forms_of_letter = forms[letter]
        joined = "<final>" in forms_of_letter and _reaches(before, "<initial>")
        joining = "<initial>" in forms_of_letter and _reaches(after, "<final>")
        kind = (
            ("<medial>" if joining else "<final>")
            if joined
            else ("<initial>" if joining else "<isolated>")
        )
        result.append(forms_of_letter.get(kind, letter))
    return "".join(result).replace(_NOT_JOINED, "").replace(_JOINED, "")


def _ligated(text: str) -> list[str]:
    """The characters of a text, a lam and its alef as one."""
    forms = _forms()
    letters: list[str] = []
    for letter in text:
        if letters and letters[-1] == _LAM and _LAM + letter in forms:
            letters[-1] += letter
        else:
            letters.append(letter)
    return letters


def _reaches(letter: str, form: str) -> bool:
    return letter in (_TATWEEL, _JOINED) or form in _forms().get(letter, {})


def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter[0]) == "Mn"


@cache
def _forms() -> dict[str, dict[str, str]]:
    """The presentation forms of each letter, and of lam with alef, by their names in Unicode."""
    forms: dict[str, dict[str, str]] = {}
    for code in (*range(0xFB50, 0xFC00), *range(0xFE80, 0xFEFD)):
        kind, *letters = unicodedata.decomposition(chr(code)).split() or [""]
        base = "".join(chr(int(letter, 16)) for letter in letters)
        if len(base) == 1 or (len(base) == 2 and base[0] == _LAM):
            forms.setdefault(base, {})[kind] = chr(code)
    return forms
