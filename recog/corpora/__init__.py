"""Corpora: the manifest, its validator and splits, and an importer for each layout.

An importer is a module with ``rows(src, **options) -> Iterator[Row]``. It reads the texts, speakers
or writers, and official splits of a layout. Validation and splitting come later.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from recog.errors import UsageError

# name -> (module, description of the files)
LAYOUTS: dict[str, tuple[str, str]] = {
    "folder": (
        "recog.corpora.folder",
        "clip.wav + clip.txt, line.png + line.gt.txt, page.jpg + page.xml",
    ),
    "librispeech": (
        "recog.corpora.importers.speech.librispeech",
        "LibriSpeech tree with *.trans.txt",
    ),
    "kaldi": (
        "recog.corpora.importers.speech.kaldi",
        "Kaldi data folder: text, wav.scp, segments, utt2spk",
    ),
    "sphinx": (
        "recog.corpora.importers.speech.sphinx",
        "SphinxTrain etc/*.fileids and *.transcription, as AN4",
    ),
    "ljspeech": ("recog.corpora.importers.speech.ljspeech", "LJSpeech metadata.csv and wavs/"),
    "vctk": ("recog.corpora.importers.speech.vctk", "VCTK txt/ and wav48*/"),
    "commonvoice": (
        "recog.corpora.importers.speech.commonvoice",
        "Common Voice train.tsv, dev.tsv, test.tsv and clips/",
    ),
    "fsdd": (
        "recog.corpora.importers.speech.fsdd",
        "Free Spoken Digit Dataset, digit_speaker_index.wav",
    ),
    "filenames": ("recog.corpora.importers.filenames", "text in the file names, by --pattern"),
    "tsv": (
        "recog.corpora.importers.tsv",
        "a table of clips or line images: path, text, start, end, group",
    ),
    "page": ("recog.corpora.importers.pages.page", "PAGE XML beside page images"),
    "alto": ("recog.corpora.importers.pages.alto", "ALTO XML beside page images"),
    "iam": ("recog.corpora.importers.pages.iam", "IAM lines.txt and lines/"),
    "rimes": (
        "recog.corpora.importers.pages.rimes",
        "RIMES 2011: XML and page images (ICDAR), or images and texts of lines",
    ),
}


def importer(layout: str, **options: Any) -> Callable[[Path], Iterator[Any]]:
    """Look up the ``rows`` function of a layout and bind its options.

    An option of None counts as not given.

    Raises:
        UsageError: the layout is unknown, or has no such option. For an unknown layout, the message
            lists the known layouts.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"There is no layout '{layout}'; use one of {', '.join(LAYOUTS)}.")
    function = import_module(LAYOUTS[layout][0]).rows
    given = {name: value for name, value in options.items() if value is not None}
    known = set(inspect.signature(function).parameters) - {"src"}
    for name in given.keys() - known:
        raise UsageError(f"The layout '{layout}' has no option --{name}.")

    def rows(src: Path) -> Iterator[Any]:
        from recog.corpora.files import clear_cache

        clear_cache()
        return function(Path(src), **given)

    return rows
