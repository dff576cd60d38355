"""Batches, schedule, augmentation, and that training learns."""

import json
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file

from recog.errors import UsageError, UserError
from recog.model.config import SpectrogramConfig
from recog.model.recogniser_folder import open_recogniser_folder
from recog.recognition.load import load
from recog.text.alphabet import Alphabet
from recog.training.checkpoint import first_difference
from recog.training.optimiser import learning_rate
from recog.training.recipe_base import RunOptions
from recog.training.recogniser import augment_image, augment_sound
from recog.training.recogniser.batches import Epoch, Item, plan_epoch
from recog.training.recogniser.data import Example, prepare
from recog.training.recogniser.recipe import Optimisation, SoundAugmentation, read_recipe
from recog.training.recogniser.run import train_recogniser
from recog.training.recogniser.trainer import Trainer


def examples(count: int = 300, weight: float = 1.0) -> list[Example]:
    rng = np.random.default_rng(0)
    return [
        Example(i, int(rng.integers(20, 900)), (1, 2), "ab", weight, "x", f"{i}")
        for i in range(count)
    ]


def test_an_epoch_is_a_function_of_seed_and_epoch(recipe_file):
    recipe = read_recipe(recipe_file)
    a, b, c = (plan_epoch(examples(), epoch, recipe) for epoch in (1, 1, 2))
    assert a == b and a != c


def test_batches_keep_their_bounds_and_every_row(recipe_file):
    recipe = read_recipe(recipe_file)
    options = Optimisation(batch_columns=2000, batch_items=7)
    recipe = recipe.model_copy(update={"training": options})
    plan = plan_epoch(examples(), 1, recipe)
    for batch in plan:
        assert len(batch) <= 7
        assert len(batch) == 1 or max(i.columns for i in batch) * len(batch) <= 2000
    assert Counter(i.example.index for batch in plan for i in batch) == Counter(range(300))
    padded = sum(max(i.columns for i in batch) * len(batch) for batch in plan)
    assert sum(i.columns for batch in plan for i in batch) > 0.9 * padded


def test_weights_are_average_repetitions(recipe_file):
    recipe = read_recipe(recipe_file)
    counts = [
        sum(map(len, plan_epoch(examples(weight=w), e, recipe)))
        for w in (0.25, 2.5)
        for e in range(1, 9)
    ]
    assert abs(np.mean(counts[:8]) - 75) < 12 and abs(np.mean(counts[8:]) - 750) < 20


def test_sharding_gives_each_row_to_one_process(recipe_file, tmp_path):
    recipe = read_recipe(recipe_file)
    data = prepare(recipe, tmp_path / "cache")
    plan = plan_epoch(data.train, 1, recipe)
    alone = Epoch(plan, data.store, recipe, 1)
    shards = [Epoch(plan, data.store, recipe, 1, rank=r, world=3) for r in range(3)]
    for i, whole in enumerate(alone):
        parts = [shard[i] for shard in shards]
        assert sum(float(p.weights.sum()) for p in parts) == len(whole.items)
        assert {p.labels for p in parts} == {whole.labels}
        first = next(p for p in parts if p.items[0] == whole.items[0])
        n = int(whole.lengths[0])
        assert torch.equal(first.features[0, :n], whole.features[0, :n])  # augmented alike


def test_schedule():
    options = Optimisation(learning_rate=1e-3, warmup=0.1, schedule="one-cycle")
    rates = [learning_rate(options, p) for p in (0.0, 0.05, 0.1, 0.55, 1.0)]
    np.testing.assert_allclose(rates, [1e-6, 5e-4, 1e-3, 5e-4, 0.0], atol=1e-9)
    cosine = options.model_copy(update={"schedule": "cosine"})
    assert learning_rate(cosine, 1.0) == pytest.approx(1e-5)


def test_augmented_strips_have_the_planned_width():
    strip = np.zeros((16, 200), np.uint8)
    strip[4:12, 50:60] = 255
    for seed in range(30):
        rng = np.random.default_rng(seed)
        out = augment_image.augment(strip, rng, 1.25)
        assert out.shape == (16, 250) and out.dtype == np.uint8
        centre = (out.astype(float) * np.arange(250)).sum() / out.sum()
        assert 40 < centre < 120 or out.min() > 0


