"""Page models from recipe to lines: crops and their maps, a run, its resumption, the graph, what
cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch

from recog.errors import UserError
from recog.formats.layout import page as page_xml
from recog.model.page_model import PageNetworkConfig, open_page_model_folder
from recog.nn.page.network import PageNetwork, build_page_onnx, page_arrays
from recog.nn.weights import load_weights
from recog.segment.page_lines import PageSegmenter, page_ink
from recog.training.page_model import marginalia as page_context
from recog.training.page_model.crops import draw_crop, draw_maps
from recog.training.page_model.data import Page, load_pages
from recog.training.page_model.geometry import draw_geometry
from recog.training.page_model.marginalia import Base, PageContextTrainer
from recog.training.page_model.page_synthesis import (
    MAIN,
    LineImages,
    SyntheticPage,
    synthesise_page,
)
from recog.training.page_model.recipe import read_page_recipe
from recog.training.page_model.run import train_page_model
from recog.training.page_model.trainer import PageTrainer
from recog.training.progress import Reporter
from recog.training.recipe_base import RunOptions
from recog.transcript import Line, Transcript


def written_page(folder: Path, name: str) -> None:
    """A page of three lines of writing, and its PAGE file."""
    image, lines = np.full((200, 260), 240, np.uint8), []
    for y in (50, 100, 150):
        cv2.putText(image, "abc defgh", (20, y), cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, 1.0, 30, 2)
        polygon = ((15.0, y - 30.0), (230.0, y - 30.0), (230.0, y + 12.0), (15.0, y + 12.0))
        lines.append(
            Line("abc defgh", baseline=((20.0, float(y)), (225.0, float(y))), polygon=polygon)
        )
    cv2.imwrite(str(folder / f"{name}.png"), image)
    transcript = Transcript(f"{name}.png", tuple(lines), size=(260, 200))
    (folder / f"{name}.xml").write_text(page_xml.write(transcript), encoding="utf-8")


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    for split in ("train", "dev"):
        (tmp_path / "pages" / split).mkdir(parents=True)
        for number in range(2):
            written_page(tmp_path / "pages" / split, f"{split}{number}")
    path = tmp_path / "tiny.yaml"
    path.write_text(
        "name: tiny\nmodality: page\n"
        f'data: [{{name: drawn, layout: page, path: "{tmp_path}/pages"}}]\n'
        "network: {widths: [4, 6, 8, 8, 8], side: 256}\n"
        "training: {epochs: 2, updates: 3, batch: 2, crop: 96, device: cpu, threads: 1}\n",
        encoding="utf-8",
    )
    return path


def test_maps_lie_where_the_ink_is(recipe_file: Path) -> None:
    train, dev, problems = load_pages(read_page_recipe(recipe_file))
    assert [len(train), len(dev), problems] == [2, 2, []]
    page = train[0]
    maps = draw_maps(page.lines, lambda points: points / np.float32(2), 128)
    small = cv2.resize(page.ink, None, fx=0.5, fy=0.5)
    body = maps[2][: small.shape[0], : small.shape[1]]
    assert small[body > 0].mean() > 5 * max(1.0, small[body == 0].mean())
    rows = np.flatnonzero(maps[0].any(axis=1))
    assert 1 + (np.diff(rows) > 1).sum() == 3, "a baseline for each line"
    assert 0 < maps[1].sum() < maps[0].sum()


def test_a_negative_is_learned_from_as_it_is_read(recipe_file: Path) -> None:
    folder = recipe_file.parent / "pages" / "train"
    positive = load_pages(read_page_recipe(recipe_file))[0][0]
    image = cv2.imread(str(folder / "train0.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(folder / "train0.png"), 255 - image)
    negative = load_pages(read_page_recipe(recipe_file))[0][0]
    assert Path(negative.name) == Path(positive.name) and (negative.ink == positive.ink).all()


def test_a_missing_source_is_an_error_unless_it_is_optional(recipe_file: Path) -> None:
    text = recipe_file.read_text(encoding="utf-8")
    missing = "data: [{name: rendered, layout: page, path: nowhere, split: train}, "
    recipe_file.write_text(text.replace("data: [", missing), encoding="utf-8")
    with pytest.raises(UserError, match="nowhere"):
        load_pages(read_page_recipe(recipe_file))
    recipe_file.write_text(
        text.replace("data: [", missing.replace("train}", "train, optional: true}")),
        encoding="utf-8",
    )
    train, _, problems = load_pages(read_page_recipe(recipe_file))
    assert len(train) == 2 and len(problems) == 1 and "nowhere" in problems[0]


def test_crops_are_functions_of_their_generator(recipe_file: Path) -> None:
    page = load_pages(read_page_recipe(recipe_file))[0][0]
    one, two = (draw_crop(page, np.random.default_rng(4), 96, spacing=34) for _ in range(2))
    assert (one[0] == two[0]).all() and (one[1] == two[1]).all()
    assert one[0].shape == (96, 96) and one[1].shape == (3, 48, 48)
    other = draw_crop(page, np.random.default_rng(5), 96, spacing=34)
    assert (one[0] != other[0]).any()


def test_a_run_makes_a_model_and_goes_on_after_a_kill(
    recipe_file: Path, tmp_path: Path, monkeypatch
) -> None:
    train_page_model(recipe_file, tmp_path / "whole")
    model_folder = open_page_model_folder(tmp_path / "whole")
    assert model_folder.config.dev["pages"] == 2 and "drawn" in model_folder.card
    plain = Reporter.advance

    def killed(self, info=""):
        plain(self, info)
        killed.count += 1
        if killed.count == 4:
            raise KeyboardInterrupt

    killed.count = 0
    monkeypatch.setattr("recog.training.loop.CHECKPOINT_SECONDS", 0.0)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Reporter, "advance", killed)
        train_page_model(recipe_file, tmp_path / "killed")
    train_page_model(recipe_file, tmp_path / "killed")
    for name in ("model.safetensors", "model.onnx"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    entries = [
        json.loads(line)
        for line in (tmp_path / "whole/training/log.jsonl").read_text().splitlines()
    ]
    assert [entry["epoch"] for entry in entries if "f1" in entry] == [1, 2]


@pytest.mark.parametrize("context", [(), (1, 2, 4)])
def test_the_graph_gives_what_the_network_gives(context: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    config = PageNetworkConfig(widths=(4, 6, 8), side=64, context=context)
    network = PageNetwork(config).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
        for block in network.context.blocks if network.context else ():
            block.wide.weight.normal_(0, 0.2)
    import onnxruntime

    graph = build_page_onnx(config, page_arrays(network))
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for shape in ((32, 64), (64, 32)):
        ink = torch.rand(1, 1, *shape)
        with torch.no_grad():
            expected = torch.sigmoid(network(ink)).numpy()
        found = session.run(None, {"ink": ink.numpy()})[0]
        assert found.shape == (1, len(config.maps), shape[0] // 2, shape[1] // 2)
        assert np.abs(found - expected).max() < 5e-3, "kernels are stored in half precision"


@pytest.mark.parametrize("contrast", ["page", "local"])
def test_a_page_is_the_same_under_any_light(contrast) -> None:
    rng = np.random.default_rng(2)
    page = np.full((300, 400), 230.0)
    page[100:104, 50:350] = 40.0
    plain = page_ink(page.astype(np.uint8), 1.0, contrast)
    assert plain.max() == 255 and plain[:90].max() < 13
    light = np.linspace(0.5, 1.0, 400)[None] * np.linspace(0.7, 1.0, 300)[:, None]
    shaded = page_ink(
        (page * light + rng.normal(0, 1, page.shape)).clip(0, 255).astype(np.uint8), 1.0, contrast
    )
    assert np.abs(shaded[100:104, 60:340] - plain[100:104, 60:340].astype(float)).mean() < 31
    blank = page_ink(np.full((50, 40), 200, np.uint8), 128 / 50, contrast)
    assert blank.shape == (128, 102) and blank.max() == 0


def test_faint_writing_is_as_strong_as_what_stands_beside_it() -> None:
    page = np.full((400, 600), 230, np.uint8)
    page[100:112, 20:580] = 40
    page[300:304, 350:550] = 195
    whole, local = (page_ink(page, 1.0, contrast) for contrast in ("page", "local"))
    assert whole[301, 400] < 60 < 150 < local[301, 400] and local[101, 100] == 255


def test_what_cannot_be_used_is_named(recipe_file: Path, tmp_path: Path) -> None:
    text = recipe_file.read_text()
    recipe_file.write_text(text.replace("crop: 96", "crop: 97"))
    with pytest.raises(UserError, match=r"training\.crop"):
        read_page_recipe(recipe_file)
    recipe_file.write_text(text.replace("/pages", "/pages/train"))
    with pytest.raises(UserError, match="no page of dev"):
        load_pages(read_page_recipe(recipe_file))
    with pytest.raises(UserError, match="no page model"):
        open_page_model_folder(tmp_path / "nothing")


def test_an_empty_page_has_no_lines(recipe_file: Path, tmp_path: Path) -> None:
    train_page_model(recipe_file, tmp_path / "m", RunOptions(epochs=1))
    segmenter = PageSegmenter(open_page_model_folder(tmp_path / "m"))
    assert isinstance(segmenter.lines(np.full((80, 60), 255, np.uint8)), list)
    assert isinstance(segmenter.lines(np.zeros((1, 1), np.uint8)), list)


def test_pages_are_drawn_from_all_corpora() -> None:
    page = Page("a", "p", np.zeros((40, 40), np.uint8), ())
    crop, maps = draw_crop(page, np.random.default_rng(1), 64, spacing=34)
    assert crop.shape == (64, 64) and maps.sum() == 0


def test_context_is_trained_on_a_network_that_stays(recipe_file: Path, tmp_path: Path) -> None:
    train_page_model(recipe_file, tmp_path / "base")
    hand = tmp_path / "hands" / "train"
    hand.mkdir(parents=True)
    for number in range(5):
        image = np.full((40, 200), 240, np.uint8)
        cv2.putText(image, "a note", (5, 28), cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, 1.0, 30, 2)
        cv2.imwrite(str(hand / f"clerk-l{number}.png"), image)
        (hand / f"clerk-l{number}.gt.txt").write_text("a note")
    text = recipe_file.read_text().replace("side: 256", "side: 256, context: [1, 2]")
    recipe = tmp_path / "context.yaml"
    with pytest.raises(UserError, match="needs a base"):
        recipe.write_text(text + "train: context\n")
        read_page_recipe(recipe)
    recipe.write_text(text + f'base: base\nnoted: [drawn]\nhands: [{{path: "{tmp_path}/hands"}}]\n')
    train_page_model(recipe, tmp_path / "both")
    base, both = (open_page_model_folder(tmp_path / name) for name in ("base", "both"))
    before, after = (load_weights(model_folder) for model_folder in (base, both))
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert {name.split(".")[0] for name in after.keys() - before.keys()} == {"context"}
    assert "notes" in both.card
    image = cv2.imread(str(tmp_path / "pages/dev/dev0.png"), cv2.IMREAD_GRAYSCALE)
    assert PageSegmenter(both).lines(image, marginalia=True) == PageSegmenter(base).lines(image)
    recipe.write_text(recipe.read_text().replace("[4, 6, 8, 8, 8]", "[4, 6, 8]"))
    with pytest.raises(UserError, match="another shape"):
        train_page_model(recipe, tmp_path / "other")


def test_a_geometry_network_is_added_to_a_base(recipe_file: Path, tmp_path: Path) -> None:
    train_page_model(recipe_file, tmp_path / "base")
    recipe = tmp_path / "geometry.yaml"
    text = recipe_file.read_text().replace(
        "network: {widths: [4, 6, 8, 8, 8], side: 256}", "train: geometry"
    )
    recipe.write_text(text + "geometry: {widths: [4, 6, 8, 8, 8], dilations: [1, 2], side: 256}\n")
    with pytest.raises(UserError, match="needs a base"):
        read_page_recipe(recipe)
    recipe.write_text(recipe.read_text() + "base: base\n")
    train_page_model(recipe, tmp_path / "both")
    base, both = (open_page_model_folder(tmp_path / name) for name in ("base", "both"))
    assert base.config.geometry is None and both.config.geometry is not None
    assert both.config.network == base.config.network
    assert all(
        (base.path / name).read_bytes() == (both.path / name).read_bytes()
        for name in base.config.files
    )
    image = cv2.imread(str(tmp_path / "pages/dev/dev0.png"), cv2.IMREAD_GRAYSCALE)
    seen = PageSegmenter(both).geometry(image)
    assert seen.cells == 0 or (seen.size > 0 and -180 <= seen.angle <= 180)


def test_what_a_geometry_network_learns_from_is_what_the_page_shows(recipe_file: Path) -> None:
    page = load_pages(read_page_recipe(recipe_file))[0][0]
    directions = set()
    for seed in range(12):
        ink, geometry = draw_geometry(page, np.random.default_rng(seed), 256)
        written = geometry[0] > 0
        assert ink.shape == (256, 256) and geometry.shape == (6, 16, 16)
        if not written.any():
            continue
        cosine, sine = geometry[2][written], geometry[3][written]
        np.testing.assert_allclose(np.hypot(cosine, sine), 1.0, atol=1e-5)
        np.testing.assert_allclose(geometry[4][written], cosine**2 - sine**2, atol=0.05)
        directions.add(round(float(np.degrees(np.arctan2(sine.mean(), cosine.mean()))) / 90) % 4)
    assert directions == {0, 1, 2, 3}


@pytest.mark.parametrize("context", [False, True])
def test_pages_of_ones_own_train_a_model_on(
    recipe_file: Path, tmp_path: Path, context: bool
) -> None:
    train_page_model(recipe_file, tmp_path / "base")
    if context:
        text = recipe_file.read_text().replace("side: 256", "side: 256, context: [1, 2]")
        (tmp_path / "context.yaml").write_text(text + "base: base\n")
        train_page_model(tmp_path / "context.yaml", tmp_path / "with")
    base = tmp_path / ("with" if context else "base")
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(5):
        written_page(folder, f"page{number}")
    options = RunOptions(epochs=1, threads=1)
    train_page_model(folder, tmp_path / "tuned", options, base)
    before, after = (
        load_weights(open_page_model_folder(path)) for path in (base, tmp_path / "tuned")
    )
    assert before.keys() == after.keys()
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert "head" in changed and ("stem" in changed) != context
    assert not any(name.startswith("context") for name in changed)
    assert open_page_model_folder(tmp_path / "tuned").config.dev["pages"] == 1
    with pytest.raises(UserError, match="--out"):
        train_page_model(folder, None, options, base)


def test_a_context_that_is_resumed_ends_bitwise_the_same(
    recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On lines that are given, as the tiny base finds none."""
    rows = (12.0, 25.0, 37.0)
    monkeypatch.setattr(
        page_context,
        "find_baselines",
        lambda _: [np.array([[5.0, y], [60.0, y]], np.float32) for y in rows],
    )
    monkeypatch.setattr(page_context, "is_main_text", lambda line, _: int(line[0, 1]) % 2 == 1)
    monkeypatch.setattr(
        page_context, "synthesise_page", lambda page, *_, **__: SyntheticPage(*blank_sheet(page))
    )
    text = (
        recipe_file.read_text()
        .replace("side: 256", "side: 256, context: [1, 2]")
        .replace("updates: 3", "updates: 4")
    )
    recipe_file.write_text(
        text + f'base: base\nnoted: [drawn]\nhands: [{{path: "{tmp_path}/pages"}}]\n'
    )
    recipe = read_page_recipe(recipe_file)
    train, dev, _ = load_pages(recipe)
    network = PageNetwork(recipe.network.model_copy(update={"context": ()}))
    base = Base(
        {name: value.detach().clone() for name, value in network.state_dict().items()}, "checksum"
    )
    monkeypatch.setattr(page_context, "LineImages", lambda *_: None)

    def trainer(name: str, noise: int) -> PageContextTrainer:
        torch.manual_seed(noise)
        (tmp_path / name / "training").mkdir(parents=True, exist_ok=True)
        return PageContextTrainer(
            recipe, train, dev, tmp_path / name, Reporter(tmp_path, quiet=True), base
        )

    def steps(of: PageContextTrainer, count: int) -> PageContextTrainer:
        for _ in range(count):
            assert of.step(of.batch(of.progress.step), 1e-2) is not None
            of.progress.step += 1
        return of

    fresh = trainer("whole", 1).network.state_dict()
    fresh = {name: value.clone() for name, value in fresh.items()}
    whole = steps(trainer("whole", 2), 4).network.state_dict()
    steps(trainer("cut", 3), 2).save()
    rest = trainer("cut", 4)
    assert rest.resume()
    for name, value in steps(rest, 2).network.state_dict().items():
        assert torch.equal(value, whole[name]), name
        if not name.startswith("context."):
            assert torch.equal(value, fresh[name]), name
    assert not torch.equal(whole["context.leave.weight"], fresh["context.leave.weight"])


