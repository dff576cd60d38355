"""The language models of a tuned recogniser: which files, and their names in its folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from recog.errors import UsageError, UserError
from recog.lm.binary import load_lm
from recog.lm.neural import NeuralLM
from recog.lm.trie import NGramTrie
from recog.model.folder import CONFIG, GRAPH, RESCORER, RESCORER_CONFIG
from recog.model.language_model import open_language_model_folder
from recog.model.recogniser_folder import RecogniserFolder


def language_files(
    model_folder: RecogniserFolder, lm: Path | None, languages: Mapping[str, Path]
) -> tuple[Path | None, dict[str, Path]]:
    """The files of the usual language model and of other languages: new ones, else the model's.

    Raises:
        UsageError: there are other languages without a usual language model.
    """
    decoding = model_folder.config.decoding
    if lm is None and languages:
        raise UsageError(
            "Language models of other languages are beside a usual one; give that with --lm."
        )
    if lm is None and decoding.lm is not None:
        others = {name: model_folder.file(file) for name, file in decoding.languages.items()}
        return model_folder.file(decoding.lm), others
    return lm, dict(languages)


def load_models(usual: Path | None, others: Mapping[str, Path]) -> list[NGramTrie]:
    """Load the usual language model and those of other languages.

    Raises:
        UserError: some are of words and some of characters.
    """
    models = [load_lm(path) for path in (usual, *others.values()) if path is not None]
    if len({model.unit for model in models}) > 1:
        raise UserError(
            "The language models of a recogniser must all be of words, or all of characters."
        )
    return models


def load_neural(
    model_folder: RecogniserFolder, folder: Path | None
) -> tuple[NeuralLM | None, dict[str, bytes]]:
    """The neural language model in a folder, else the recogniser's, and its files."""
    if folder is not None:
        lm = open_language_model_folder(folder)
        files = {RESCORER: lm.file(GRAPH), RESCORER_CONFIG: lm.path / CONFIG}
        return NeuralLM(lm), {name: path.read_bytes() for name, path in files.items()}
    if model_folder.config.decoding.rescoring is None:
        return None, {}
    names = (RESCORER, RESCORER_CONFIG)
    return NeuralLM.within(model_folder), {
        name: model_folder.file(name).read_bytes() for name in names
    }


def lm_file_name(name: str, path: Path) -> str:
    """The name of a language model's file in the model folder."""
    return f"{name}{path.suffix if path.suffix == '.bin' else '.arpa'}"


def language_file_names(languages: Mapping[str, Path]) -> dict[str, str]:
    """Distinct names of the files of other languages: ASCII lower-case letters, digits, hyphens."""
    names: dict[str, str] = {}
    for number, (language, path) in enumerate(languages.items(), 2):
        plain = re.sub(r"[^a-z0-9]+", "-", language.casefold()).strip("-")[:40] or str(number)
        name = lm_file_name(f"lm-{plain}", path)
        taken = name in names.values()
        names[language] = lm_file_name(f"lm-{plain}-{number}", path) if taken else name
    return names