def test_speed_perturbation_moves_time_and_frequency():
    config = SpectrogramConfig()
    frames = np.zeros((100, 80), np.float32)
    frames[50, 40] = 10.0
    slow = augment_sound.perturb_speed(frames, config, 1.2, 1.0)
    assert slow.shape == (120, 80) and np.unravel_index(slow.argmax(), slow.shape) == (60, 40)
    higher = augment_sound.perturb_speed(frames, config, 1.0, 1.15)
    assert higher[50].argmax() > 40


@pytest.mark.parametrize("count", [30_000, 40_000])
def test_a_clip_of_many_minutes_is_slowed_down_like_any(count):
    config = SpectrogramConfig()
    ramp = np.repeat(np.arange(count, dtype=np.float32)[:, None], config.bands, axis=1)
    slow = augment_sound.perturb_speed(ramp, config, 1.14, 1.0)
    assert slow.shape == (round(1.14 * count), config.bands)
    expected = np.minimum(np.arange(len(slow)) / 1.14, count - 1)
    assert np.abs(slow[:, 40] - expected).max() < 0.05


def test_an_endless_line_is_augmented():
    strip = np.zeros((16, 40_000), np.uint8)
    strip[:, 39_000:39_010] = 255
    out = augment_image.augment(strip, np.random.default_rng(0), 1.25)
    assert out.shape == (16, 50_000)
    assert out[:, 48_700:48_800].mean() > 5 * max(1.0, out[:, :40_000].mean())


def test_spec_augment_masks_a_bounded_share():
    options = SoundAugmentation(band_masks=2, band_width=15, time_masks=1.0, time_width=10)
    masked = []
    for seed in range(20):
        frames = augment_sound.spec_augment(
            np.ones((200, 80), np.float32), np.random.default_rng(seed), options
        )
        assert (frames == 0).all(axis=1).sum() <= 2 * 10
        assert (frames == 0).all(axis=0).sum() <= 2 * 15
        masked.append((frames == 0).mean())
    assert 0.05 < np.mean(masked) < 0.4
    off = SoundAugmentation(band_masks=0, time_masks=0.0)
    assert (
        augment_sound.spec_augment(np.ones((200, 80), np.float32), np.random.default_rng(1), off)
        == 1
    ).all()


def test_noise_adds_power_at_the_level_it_says():
    """Against silence with one loud second: the added power, over all cells, lies 3 to 35 dB below
    the clip's own."""
    frames = np.full((400, 80), np.log(1e-6), np.float32)
    frames[100:200] = 0.0
    for seed in range(30):
        noisy = augment_sound.add_noise(frames, np.random.default_rng(seed))
        assert noisy.shape == frames.shape and noisy.dtype == np.float32 and (noisy >= frames).all()
        added = (np.exp(noisy.astype(np.float64)) - np.exp(frames.astype(np.float64))).mean()
        below = -10 * np.log10(added / np.exp(frames.astype(np.float64)).mean())
        assert 2.0 < below < 36.0


def test_a_room_decays_exponentially_after_the_sound():
    frames = np.full((300, 80), np.log(1e-12), np.float32)
    frames[50] = 0.0
    for seed in range(10):
        wet = augment_sound.add_room(frames, np.random.default_rng(seed), 0.01)
        assert (wet[:51] <= frames[:51] + 3.0).all(), "nothing sounds before its cause"
        tail = wet[51:91].mean(1)
        slope = np.polyfit(np.arange(40) * 0.01, tail * 10 / np.log(10), 1)[0]  # dB a second
        assert -60 / 0.05 < slope < -60 / 0.9
        assert np.isfinite(wet).all()


