"""The neural language model: its ONNX twin, what its scores mean, its training and its use in
rescoring."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from recog.cli.train import train
from recog.decoding.hypothesis import Hypothesis
from recog.decoding.rescoring.nbest import rescore
from recog.errors import UsageError, UserError
from recog.lm.neural import NeuralLM, _distinct
from recog.model.language_model import (
    LanguageModelFolder,
    LanguageNetworkConfig,
    open_language_model_folder,
)
from recog.nn.export.language_model import build_language_onnx
from recog.nn.language_model import LanguageNetwork, log_expected, log_uniform
from recog.training.language_model import trainer as loop
from recog.training.language_model.data import prepare_texts
from recog.training.language_model.export import export_language_model_folder
from recog.training.language_model.recipe import LanguageRecipe, read_language_recipe
from recog.training.language_model.run import train_language_model
from recog.training.recipe_base import RunOptions, is_recipe

LETTERS = ("<unk>", "</s>", "|", "a", "b", "c", "d")
WORDS = ("<unk>", "</s>", "the", "day", "world", "wide")
NETWORK = LanguageNetworkConfig(embedding=6, hidden=10, layers=2)


def network_of(
    config: LanguageNetworkConfig, symbols: int, *, noise: float = 0.6
) -> LanguageNetwork:
    """Weights far from zero and exact in float16, as those of a model folder are, so that nothing
    agrees by chance."""
    torch.manual_seed(3)
    network = LanguageNetwork(config, symbols).eval()
    with torch.no_grad():
        for p in network.parameters():
            p.copy_((p + noise * torch.randn_like(p)).half())
    return network


def model(
    folder: Path, *, unit: str = "character", tied: int = 0, **options
) -> tuple[NeuralLM, LanguageNetwork]:
    """An untrained model folder, opened with a float32 graph, and its network; ``tied`` is the size
    of the embedding."""
    config = LanguageNetworkConfig(embedding=tied, hidden=10, tied=True) if tied else NETWORK
    symbols = LETTERS if unit == "character" else WORDS
    network = network_of(config, len(symbols))
    recipe = LanguageRecipe(
        name="toy", modality="text", data=({"path": "none"},), unit=unit, network=config, **options
    )  # type: ignore[arg-type]
    model_folder = export_language_model_folder(
        recipe, symbols, network.state_dict(), folder, trained={}
    )
    graph = folder / "float.onnx"
    weights = {k: v.numpy() for k, v in network.state_dict().items()}
    graph.write_bytes(build_language_onnx(config, weights, len(symbols)).SerializeToString())
    return NeuralLM(model_folder, graph=graph), network


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> tuple[NeuralLM, LanguageNetwork]:
    return model(tmp_path_factory.mktemp("letters"))


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> NeuralLM:
    return model(tmp_path_factory.mktemp("words"), unit="word", normalise="plain")[0]


@pytest.mark.parametrize("tied", [0, 10, 7])
def test_onnx_gives_torchs_log_probs_and_states(tmp_path, tied):
    lm, network = model(tmp_path, tied=tied)
    layers, hidden = network.config.layers, network.config.hidden
    rng = np.random.default_rng(0)
    for batch, time in ((1, 1), (3, 17), (5, 2)):
        tokens = rng.integers(0, len(LETTERS), (batch, time))
        state = rng.normal(size=(2, layers, batch, hidden)).astype(np.float32)
        with torch.no_grad():
            expected, after = network(
                torch.from_numpy(tokens), (torch.tensor(state[0]), torch.tensor(state[1]))
            )
        log_probs, *got = lm.run(tokens, state[0], state[1])
        assert log_probs.shape == (batch, time, len(LETTERS)) and log_probs.dtype == np.float32
        assert log_probs.std() > 0.3
        np.testing.assert_allclose(log_probs, expected.numpy(), atol=1e-4)
        for a, b in zip(got, after, strict=True):
            np.testing.assert_allclose(a, b.numpy(), atol=1e-4)


def test_a_target_among_drawn_symbols():
    """With every symbol drawn for certain the estimate is the whole softmax; with some, their
    gradients agree on average."""
    network = network_of(
        LanguageNetworkConfig(embedding=5, hidden=8, layers=1, tied=True, dropout=0.0), 30
    )
    rng = np.random.default_rng(4)
    tokens = torch.from_numpy(rng.integers(0, 30, (4, 9)))
    inputs, targets, start = tokens[:, :-1], tokens[:, 1:], network.start(4)

    def gradient(loss: torch.Tensor) -> np.ndarray:
        return torch.autograd.grad(loss, network.projection.weight)[0].numpy()

    log_probs, after = network(inputs, start)
    whole = -log_probs.gather(2, targets[:, :, None]).mean()
    certain, same = network.sampled_loss(inputs, targets, start, torch.arange(30).repeat(200))
    torch.testing.assert_close(certain, whole)
    torch.testing.assert_close(same, after)
    uniform = torch.from_numpy(rng.random((400, 25)))
    drawn = [network.sampled_loss(inputs, targets, start, log_uniform(u, 30))[0] for u in uniform]
    mean, exact = np.mean([gradient(loss) for loss in drawn], axis=0), gradient(whole)
    assert np.abs(mean - exact).mean() < 0.1 * np.abs(exact).mean()


def test_zipfs_law():
    drawn = log_uniform(torch.from_numpy(np.random.default_rng(1).random((20_000, 6))), 9)
    shares = np.bincount(drawn.flatten().numpy(), minlength=9) / drawn.numel()
    k = np.arange(9)
    np.testing.assert_allclose(shares, np.log((k + 2) / (k + 1)) / np.log(10), atol=5e-3)
    there = [(drawn == i).any(dim=1).double().mean().item() for i in k]
    np.testing.assert_allclose(
        np.exp(log_expected(torch.arange(9), 9, 6).numpy()), there, atol=0.012
    )


def test_int8_weights_stay_close_and_are_smaller(tmp_path):
    config = LanguageNetworkConfig(embedding=32, hidden=64, layers=2)
    weights = {k: v.numpy() for k, v in network_of(config, 50, noise=0.1).state_dict().items()}
    plain, packed = (build_language_onnx(config, weights, 50, int8=int8) for int8 in (False, True))
    assert len(packed.SerializeToString()) < 0.35 * len(plain.SerializeToString())
    import onnxruntime

    feed = {"tokens": np.arange(40).reshape(2, 20), "hidden": np.zeros((2, 2, 64), np.float32)}
    feed |= {"cell": feed["hidden"], "places": np.arange(40)}
    a, b = (
        onnxruntime.InferenceSession(m.SerializeToString()).run(None, feed)[0]
        for m in (plain, packed)
    )
    assert a.std() > 0.2 and 1e-6 < np.abs(a - b).mean() < 0.02


def test_a_neighbour_changes_nothing_in_either_precision(letters, tmp_path):
    lm = letters[0]
    texts = ["abc d", "a", "dd cc bb aa " * 30, "", "abd", "zzz"]
    for each in (lm, NeuralLM.open(lm.path)):
        together = each.score(texts)
        np.testing.assert_allclose(together, [each.score([t])[0] for t in texts], atol=1e-4)
        np.testing.assert_allclose(together[::-1], each.score(texts[::-1]), atol=1e-4)
        assert together[3] == 0.0 and len(set(together.round(3).tolist())) == len(texts)


@pytest.mark.parametrize("sentence", [False, True])
def test_a_score_is_the_sum_of_conditionals(letters, sentence):
    """By torch, symbol by symbol: the chain rule."""
    lm, network = letters
    first = LETTERS.index("</s>" if sentence else "|")
    tokens = (
        [LETTERS.index(c) for c in "ab|c"]
        + [LETTERS.index("<unk>")]
        + ([LETTERS.index("</s>")] if sentence else [])
    )
    total, state, last = 0.0, network.start(1), first
    with torch.no_grad():
        for token in tokens:
            log_probs, state = network(torch.tensor([[last]]), state)
            total += float(log_probs[0, 0, token])
            last = token
    assert lm.score(["ab  cé"], sentence=sentence)[0] == pytest.approx(total, abs=1e-4)
    by_token = lm.token_log_probs(["ab cé"], sentence=sentence)[0]
    assert len(by_token) == len(tokens) and by_token.sum() == pytest.approx(total, abs=1e-4)


def test_continuations_by_one_symbol_sum_to_one(letters):
    lm = letters[0]
    for state in (lm.start(), lm.read("ab c"), lm.read("da-")):
        log_probs = lm.run(np.array([[state.last]]), state.hidden, state.cell)[0][0, 0]
        assert np.exp(log_probs.astype(np.float64)).sum() == pytest.approx(1.0, abs=1e-5)
        # the others are no texts: </s> and the space
        scores = lm.score(["a", "b", "c", "d", "é"], state)
        np.testing.assert_allclose(scores, log_probs[[3, 4, 5, 6, 0]], atol=1e-5)


def test_the_state_carries_from_line_to_line(letters):
    lm = letters[0]
    state = lm.read("cd ab", lm.read("ab cd"))
    np.testing.assert_allclose(lm.score(["dd"], state), lm.score(["dd"], "ab cd cd ab"), atol=1e-5)
    assert abs(lm.score(["dd"], state)[0] - lm.score(["dd"])[0]) > 1e-3
    whole = lm.token_log_probs(["ab cd"], lm.read("aa"))[0]
    np.testing.assert_allclose(
        lm.score(["d"], lm.read("ab c-", lm.read("aa")))[0], whole[-1], atol=1e-5
    )
    assert lm.read("  ", state) is state


def test_a_word_goes_on_across_a_hyphen(words):
    state = words.read("the wide wor-")
    assert state.begun == "wor"
    np.testing.assert_allclose(
        words.score(["ld day"], state), words.score(["world day"], "the wide"), atol=1e-6
    )
    broken = words.read("the wide-", words.start())
    np.testing.assert_allclose(
        words.score(["the"], words.read("", broken)), words.score(["the"], broken), atol=1e-6
    )
    over_three = words.read("l-", words.read("wor-"))
    np.testing.assert_allclose(words.score(["d"], over_three), words.score(["world"]), atol=1e-6)


def test_an_unknown_word_costs_by_its_length(words):
    short, long = words.score(["xyz", "xyzxyz"])
    assert short - long == pytest.approx(3 * words.unknown_cost, abs=1e-5)
    assert np.isfinite(words.score(["<unk> </s>"]))[0]


def test_long_texts_take_several_runs(letters, monkeypatch):
    lm, texts = letters[0], ["abcd " * 20, "dcba"]
    whole, state = lm.score(texts, "ab cd"), lm.read(texts[0])
    monkeypatch.setattr("recog.lm.neural.MAX_OUTPUT", 7 * len(LETTERS))
    np.testing.assert_allclose(lm.score(texts, "ab cd"), whole, atol=1e-4)
    np.testing.assert_allclose(lm.read(texts[0]).hidden, state.hidden, atol=1e-5)


def test_folders_that_cannot_be_used_are_named(letters, tmp_path):
    with pytest.raises(UserError, match=r"nothing: is not the folder of a neural language model"):
        NeuralLM.open(tmp_path / "nothing")
    config = open_language_model_folder(letters[0].path).config.model_dump(mode="json")
    file = tmp_path / "config.json"
    for change, message in (
        ({"modality": "speech"}, "is for speech, where a model is needed that is a language model"),
        ({"format_version": 9}, "format version 9"),
        ({"symbols": ["a", "b", "c"]}, "the first two <unk> and </s>"),
        ({"normalise": "none at all"}, "no text normalisation"),
    ):
        file.write_text(json.dumps({**config, **change}))
        with pytest.raises(UserError, match=message):
            open_language_model_folder(tmp_path)
    (tmp_path / "model.onnx").write_bytes((letters[0].path / "model.onnx").read_bytes())
    file.write_text(json.dumps({**config, "symbols": [*LETTERS, "e"]}))
    with pytest.raises(UserError, match="inputs and outputs"):
        NeuralLM(open_language_model_folder(tmp_path))
    (tmp_path / "model.onnx").write_bytes((letters[0].path / "model.onnx").read_bytes() + b"\0\0")
    with pytest.raises(UserError, match="checksum"):
        NeuralLM.open(tmp_path)
    assert isinstance(LanguageModelFolder(tmp_path, letters[0].config).card, str)


# ---- training
# --------------------------------------------------------------------------------------------------------

TEXT = "the cat sat on the mat and the dog sat on the log\n"
RECIPE = """
name: toy
modality: text
data: [{path: text.txt.gz}]
min_count: 2
dev_share: 0.1
network: {embedding: 8, hidden: 24, layers: 1, dropout: 0.1}
training: {epochs: 2, batch: 8, window: 16, learning_rate: 0.02, threads: 1, device: cpu}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "text.txt.gz").write_bytes(gzip.compress((TEXT * 100).encode()))
    path = folder / "toy.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(recipe, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "toy"
    train_language_model(recipe, out)
    return out


