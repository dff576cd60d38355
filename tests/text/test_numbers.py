"""Numbers as English words."""

import pytest

from recog.text.numbers import spell_numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it costs 25 dollars", "it costs twenty five dollars"),
        ("1,905 people in 1905", "one thousand nine hundred and five people in nineteen oh five"),
        ("$1, $2.50 and £3", "one dollar , two point five zero dollars and three pounds"),
        ("25% of 3.14", "twenty five percent of three point one four"),
        ("the 3rd, the 22ND", "the third , the twenty second"),
        ("1920s, 1990’s, 6's", "nineteen twenties , nineteen nineties , sixes"),
        ("007 and 1234567890123456", "zero zero seven and " + "one two three four five six seven eight nine zero one two "
         "three four five six"),
        ("27.10.1876", "twenty seven ten eighteen seventy six"),
        ("10:30", "ten : thirty"),
        ("5½ and 2¾", "five and a half and two and three quarters"),
        ("10€, 10 € or ¥100", "ten euros , ten euros or one hundred yen"),
        ("1¢ and 50¢, $3.50", "one cent and fifty cents , three point five zero dollars"),
        ("1900€", "one thousand nine hundred euros"),
        ("10² m²", "ten two m two"),
        ("x86", "x eighty six"),
        ("٢٥", "twenty five"),
        ("三 and 5", "三 and five"),
        ("no number", "no number"),
    ],
)  # fmt: skip
def test_say_numbers(text: str, expected: str) -> None:
    assert " ".join(spell_numbers(text).split()) == expected


def test_any_number_of_digits() -> None:
    assert spell_numbers("9" * 5000).split() == ["nine"] * 5000