def test_sound_augmentation_is_a_function_of_its_generator():
    config = SpectrogramConfig(mean=(0.0,) * 80, deviation=(1.0,) * 80)
    frames = np.random.default_rng(0).normal(-5.0, 2.0, (150, 80)).astype(np.float32)
    options = SoundAugmentation(rooms=0.5, noise=0.5)
    one, two = (
        augment_sound.augment(frames, np.random.default_rng(3), config, options, 1.1)
        for _ in range(2)
    )
    assert one.shape == (165, 80) and (one == two).all() and np.isfinite(one).all()


def test_first_difference_names_the_place():
    assert first_difference({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}) == "a.b[1] was 2 and is 3"
    assert first_difference({"a": 1}, {"a": 1}) == ""


def test_infeasible_and_unreadable_rows_are_named(recipe_file, lines, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in lines.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "line00.gt.txt").write_text("ab" * 60)
    (broken / "line01.png").write_bytes(b"not an image")
    recipe_file.write_text(recipe_file.read_text().replace(str(lines), str(broken)))
    data = prepare(read_recipe(recipe_file), tmp_path / "cache")
    text = "\n".join(data.problems)
    assert "line00.png" in text and "need 120 frames" in text and "line01.png" in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs: 3", "epoks: 3", "training.epoks"),
        ("modality: handwriting", "modality: smell", "modality"),
        ("name: tiny", "name: [", "not valid YAML"),
        ('path: "', 'path: "$NO_SUCH_VARIABLE', "environment variable"),
    ],
)
def test_wrong_recipes_are_named(recipe_file, old, new, message):
    recipe_file.write_text(recipe_file.read_text().replace(old, new))
    with pytest.raises(UserError, match=message):
        read_recipe(recipe_file)


def test_training_from_a_model_grows_its_alphabet(recipe_file, tmp_path):
    train_recogniser(recipe_file, tmp_path / "base", None)
    base = open_recogniser_folder(tmp_path / "base")
    from recog.nn.weights import network_from

    grown = network_from(base, Alphabet.from_list([*base.config.symbols[1:], "à", "z"]))
    old = network_from(base)
    a = old.head.weight.shape[0]
    assert torch.equal(grown.head.weight[:a], old.head.weight)
    assert torch.equal(grown.head.weight[a], old.head.weight[base.config.symbols.index("a")])
    with pytest.raises(UserError, match="must begin"):
        network_from(base, Alphabet.from_list(["z"]))


def test_a_recipe_gives_a_base_model_finer_frames_and_its_own_dropout(
    recipe_file, tmp_path, monkeypatch
):
    train_recogniser(recipe_file, tmp_path / "base", None, RunOptions(epochs=1))
    base = open_recogniser_folder(tmp_path / "base")
    assert base.config.encoder.subsampling == 4
    networks = []
    monkeypatch.setattr(Trainer, "evaluate_base", lambda trainer: networks.append(trainer.network))
    text = recipe_file.read_text().replace("hidden: 16", "hidden: 16\n  dropout: 0.4")
    recipe_file.write_text(text + "subsampling: 2\n", encoding="utf-8")
    train_recogniser(recipe_file, tmp_path / "finer", str(tmp_path / "base"), RunOptions(epochs=1))
    encoder = open_recogniser_folder(tmp_path / "finer").config.encoder
    assert encoder.subsampling == 2 and encoder.frames(40) == 20
    assert [layer.stride[1] * layer.pool[1] for layer in encoder.convolutions] == [2, 1], (
        "the last gives way first"
    )
    assert networks[0].config.dropout == encoder.dropout == 0.4, (
        "what is trained is what the recipe says"
    )
    recipe_file.write_text(text + "subsampling: 3\n", encoding="utf-8")
    with pytest.raises(
        UserError, match=r"tiny\.yaml: subsampling: a network with 4 columns a frame cannot have 3"
    ):
        train_recogniser(recipe_file, tmp_path / "other", str(tmp_path / "base"))