def test_a_trained_model_prefers_its_text(trained):
    lm = NeuralLM.open(trained)
    good, swapped, noise = lm.score(
        ["the dog sat on the mat", "the dgo sat on the mat", "tac gho nas tet mad onl"]
    )
    assert good > swapped + 2 > noise + 4
    config = lm.config
    assert 1.0 < config.dev["perplexity"] < 3.0 < len(config.symbols)
    assert config.dev["perplexity"] == pytest.approx(
        json.loads(_log(trained)[-1])["perplexity"], rel=0.02
    )
    assert set(config.symbols) == {"<unk>", "</s>", "|", *TEXT.replace(" ", "").strip()}
    assert "dev perplexity" in (trained / "README.md").read_text()


def test_rescoring_puts_a_planted_text_first(trained):
    lm = NeuralLM.open(trained)
    texts = ["the cta sat", "teh cat sat", "the cat sat", "the cat zat"]
    nbest = [Hypothesis(t, -1.0 - i / 10, -1.0 - i / 10, (), ()) for i, t in enumerate(texts)]
    assert [h.text for h in rescore(nbest, lm, 0.0)] == texts
    assert rescore(nbest, lm, 0.5)[0].text == "the cat sat"


def _log(out: Path) -> list[str]:
    return (out / "training" / "log.jsonl").read_text().splitlines()


