"""ARPA files: what every tool writes is read, what is wrong is said with its line, and reading
undoes writing."""

import gzip
import lzma
import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_models import check_ngrams, entries, score

from recog.errors import UserError
from recog.lm import files
from recog.lm.arpa import read_arpa, write_arpa
from recog.lm.rows import row_keys, sort_order
from recog.lm.tables import Level, NGrams

ARPA = """\\data\\
ngram 1=6
ngram 2=5
ngram 3=3

\\1-grams:
-1.5\t<unk>\t0
0\t<s>\t-0.3
-0.9\t</s>
-0.6\tthe\t-0.25
-0.8\tcat\t-0.125
-1.2\tété\t-0.5

\\2-grams:
-0.2\t<s> the\t-0.0625
-0.4\tthe cat\t-0.5
-0.7\tthe été\t0.1
-0.5\tcat </s>
-0.9\tété </s>

\\3-grams:
-0.1\t<s> the cat
-0.3\tthe cat </s>
-0.35\tthe été </s>

\\end\\
"""


@pytest.fixture
def read(tmp_path):
    """A reader of text or bytes; what it gives keeps the contract."""

    def reader(content, **options):
        path = tmp_path / "model.arpa"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        ngrams = read_arpa(path, **options)
        check_ngrams(ngrams)
        return ngrams

    return reader


def same(left: NGrams, right: NGrams) -> bool:
    return (
        (left.unit, left.words, left.order) == (right.unit, right.words, right.order)
        and all(
            np.array_equal(a.ids, b.ids) for a, b in zip(left.levels, right.levels, strict=True)
        )
        and all(
            np.array_equal(a.log_prob, b.log_prob)
            for a, b in zip(left.levels, right.levels, strict=True)
        )
        and all(
            np.array_equal(a.backoff, b.backoff)
            for a, b in zip(left.levels, right.levels, strict=True)
        )
    )


def test_content(read):
    model = read(ARPA)
    assert model.unit == "word" and model.words == ("<unk>", "<s>", "</s>", "cat", "the", "été")
    table = entries(model)
    assert table[("<s>",)] == pytest.approx((-99, -0.3)) and table[("</s>",)] == pytest.approx(
        (-0.9, 0)
    )
    assert table[("the", "été")] == pytest.approx((-0.7, 0.1)) and table[
        ("the", "cat", "</s>")
    ] == pytest.approx((-0.3, 0))
    assert len(table) == 14


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\t", "  "),
        lambda text: re.sub("(?m)^(?=-)", " \t", text),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: "made by hand\n\n" + text + "nothing here counts\n",
        lambda text: text.replace("\n\n", "\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("été </s>", "été </s>\t0"),
        lambda text: text.replace("0\t<s>", "1e-4\t<s>"),
        lambda text: text.replace("<unk>", "<UNK>"),
        lambda text: text.replace("ngram 3=3", "ngram 3=3\nngram 4=0").replace(
            "\\end", "\\4-grams:\n\n\\end"
        ),
    ],
)
def test_ways_to_write_the_same(read, change):
    assert same(read(change(ARPA)), read(ARPA))


def test_order_of_lines_does_not_matter(read):
    blocks = [block.split("\n") for block in ARPA.strip().split("\n\n")]
    for block in blocks[1:4]:
        block[1:] = reversed(block[1:])
    assert same(read("\n\n".join("\n".join(block) for block in blocks) + "\n"), read(ARPA))


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        lzma.compress,
        lambda data: lzma.compress(data[:99]) + lzma.compress(data[99:]),
    ],
)
def test_compressed(read, pack):
    content = ARPA.encode()
    assert same(read(pack(content)), read(content))
    with pytest.raises(UserError, match=r"model\.arpa: is damaged or cut off"):
        read(pack(content)[:-20])