def test_frozen_convolutions_stay_until_they_are_thawed(recipe_file, tmp_path):
    train_recogniser(recipe_file, tmp_path / "base", None, RunOptions(epochs=1))
    front = {}
    for name, share in (("held", 1.0), ("thawed", 0.5)):
        train_recogniser(
            recipe_file, tmp_path / name, str(tmp_path / "base"), RunOptions(epochs=2, freeze=share)
        )
        front[name] = load_file(tmp_path / name / "training" / "last.safetensors")
    base = {k: v.float() for k, v in load_file(tmp_path / "base" / "model.safetensors").items()}
    convolutions = [k for k in base if k.startswith("front.")]
    assert any("running_mean" in k for k in convolutions)
    assert all(torch.equal(front["held"][f"network.{k}"], base[k]) for k in convolutions)
    assert not any(
        torch.equal(front["thawed"][f"network.{k}"], base[k]) for k in convolutions if "weight" in k
    )
    assert not torch.equal(front["held"]["network.head.weight"], base["head.weight"])


def test_nothing_can_be_frozen_without_a_base(recipe_file, tmp_path):
    with pytest.raises(UsageError, match="--from"):
        train_recogniser(recipe_file, tmp_path / "out", None, RunOptions(freeze=0.5))


def test_a_base_that_no_epoch_beats_on_dev_is_kept(recipe_file, tmp_path, capsys):
    train_recogniser(recipe_file, tmp_path / "base", None, RunOptions(epochs=1))
    capsys.readouterr()
    train_recogniser(
        recipe_file,
        tmp_path / "same",
        str(tmp_path / "base"),
        RunOptions(epochs=2, learning_rate=1e-9),
    )
    said = capsys.readouterr().err
    assert (
        "before training  dev CER" in said and "No epoch was better on dev than tiny itself" in said
    )
    base, same = (load_file(tmp_path / name / "model.safetensors") for name in ("base", "same"))
    assert base.keys() == same.keys() and all(torch.equal(base[name], same[name]) for name in base)
    assert open_recogniser_folder(tmp_path / "same").config.trained["best_epoch"] == 0


def test_a_head_over_another_layer_than_the_bases_is_drawn_anew(recipe_file, tmp_path):
    from recog.nn.weights import network_from

    recipe_file.write_text(
        recipe_file.read_text().replace("layers: 2", "layers: 3\n  intermediate: 1")
    )
    train_recogniser(recipe_file, tmp_path / "m", None)
    model_folder = open_recogniser_folder(tmp_path / "m")
    config = model_folder.config.encoder
    assert (config.intermediate, config.layers) == (1, 3)
    trained = network_from(model_folder)
    torch.manual_seed(0)
    other = network_from(model_folder, encoder=config.model_copy(update={"intermediate": 2}))
    assert not torch.equal(trained.early.weight, other.early.weight)
    assert torch.equal(trained.head.weight, other.head.weight)


def test_what_cannot_be_learned_from_does_not_look_like_success(recipe_file, tmp_path, monkeypatch):
    """A run whose later gradients are not finite tells the loss of those that are."""
    from recog.training import progress as report
    from recog.training.recogniser import ctc_loss

    monkeypatch.setattr(report, "LOG_EVERY", 1)
    plain, calls = ctc_loss.ctc, []

    def breaks(log_probs, *rest):
        calls.append(1)
        return plain(log_probs, *rest) * (float("nan") if len(calls) > 6 else 1.0)

    monkeypatch.setattr(ctc_loss, "ctc", breaks)
    recipe_file.write_text(recipe_file.read_text().replace("epochs: 3", "epochs: 1"))
    train_recogniser(recipe_file, tmp_path / "m", None)
    log = [
        json.loads(line)
        for line in (tmp_path / "m" / "training" / "log.jsonl").read_text().splitlines()
    ]
    losses = [entry["loss"] for entry in log if "gradient_norm" in entry]
    [epoch] = [entry["loss"] for entry in log if "cer" in entry]
    assert 0 < len(losses) <= 6 and min(losses) <= epoch <= max(losses)


def test_batches_are_pinned_whole(monkeypatch):
    from dataclasses import fields

    from recog.training.recogniser.batches import Batch

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self + 1)
    zeros = torch.zeros(2, dtype=torch.int64)
    batch = Batch(zeros, zeros, zeros, zeros, zeros, 7, [], zeros, zeros)
    pinned = batch.pin_memory()
    assert pinned.labels == 7 and pinned.items == []
    tensors = [getattr(pinned, f.name) for f in fields(Batch) if f.name not in ("labels", "items")]
    assert len(tensors) == 7 and all(tensor.eq(1).all() for tensor in tensors)


