"""The HTML report: one file that holds everything, escapes everything, and can be read by
anybody."""

from __future__ import annotations

import base64
import io
import os
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from recog.cli import app
from recog.corpora.rows import LineShape, Row
from recog.errors import UserError
from recog.evaluation import Pair, compare, evaluate, normalisation, read_pairs
from recog.evaluation.inputs.media import media_finder
from recog.evaluation.reports.analysis import by_length, calibration_report, worst_lines
from recog.evaluation.reports.clips import MAX_SECONDS, clip_of
from recog.evaluation.reports.html import Document, report
from recog.formats import WRITERS
from recog.transcript import Line, Transcript, Word

cv2 = pytest.importorskip("cv2")
HOSTILE = "</b><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;\u202e\x00\x1b[31m"
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """The tags, attributes and texts of a document; asserts that what is opened is closed."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.opened: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(document)
        self.close()
        assert self.opened == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def document_of(pairs: list[Pair], **more: object) -> Document:
    return Document("a & b", evaluate(pairs), pairs, **more)  # type: ignore[arg-type]


PAIRS = [
    Pair(
        "1",
        "the cat sat",
        "the bat sat",
        "ann",
        (Word("the", confidence=0.9), Word("bat", confidence=0.3), Word("sat")),
    ),
    Pair(
        "2",
        "one two three four five six",
        "one two three four five six",
        "bob",
        (Word("one", confidence=0.8),),
    ),
    Pair("3", "gone", None, "bob"),
]


def test_it_says_what_was_found() -> None:
    page = Page(report(document_of(PAIRS)))
    seen = " ".join("".join(page.texts).split())
    assert "20.00 %" in seen and "1 of them have no hypothesis" in seen  # 2 of 10 words
    assert page.all("html")[0]["lang"] == "en" and page.all("title") and len(page.all("h1")) == 1
    assert [one["id"] for one in page.all("section")] == [
        "summary",
        "lines",
        "confusions",
        "confidence",
        "groups",
        "length",
    ]
    assert (
        "(nothing)" in seen
        and "the cat sat" in seen
        and "Over 3 words the mean confidence is 66.7 %" in seen
    )
    assert all(one.get("scope") for one in page.all("th")) and len(page.all("caption")) == len(
        page.all("table")
    )


def test_no_errors_and_no_confidences() -> None:
    page = Page(report(document_of([Pair("1", "a", "a")])))
    assert "No line has an error." in "".join(page.texts)
    assert [one["id"] for one in page.all("section")] == ["summary", "lines", "length"]
    Page(report(document_of([Pair("1", "", "inserted")])))  # an infinite rate
    Page(report(document_of([Pair("1", "x" * 5000, "y" * 5000), Pair("2", "", "")])))


def test_everything_is_escaped() -> None:
    pairs = [
        Pair(HOSTILE, f"a {HOSTILE}", f"b {HOSTILE} c", HOSTILE),
        Pair("\ud800", "\udfff x", "y", None),
    ]
    other = evaluate([Pair(p.id, p.reference, "z") for p in pairs])
    result = evaluate(pairs, warnings=[HOSTILE])
    text = report(
        Document(
            HOSTILE,
            result,
            pairs,
            compare(result, other),
            made_by=HOSTILE,
            row_of=lambda _: Row(Path(HOSTILE), ""),
        )
    )
    text.encode("utf-8")
    page = Page(text)
    assert not {"script", "iframe", "object", "link", "base", "form"} & {
        tag for tag, _ in page.tags
    }
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        assert all(
            value is None or value.startswith(("data:", "#"))
            for k, value in attributes.items()
            if k in ("src", "href")
        )
    assert "\x00" not in text and "\x1b" not in text
    assert "<script>alert(1)</script>" in "".join(page.texts)
    (policy,) = (one["content"] for one in page.all("meta") if one.get("http-equiv"))
    assert policy is not None and policy.startswith("default-src 'none'")


def test_worst_are_those_beyond_the_mean() -> None:
    pairs = [
        Pair("long", "a" * 100, "b" * 10 + "a" * 90),
        Pair("short", "xy", "xz"),
        Pair("bad", "c" * 20, "d" * 18 + "cc"),
        Pair("right", "e" * 78, "e" * 78),
    ]
    # 29 of 200 characters
    assert [score.id for score in worst_lines(evaluate(pairs), 9)] == ["bad", "short", "long"]
    assert [score.id for score in worst_lines(evaluate(pairs), 1)] == ["bad"]


def test_length_classes() -> None:
    texts = ["", "a", "a b", "a b c", "a " * 81]
    classes = by_length(evaluate([Pair(str(k), text, "a") for k, text in enumerate(texts)]))
    assert {name: (group.n, group.wer.errors) for name, group in classes.items()} == {
        "none": (1, 1), "1 to 2": (2, 1), "3 to 5": (1, 2), "81 or more": (1, 80),
    }  # fmt: skip


def test_trust_follows_the_normalisation() -> None:
    words = (Word("The", confidence=1.0), Word("cat,", confidence=0.5), Word("!", confidence=0.1))
    found = calibration_report(
        [Pair("1", "the bat", "The cat, !", None, words)], normalisation("basic")
    )
    assert found is not None and found.words == 2 and found.accuracy == 0.5 and found.mean == 0.75
    assert found.calibration_error == pytest.approx(0.25) and [b.count for b in found.table] == [
        1,
        1,
    ]
    assert (
        calibration_report([Pair("1", "a", "a", None, (Word("a"),))], normalisation("none")) is None
    )


@pytest.fixture
def media(tmp_path: Path) -> Path:
    grey = np.full((100, 3000), 255, np.uint8)
    grey[40:60, 100:2900] = 0
    cv2.imwrite(str(tmp_path / "line.png"), grey)
    tone = (0.3 * np.sin(np.arange(40 * 16_000) * 0.2)).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", tone, 16_000)
    return tmp_path


def content(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2], validate=True)


def test_clips(media: Path) -> None:
    clip = clip_of(Row(media / "line.png", ""))
    shown = cv2.imdecode(np.frombuffer(content(clip.uri), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert (
        clip.kind == "image"
        and clip.size == (1200, 40)
        and shown.shape == (40, 1200)
        and shown.min() < 60
    )
    line = LineShape(((0, 0), (99, 0), (99, 99), (0, 99)), ((0, 60), (99, 60)))
    assert clip_of(Row(media / "line.png", "", line=line)).size[0] <= 101
    sound = clip_of(Row(media / "long.wav", ""))
    wave, rate = soundfile.read(io.BytesIO(content(sound.uri)))
    assert sound.cut and abs(len(wave) / rate - MAX_SECONDS) < 0.2 and len(sound.uri) < 400_000
    part = clip_of(Row(media / "long.wav", "", start=38.0, end=39.0))
    assert not part.cut and len(part.uri) < 30_000
    with pytest.raises(UserError):
        clip_of(Row(media / "long.wav", "", start=50.0, end=51.0))


def test_media_of_references(media: Path) -> None:
    (media / "long.txt").write_text("a b", encoding="utf-8")
    (media / "line.gt.txt").write_text("c", encoding="utf-8")
    pairs, _ = read_pairs(media, media)
    find = media_finder(media, pairs)
    assert {pair.id: find(pair.id).media.name for pair in pairs} == {
        "line": "line.png",
        "long": "long.wav",
    }  # type: ignore[union-attr]
    manifest = media / "m.jsonl"
    manifest.write_text(
        '{"media": "long.wav", "text": "a", "start": 1, "end": 2}\n{"media": "line.png", "text": "c"}\n',
        encoding="utf-8",
    )
    (media / "h.jsonl").write_text(
        '{"media": "long.wav", "text": "a", "start": 1, "end": 2}\n', encoding="utf-8"
    )
    pairs, _ = read_pairs(manifest, media / "h.jsonl")
    row = media_finder(manifest, pairs)("long.wav#1-2")
    assert (
        row is not None
        and (row.start, row.end) == (1.0, 2.0)
        and media_finder(manifest, pairs)("x") is None
    )
    assert media_finder(media / "long.txt", pairs)("1") is None


def test_the_command(media: Path) -> None:
    (media / "long.txt").write_text("a b", encoding="utf-8")
    words = Word("a", 0, 1, confidence=0.9), Word("c", 1, 2, confidence=0.4)
    hypothesis = Transcript("long.wav", (Line("a c", words),), duration=40)
    (media / "hyp").mkdir()
    (media / "hyp/long.json").write_text(WRITERS["json"](hypothesis), encoding="utf-8")
    out = media / "new/r.html"
    done = CliRunner().invoke(app, ["evaluate", str(media), str(media / "hyp"), "--html", str(out)])
    assert done.exit_code == 0, done.output
    page = Page(out.read_text("utf-8"))
    (audio,) = page.all("audio")
    assert (audio["src"] or "").startswith("data:audio/") and "The first 30 seconds." in "".join(
        page.texts
    )
    assert "Over 2 words the mean confidence is 65.0 %" in " ".join("".join(page.texts).split())
    (media / "long.wav").write_bytes(b"no sound at all")
    done = CliRunner().invoke(app, ["evaluate", str(media), str(media / "hyp"), "--html", str(out)])
    assert done.exit_code == 0 and not Page(out.read_text("utf-8")).all("audio")


@pytest.mark.slow
def test_in_a_browser(media: Path) -> None:
    browsers = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        assert not os.environ.get("CI"), "CI installs chromium: nothing is skipped there"
        pytest.skip("there is no chromium")
    pairs = [
        Pair(
            "sound " + "x" * 90,
            f"a {HOSTILE} " + "long " * 60,
            f"b {HOSTILE}" + "y" * 300,
            HOSTILE,
            (Word("b", confidence=0.5),),
        ),
        Pair("image", "שלום עולם", "שלום", "b"),
    ]
    rows = {pairs[0].id: Row(media / "long.wav", ""), "image": Row(media / "line.png", "")}
    file = media / "r.html"
    file.write_text(report(document_of(pairs, row_of=rows.get)), encoding="utf-8")
    told: list[str] = []
    with browsers.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme, width in (("light", 1200), ("dark", 360)):
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            page.on("console", lambda message: told.append(message.text))
            page.on("dialog", lambda dialog: told.append(dialog.message))
            page.on(
                "request",
                lambda request: (
                    told.append(request.url) if request.url.startswith("http") else None
                ),
            )
            page.goto(file.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert abs(page.evaluate(DURATION) - MAX_SECONDS) < 0.5
            assert (
                page.evaluate(
                    "async () => (await document.images[0].decode(), document.images[0].naturalWidth)"
                )
                == 1200
            )
            assert "rtl" in page.evaluate(
                "[...document.querySelectorAll('dd')].map(e => getComputedStyle(e).direction)"
            )
            assert page.evaluate(CONTRAST) == []
        browser.close()
    assert told == []


DURATION = """() => new Promise(done => {
  const audio = document.querySelector('audio');
  audio.onloadedmetadata = () => done(audio.duration);
  audio.onerror = () => done(-1);
  audio.preload = 'auto';
  audio.load();
})"""

# Every text against the first opaque background behind it: WCAG 2.1, 1.4.3.
CONTRAST = """() => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = c => c.slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [.2126, .7152, .0722][k], 0);
  const low = [];
  for (const e of document.querySelectorAll('main *, header *, footer')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || e.closest('svg')) continue;
    let behind = e, back = [0, 0, 0, 0];
    while (behind && back.length === 4 && back[3] === 0) {
      back = parse(getComputedStyle(behind).backgroundColor);
      behind = behind.parentElement;
    }
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(back)];
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) low.push([e.tagName, e.className, ratio]);
  }
  return low;
}"""