class Kill(BaseException):
    """Stands for SIGKILL in this process: nothing of the program catches it."""


def test_a_killed_run_ends_bitwise_the_same_and_a_finished_one_says_so(
    recipe, trained, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "killed"
    monkeypatch.setattr("recog.training.loop.CHECKPOINT_SECONDS", 0.0)
    plain = loop.LanguageReporter.update
    for stop in (5, 31, 40):

        def kill(self, step, *rest, stop=stop):
            plain(self, step, *rest)
            if step == stop:
                raise Kill

        with monkeypatch.context() as patch:
            patch.setattr(loop.LanguageReporter, "update", kill)
            with pytest.raises(Kill):
                train_language_model(recipe, out)
    train_language_model(recipe, out)
    assert (out / "model.onnx").read_bytes() == (trained / "model.onnx").read_bytes()
    steps = [json.loads(line)["step"] for line in _log(out)]
    assert steps == [json.loads(line)["step"] for line in _log(trained)] and max(steps) > 40
    capsys.readouterr()
    train_language_model(recipe, out)
    assert "this training is finished" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"training\.learning_rate was 0\.02 and is 0\.01"):
        train_language_model(recipe, out, RunOptions(learning_rate=0.01))


@pytest.mark.parametrize("seed", range(20))
def test_what_follows_equal_beginnings_is_computed_once(seed):
    rng = np.random.default_rng(seed)
    batch, time = int(rng.integers(1, 9)), int(rng.integers(0, 7))
    tokens, kinds = rng.integers(0, 3, (batch, time)), rng.integers(0, 3, batch)
    places, which, after = _distinct(tokens, kinds)
    beginnings = [
        [(kinds[row], *tokens[row, : t + 1]) for t in range(time)] for row in range(batch)
    ]
    assert len(places) == len({begun for row in beginnings for begun in row})
    for row, t in np.ndindex(batch, time):
        at, place = divmod(int(places[which[row, t]]), batch)
        assert at == t and beginnings[place][t] == beginnings[row][t]
    whole = [(kinds[row], *tokens[row]) for row in range(batch)]
    for a, b in np.ndindex(batch, batch):
        assert (after[a] == after[b]) == (whole[a] == whole[b])