def test_bombs_are_refused(read, monkeypatch):
    monkeypatch.setattr(files, "FREE_BYTES", 1 << 18)
    for pack in (gzip.compress, lzma.compress):
        with pytest.raises(UserError, match="expands to more than 200 times its size"):
            read(pack(b"\\data\\\n" + b"\n" * (1 << 23)))
    with pytest.raises(UserError, match="longer than 65536 bytes"):
        read(b"\\data\\\nngram 1=1\n" + b"a" * (1 << 17))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\data\\", "\\date\\", r"has no line \\data\\"),
        (
            "ngram 1=6",
            "ngram 1=7",
            r"line 13: there are only 6 1-grams up to here and \\data\\ announces 7",
        ),
        ("ngram 2=5", "ngram 2=4", r"line 19: there are more 2-grams than the 4"),
        ("ngram 2=5", "ngram 2=9999999999", r"line 3: recog reads models"),
        ("ngram 2=5\n", "", r"line 3: 'ngram 2='"),
        ("ngram 2=5", "ngram 2=-5", r"line 3: 'ngram 2='"),
        ("\\2-grams:", "\\3-grams:", r"line 14: \\2-grams: is expected here"),
        ("\\end\\", "", r"the file ends before \\end\\; it is cut off"),
        ("-0.4\tthe cat", "-0.4\tthe dog", r"line 16: the word 'dog' is not among the unigrams"),
        ("-0.4\tthe cat", "-0.4\t<s> the", r"line 16: the 2-gram '<s> the' is listed twice"),
        ("-0.8\tcat", "-0.8\tthe", r"line 11: the word 'the' is listed twice"),
        ("-0.4\tthe cat", "0.4\tthe cat", r"line 16: the log-probability '0.4' is above 0"),
        ("-0.4\tthe cat", "nan\tthe cat", r"line 16: 'nan' is not a finite number"),
        ("-0.4\tthe cat", "-inf\tthe cat", r"line 16: '-inf' is not a finite number"),
        ("-0.4\tthe cat", "-1e60\tthe cat", r"line 16: '-1e60' is not a finite number"),
        ("cat\t-0.5", "cat\t-3e38", r"line 16: '-3e38' is not a finite number of a possible size"),
        ("-0.4\tthe cat", "x\tthe cat", r"line 16: 'x' is not a finite number"),
        ("cat\t-0.5", "cat\tnan", r"line 16: 'nan' is not a finite number"),
        ("-0.4\tthe cat", "-0.4\tthe", r"line 16: the word '-0.5' is not among"),
        (
            "-0.1\t<s> the cat",
            "-0.1\t<s> the cat the cat",
            r"line 22: a log-probability, 3 word\(s\)",
        ),
        ("-0.1\t<s> the cat", "-0.1\t<s> the\rcat", r"line 22: there is a carriage return"),
    ],
)
def test_what_is_wrong_is_said(read, old, new, message):
    with pytest.raises(UserError, match=message) as caught:
        read(ARPA.replace(old, new, 1))
    assert "model.arpa" in str(caught.value)


def test_other_encodings(read):
    with pytest.raises(UserError, match=r"line 12: is not UTF-8"):
        read(ARPA.encode("latin-1"))
    with pytest.raises(UserError, match=r"has no line \\data\\"):
        read(ARPA.encode("utf-16"))