def blank_sheet(page: Page) -> tuple[np.ndarray, np.ndarray]:
    height, width = (n - n % 32 for n in page.ink.shape)  # multiples of what the network halves
    ink = page.ink[:height, :width]
    return ink.astype(np.float32) / 255.0, np.zeros_like(ink)


def test_corrected_pages_are_not_taken_for_those_of_a_run_that_goes_on(
    recipe_file: Path, tmp_path: Path
) -> None:
    train_page_model(recipe_file, tmp_path / "run")
    file = tmp_path / "pages" / "train" / "train0.xml"
    file.write_text(file.read_text().replace("20,50", "22,50"))
    with pytest.raises(UserError, match="the data or the transcripts of 'lines' have changed"):
        train_page_model(recipe_file, tmp_path / "run")


def test_a_run_from_before_context_goes_on(recipe_file: Path, tmp_path: Path) -> None:
    recipe = read_page_recipe(recipe_file)
    train, dev, _ = load_pages(recipe)
    trainer = PageTrainer(recipe, train, dev, tmp_path / "run", Reporter(tmp_path / "run"))
    now = json.loads(json.dumps(trainer.fingerprint()))
    before = json.loads(json.dumps(now))
    del before["recipe"]["noted"], before["recipe"]["hands"], before["recipe"]["network"]["context"]
    del (
        before["recipe"]["train"],
        before["recipe"]["geometry"],
        before["recipe"]["network"]["spacing"],
    )
    del before["recipe"]["network"]["contrast"]
    del before["data"]["lines"], before["base model"]
    assert before != now and trainer.migrate(before) == now


def test_composed_pages_are_functions_of_their_generator_and_say_whose_is_what(
    recipe_file: Path, tmp_path: Path
) -> None:
    page = load_pages(read_page_recipe(recipe_file))[0][0]
    nobody = LineImages([])
    for seed in range(8):
        one, two = (
            synthesise_page(page, nobody, np.random.default_rng(seed), noted=True) for _ in range(2)
        )
        assert (one.ink == two.ink).all() and (one.mask == two.mask).all()
        assert (
            one.ink.shape == one.mask.shape and one.ink.shape[0] % 32 == one.ink.shape[1] % 32 == 0
        )
        assert one.ink[one.mask == MAIN].mean() > 3 * one.ink[one.mask != MAIN].mean()