def test_texts_become_streams(tmp_path):
    (tmp_path / "a.txt").write_text("ab a\n\n  b “c”\nx\n", encoding="utf-8")
    (tmp_path / "dev.txt").write_text("b\nq b\n", encoding="utf-8")
    sources = (
        {"path": str(tmp_path / "a.txt"), "split": "train"},
        {"path": str(tmp_path / "dev.txt"), "split": "dev"},
    )

    def streams(**options) -> tuple[str, str]:
        recipe = LanguageRecipe(name="x", modality="text", data=sources, min_count=1, **options)  # type: ignore[arg-type]
        data = prepare_texts(recipe)
        assert data.symbols[:2] == ("<unk>", "</s>") and data.lines == 3
        return tuple(" ".join(data.symbols[i] for i in ids) for ids in (data.train, data.dev))  # type: ignore[return-value]

    assert streams() == ('a b | a </s> b | " c " | x </s>', "b | <unk> | b </s>")
    assert streams(sentence=True) == ('a b | a </s> b | " c " </s> x </s>', "b </s> <unk> | b </s>")
    assert streams(unit="word") == ('ab a </s> b "c" x </s>', "b <unk> b </s>")
    assert streams(unit="word", vocabulary=2)[0] == '<unk> a </s> <unk> "c" <unk> </s>'