def test_bf16_only_where_it_is(monkeypatch):
    from types import SimpleNamespace

    from recog.training.device import bf16_is_fast

    assert not bf16_is_fast(torch.device("mps"))
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())  # as in builds for macOS
    assert not bf16_is_fast(torch.device("cpu"))
    asked = []
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext(asked.append(device)))
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation
    )
    assert not bf16_is_fast(torch.device("cuda:1"))  # what is only emulated does not pay
    assert asked == [torch.device("cuda:1")]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_recurrent_layers_are_not_in_float16_on_a_gpu():
    from recog.nn.cells import RecurrentLayer

    layer = RecurrentLayer("lstm", 4, 3).cuda()
    with torch.autocast("cuda", torch.bfloat16):
        assert (
            layer(torch.randn(5, 2, 4, device="cuda", dtype=torch.bfloat16), None).dtype
            == torch.float32
        )


def test_accumulated_batches_are_one_update(recipe_file, tmp_path):
    """Without batch statistics, two batches give the gradient of both together."""
    from recog.training.progress import Reporter
    from recog.training.recogniser.trainer import Trainer, groups, seeded_network

    recipe = read_recipe(recipe_file)
    encoder = recipe.encoder.model_copy(update={"dropout": 0.0})
    options = recipe.training.model_copy(
        update={"augment": False, "accumulate": 2, "clip": 1e9, "amp": "off"}
    )
    recipe = recipe.model_copy(update={"encoder": encoder, "training": options})
    data = prepare(recipe, tmp_path / "features")
    gradients = []
    for size in (4, 8):
        cut = recipe.model_copy(
            update={"training": options.model_copy(update={"batch_items": size})}
        )
        trainer = Trainer(
            cut,
            data,
            seeded_network(recipe, len(data.alphabet)),
            tmp_path,
            Reporter(tmp_path, quiet=True),
        )
        trainer.model.train()
        trainer.network.front.eval()
        rows = sorted(data.train, key=lambda e: (e.columns, e.index))[:8]
        plan = [[Item(e) for e in rows[i : i + size]] for i in range(0, 8, size)]
        losses, norm = trainer.step(list(Epoch(plan, data.store, cut, 0)), 1e-3)
        gradients.append([*losses, norm, *(p.grad for p in trainer.network.parameters())])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-5)
    assert [len(group) for group in groups([None] * 5, 2)] == [2, 2, 1]


def test_a_run_can_be_held_to_repeatable_algorithms(recipe_file, tmp_path):
    recipe_file.write_text(
        recipe_file.read_text().replace("epochs: 3", "epochs: 1, deterministic: true")
    )
    try:
        train_recogniser(recipe_file, tmp_path / "out", None)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("few", [0, 20])