def test_missing_files(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_arpa(tmp_path / "none.arpa")
    with pytest.raises(UserError, match="cannot be read"):
        read_arpa(tmp_path)


def test_missing_specials_are_added(read):
    text = re.sub(r"(?m)^.*(<s>|</s>|<unk>).*\n", "", ARPA)
    text = (
        text.replace("ngram 1=6", "ngram 1=3")
        .replace("ngram 2=5", "ngram 2=2")
        .replace("ngram 3=3", "ngram 3=0")
    )
    model = read(text)
    table = entries(model)
    assert (
        model.order == 2
        and table[("<unk>",)] == table[("</s>",)] == (-100, 0)
        and table[("<s>",)] == (-99, 0)
    )
    with_unknown = text.replace("ngram 1=3", "ngram 1=4").replace(
        "1-grams:\n", "1-grams:\n-3 <unk>\n"
    )
    assert entries(read(with_unknown))[("</s>",)] == (-3, 0)


def test_absent_contexts_change_no_probability(read):
    """SRILM's pruning leaves 'the cat </s>' without 'the cat', and of five words the inner ones."""
    text = ARPA.replace("-0.4\tthe cat\t-0.5\n", "").replace("ngram 2=5", "ngram 2=4")
    text = text.replace("ngram 3=3", "ngram 3=3\nngram 4=0\nngram 5=1")
    text = text.replace(
        "\\end\\", "\\4-grams:\n\n\\5-grams:\n-0.05\tcat cat the cat the\n\n\\end\\"
    )
    model = read(text)
    table = entries(model)
    listed = {
        ngram: values
        for ngram, values in (
            entries(read(ARPA)) | {("cat", "cat", "the", "cat", "the"): (-0.05, 0)}
        ).items()
        if ngram != ("the", "cat")
    }
    for ngram, values in listed.items():
        assert table[ngram] == pytest.approx(values)
    added = table.keys() - listed.keys()
    assert added == {
        ("the", "cat"),
        ("cat", "cat"),
        ("cat", "cat", "the"),
        ("cat", "cat", "the", "cat"),
    }
    for ngram in table.keys() | {
        ("the", "cat", "the"),
        ("cat", "cat", "été"),
        ("cat", "cat", "the", "été"),
    }:
        assert score(table, ngram[:-1], ngram[-1]) == pytest.approx(
            score(listed, ngram[:-1], ngram[-1]), abs=1e-6
        )


def test_odd_spaces_are_part_of_words(read):
    for space in ("\u00a0", "\u3000", "\u2028", "\x0b", "\x0c", "\x1d", "\x85"):
        assert f"c{space}t" in read(ARPA.replace("cat", f"c{space}t")).words


def test_unit(read):
    text = ARPA.replace("the", "|").replace("cat", "c").replace("été", "é")
    assert read(text).unit == "character" and read(text, unit="word").unit == "word"
    assert (
        read(text.replace("|", "t")).unit == "word"
        and read(ARPA, unit="character").unit == "character"
    )


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_reading_undoes_writing(read, tmp_path, suffix):
    model, path = read(ARPA), tmp_path / f"again.arpa{suffix}"
    write_arpa(model, path)
    assert same(read_arpa(path), model)
    assert path.read_bytes()[:2] == {"": b"\\d", ".gz": b"\x1f\x8b", ".xz": b"\xfd7"}[suffix]
    assert [file.name for file in tmp_path.iterdir() if file.name.endswith(".part")] == []


def test_failed_writing_leaves_nothing(read, tmp_path):
    model, folder = read(ARPA), tmp_path / "out"
    folder.mkdir()
    broken = NGrams(model.unit, model.words[:3], model.levels)
    with pytest.raises(IndexError):
        write_arpa(broken, folder / "broken.arpa")
    assert list(folder.iterdir()) == []
    with pytest.raises(UserError, match="cannot be written"):
        write_arpa(model, folder / "none" / "model.arpa")


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_numbers_survive(tmp_path_factory, data):
    words = (
        "<unk>",
        "<s>",
        "</s>",
        *sorted(data.draw(st.sets(st.text("aé|ß\u3000", min_size=1, max_size=3), max_size=4))),
    )
    logs = st.floats(-(2.0**99), 0, width=32)
    ids = np.arange(len(words), dtype=np.int32)[:, None]
    column = [data.draw(logs) for _ in words]
    column[1] = -99.0
    backoff = np.array([data.draw(st.floats(-50, 50, width=32)) for _ in words], np.float32)
    pairs = sorted(
        data.draw(st.sets(st.tuples(*[st.integers(0, len(words) - 1)] * 2), min_size=1, max_size=5))
    )
    second = Level(
        np.array(pairs, np.int32),
        np.array([data.draw(logs) for _ in pairs], np.float32),
        np.zeros(len(pairs), np.float32),
    )
    model = NGrams("word", words, (Level(ids, np.array(column, np.float32), backoff), second))
    path = tmp_path_factory.mktemp("any") / "any.arpa"
    write_arpa(model, path)
    assert same(read_arpa(path, unit="word"), model)


def test_keys_sort_as_rows_do():
    """Byte keys, where a row does not fit an integer, order and find rows as integers do."""
    ids = np.random.default_rng(0).integers(0, 3, (200, 4)).astype(np.int32) * 80_000
    order, repeated = sort_order(ids, 2**20)
    assert row_keys(ids, 2**20).dtype.kind == "S"
    rows = [tuple(row) for row in ids[order].tolist()]
    assert (
        rows == sorted(rows)
        and [i for i in range(1, 200) if rows[i] == rows[i - 1]] == repeated.tolist()
    )


TRICKY = [
    b"nan",
    b"-inf",
    b"1e999",
    b"\t",
    b" ",
    b"\n",
    b"\r",
    b"\\",
    b"\x00",
    b"\xff",
    b"\\end\\\n",
    b"\\data\\\n",
    b"-99",
    b"0",
]
TRICKY += [
    b"\\2-grams:\n",
    b"ngram 4=1\n",
    b"<s>",
    b"</s>",
    b"<unk>",
    b"the",
    b"-0.1\tthe the the\n",
    "\u2028".encode(),
    b"9" * 30,
]


def mutate(content: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at, until = sorted(rng.choices(range(len(content) + 1), k=2))
        kind = rng.randrange(6)
        if kind == 0:  # a byte
            content = content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
        elif kind == 1:  # something put in
            content = content[:at] + rng.choice(TRICKY) + content[at:]
        elif kind == 2:  # something taken out
            content = content[:at] + content[min(until, at + rng.choice((1, 5, 40))) :]
        elif kind == 3:  # cut off
            content = content[: max(at, 1)] if rng.random() < 0.3 else content
        else:  # lines repeated, removed, exchanged
            lines = content.split(b"\n")
            i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[i : i + 1] = [[lines[j]], [], [lines[i], lines[j]]][rng.randrange(3)]
            content = b"\n".join(lines)
    return content


def survives(path, content: bytes) -> bool:
    """Whether a changed file is read; if not, the error is one sentence for the user."""
    path.write_bytes(content)
    try:
        model = read_arpa(path)
    except UserError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        return False
    check_ngrams(model)
    return True


@pytest.mark.parametrize("count", [1500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_mutations_give_an_error_or_a_model(tmp_path, count):
    rng = random.Random(count)
    original = ARPA.encode()
    read = sum(survives(tmp_path / "mutated.arpa", mutate(original, rng)) for _ in range(count))
    for pack in (gzip.compress, lzma.compress):
        read += sum(
            survives(tmp_path / "packed.arpa", mutate(pack(original), rng))
            for _ in range(count // 10)
        )
    assert count / 50 < read < count  # some are harmless, not all


def test_words_in_decomposed_form_are_found(tmp_path):
    path = tmp_path / "nfd.arpa"
    rows = ["<s>", "</s>", "<unk>", "e\u0301te\u0301", "zz", "ete"]
    unigrams = "".join(f"-1\t{word}\n" for word in rows)
    text = f"\\data\\\nngram 1={len(rows)}\nngram 2=1\n\n\\1-grams:\n{unigrams}\n"
    text += "\\2-grams:\n-0.5\te\u0301te\u0301 zz\n\n\\end\\\n"
    path.write_text(text, encoding="utf-8")
    found = read_arpa(path)
    assert found.words[3:] == ("ete", "zz", "\u00e9t\u00e9") and list(found.words[3:]) == sorted(
        found.words[3:]
    )
    [bigram] = found.levels[1].ids.tolist()
    assert [found.words[k] for k in bigram] == ["\u00e9t\u00e9", "zz"]
    path.write_text(
        text.replace("-1\tzz", "-1\t\u00e9t\u00e9\n-1\tzz").replace("ngram 1=6", "ngram 1=7"),
        encoding="utf-8",
    )
    with pytest.raises(UserError, match="are the same in Unicode's composed form"):
        read_arpa(path)