def test_transcripts_of_a_recognisers_data(tmp_path):
    for kind, lines in (("own", "ab\nba"), ("drawn", "zz")):
        folder = tmp_path / kind
        folder.mkdir()
        for i, line in enumerate(lines.split("\n")):
            (folder / f"{i}.png").write_bytes(b"")
            (folder / f"{i}.gt.txt").write_text(line, encoding="utf-8")
    (tmp_path / "own" / "2.gt.txt").write_text("c", encoding="utf-8")
    (tmp_path / "own" / "2.png").write_bytes(b"")
    (tmp_path / "prose.txt").write_text("".join(f"{i}x\n" for i in range(6)), encoding="utf-8")
    recipe = tmp_path / "lines.yaml"
    recipe.write_text(
        "name: lines\nmodality: handwriting\ndata:\n  - {path: own, layout: folder, split: train}\n"
        "  - {path: own, name: again, layout: folder, split: dev}\n  - {path: drawn, layout: folder, split: train}\n"
        "  - {path: lent, layout: folder, optional: true}\n",
        encoding="utf-8",
    )

    def streams(**source) -> tuple[str, str]:
        sources = (
            {"path": str(recipe), **source},
            {"path": str(tmp_path / "prose.txt"), "split": "train", "every": 4},
        )
        data = prepare_texts(
            LanguageRecipe(name="x", modality="text", data=sources, min_count=1, unit="word")
        )  # type: ignore[arg-type]
        assert data.problems == [f"{tmp_path / 'lent'}: is not there, and optional."]
        return tuple(" ".join(data.symbols[i] for i in ids) for ids in (data.train, data.dev))  # type: ignore[return-value]

    prose = " </s> 0x 4x </s>"
    assert streams() == ("ab ba c zz" + prose, "ab ba c </s>")
    with pytest.raises(UserError, match=r"lines\.yaml: there is no source rendered to leave out"):
        streams(without=["rendered"])
    assert streams(without=["drawn"], times=2)[0] == "ab ba c </s> ab ba c" + prose
    with pytest.raises(UserError, match="too little text for dev"):
        streams(split="train")


def test_dev_is_made_of_stretches_of_the_share(tmp_path):
    (tmp_path / "a.txt").write_text("".join(f"l{i}\n" for i in range(1000)), encoding="utf-8")
    recipe = LanguageRecipe(
        name="x",
        modality="text",
        data=({"path": str(tmp_path / "a.txt")},),
        unit="word",
        min_count=1,
        dev_share=0.05,
    )  # type: ignore[arg-type]
    data = prepare_texts(recipe)
    assert data.lines == 950 and len(data.dev) == 50 + (data.dev == 1).sum()
    assert prepare_texts(recipe.model_copy(update={"dev_share": 0.002})).lines == 998
    with pytest.raises(UserError, match="too little text for dev"):  # one line of one word
        prepare_texts(recipe.model_copy(update={"dev_share": 1e-6}))


def test_recipes_that_cannot_be_used(recipe, tmp_path):
    assert is_recipe(recipe, "text") and not is_recipe(tmp_path, "text")
    read = read_language_recipe(recipe)
    assert read.data[0].path == str(recipe.parent / "text.txt.gz")
    for text, message in (
        (RECIPE.replace("min_count: 2", "min_count: 2000000"), "no character occurs 2000000 times"),
        (RECIPE.replace("text.txt.gz", "none.txt"), r"none\.txt: cannot be read"),
        (
            RECIPE.replace("hidden: 24", "hidden: 0"),
            "hidden: Input should be greater than or equal to 1",
        ),
        (RECIPE + "normalise: fancy\n", "there is no text normalisation 'fancy'"),
        (RECIPE + "encoder: default\n", "encoder: Extra inputs"),
    ):
        path = recipe.parent / "wrong.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match=message):
            train_language_model(path, tmp_path / "out")
    assert not (tmp_path / "out" / "config.json").exists()


def test_the_command_trains_it_too(recipe, trained, capsys):
    train(recipe, out=trained)
    assert "this training is finished" in capsys.readouterr().err
    with pytest.raises(
        UsageError, match="--from, --freeze, --lm and --accumulate are for recognisers"
    ):
        train(recipe, base="english-speech")


def test_the_recipes_of_the_project_can_be_read(monkeypatch, tmp_path):
    monkeypatch.setenv("RECOG_CORPORA", str(tmp_path))
    found = sorted((Path(__file__).parents[2] / "pipelines" / "text").glob("*.yaml"))
    assert (
        [read_language_recipe(path).name for path in found] == [path.stem for path in found] != []
    )