def test_training_from_a_model_takes_its_language_models_over(
    recipe_file, tmp_path, capsys, monkeypatch, few
):
    train_recogniser(recipe_file, tmp_path / "base", None)
    from recog.lm.arpa import write_arpa
    from recog.lm.estimation.kneser_ney import estimate
    from recog.model.config import Calibration, DecodingConfig
    from recog.model.recogniser_folder import update_recogniser_folder
    from recog.training.recogniser import lm_transfer as inherit

    monkeypatch.setattr(inherit, "MIN_ROWS", few)
    files = {}
    for name, text in (("lm.arpa", "ab ba"), ("lm-other.arpa", "bb bb")):
        write_arpa(estimate([text, "aab a"], unit="character", order=3), tmp_path / name)
        files[name] = (tmp_path / name).read_bytes()
    base = open_recogniser_folder(tmp_path / "base")
    decoding = DecodingConfig(
        lm="lm.arpa",
        languages={"Other": "lm-other.arpa"},
        beam=7,
        alpha=0.3,
        beta=0.1,
        offset=-1.5,
        dev={"wer": 0.5},
    )
    sure = Calibration(raw=(0.1, 1.0), right=(0.1, 0.9))
    update_recogniser_folder(
        base,
        base.path,
        base.config.model_copy(update={"decoding": decoding, "confidence": sure}),
        files,
        base.card,
    )
    if few:
        recipe_file.write_text(recipe_file.read_text() + "subsampling: 2\n", encoding="utf-8")
    train_recogniser(recipe_file, tmp_path / "tuned", str(tmp_path / "base"), RunOptions(epochs=1))
    tuned = open_recogniser_folder(tmp_path / "tuned")
    assert tuned.config.decoding.offset == (-3.0 if few else -1.5), (
        "in frames: twice as many where they are half as long"
    )
    assert {name: tuned.file(name).read_bytes() for name in files} == files
    assert tuned.config.decoding.languages == decoding.languages and tuned.config.confidence == sure
    assert tuned.config.decoding.beam == 7 and tuned.config.decoding.dev != decoding.dev
    said = capsys.readouterr().err
    assert ("Weighing the language model" in said) == (
        few == 0
    ) and "Tuned on its dev rows" in tuned.card
    assert ("5 dev rows are too few" in said) == (few == 20)
    if few:
        assert (tuned.config.decoding.alpha, tuned.config.decoding.beta) == (0.3, 0.1)
    assert len(load(tmp_path / "tuned").decoders) == 2


def test_a_language_model_of_the_texts_trained_on(recipe_file, tmp_path, capsys):
    from recog.lm.binary import load_lm, write_binary
    from recog.lm.estimation.kneser_ney import estimate
    from recog.training.progress import Reporter
    from recog.training.recogniser.lm_transfer import _nearest, mix_with_texts

    report = Reporter(tmp_path)
    write_binary(estimate(["ef ef", "fe"], unit="character", order=4), tmp_path / "far.bin")
    write_binary(estimate(["dc dc", "cd c"], unit="character", order=4), tmp_path / "base.bin")
    models = [tmp_path / "far.bin", tmp_path / "base.bin"]
    assert (
        _nearest(models, ["cd", "dc dc"]) == models[1]
        and _nearest(models, ["fe"]) == models[0]
        and _nearest([], ["a"]) is None
    )
    found = tmp_path / "found.bin"
    found.write_bytes(
        mix_with_texts(
            tmp_path / "base.bin", ["ab ab", "ab"], ["ab z", "ab dc"], "handwriting", report
        )
    )
    report.close()
    mixed = load_lm(found)
    # of dev nothing is learnt
    assert mixed.order == 4 and set("abcd") <= set(mixed.words) and "z" not in mixed.words
    assert "% of these texts" in capsys.readouterr().err
    train_recogniser(recipe_file, tmp_path / "out", None, RunOptions(epochs=1, own_text=True))
    model_folder = open_recogniser_folder(tmp_path / "out")
    assert (
        model_folder.config.decoding.lm == "lm.bin"
        and load_lm(model_folder.file("lm.bin")).unit == "character"
    )
    assert "with the language model" in model_folder.card and "Not tuned" not in model_folder.card
    assert "training.svg" in model_folder.config.files


@pytest.mark.slow
def test_a_small_net_learns_a_and_b(recipe_file, lines: Path, tmp_path):
    text = recipe_file.read_text().replace("epochs: 3", "epochs: 200")
    recipe_file.write_text(text)
    train_recogniser(recipe_file, tmp_path / "model", None)
    model = load(tmp_path / "model")
    wrong = sum(
        model.transcribe(image).text != image.with_suffix(".gt.txt").read_text().strip()
        for image in lines.glob("*.png")
    )
    assert wrong <= 5


def test_epochs_where_the_recipe_names_none():
    from recog.training.recogniser.run_recipe import default_epochs

    assert (
        default_epochs(10, True, "speech") == 30 and default_epochs(6, True, "handwriting") == 100
    )
    assert default_epochs(10, False, "speech") == default_epochs(1, False, "handwriting") == 400
    assert default_epochs(5000, False, "speech") == default_epochs(5000, True, "handwriting") == 8
