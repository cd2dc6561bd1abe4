"""Training an LSTM on text: its carried state, what is measured of it, the small network on real words."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sgdlab.config.components import EpochBudget, EpochDecaySchedule
from sgdlab.config.datasets import PtbData
from sgdlab.config.models import LstmModel
from sgdlab.data.load import load_dataset
from sgdlab.data.pipeline import make_pipeline
from sgdlab.errors import UsageError
from sgdlab.models.build import build_network
from sgdlab.models.network import num_parameters
from sgdlab.training.backends.trial import Trial
from sgdlab.training.batches import Position
from sgdlab.training.conductor import PackTask
from sgdlab.training.fit import train_pack
from sgdlab.training.members import Member
from sgdlab.training.population import Population
from sgdlab.training.splitting import refuse_unsplittable

CPU = torch.device("cpu")
TEXT = PtbData(num_steps=3, num_train=17, num_test=7)  # four streams of 4 windows, and one window left over
SETTING = {
    "data": TEXT,
    "model": LstmModel(hidden_width=4, num_layers=2, init_scale=0.3),
    "order": "sequential",
    "batch_size": 4,
    "lr": 2.0,
}


class OfTorch(torch.nn.Module):
    """The same network from torch's modules, with a run's parameters in it."""

    def __init__(self, parameters: dict[str, torch.Tensor]) -> None:
        super().__init__()
        num_words, width = parameters["embedding"].shape
        self.embedding = torch.nn.Embedding(num_words, width)
        self.lstm = torch.nn.LSTM(width, width, 2, batch_first=True)
        self.head = torch.nn.Linear(width, num_words)
        self.double()
        self.state = None
        with torch.no_grad():
            for name, place in self.placed().items():
                place.copy_(in_order(parameters[name], [0, 1, 3, 2]) if "layer" in name else parameters[name])

    def placed(self) -> dict[str, torch.Tensor]:
        """Name its parameters as ours are, laid out likewise; gates stay in torch's order."""
        lstm = self.lstm
        placed = {"embedding": self.embedding.weight, "head_bias": self.head.bias}
        for layer in range(2):
            for ours, theirs in (("input", "ih"), ("hidden", "hh")):
                placed[f"layer{layer}_{ours}_weight"] = getattr(lstm, f"weight_{theirs}_l{layer}").T
                placed[f"layer{layer}_{ours}_bias"] = getattr(lstm, f"bias_{theirs}_l{layer}")
        return {**placed, "head_weight": self.head.weight.T}

    def loss(self, words, labels) -> torch.Tensor:
        outputs, state = self.lstm(self.embedding(words), self.state)
        self.state = tuple(values.detach() for values in state)
        return F.cross_entropy(self.head(outputs).flatten(0, 1), labels.flatten())


def in_order(gates: torch.Tensor, order: list[int]) -> torch.Tensor:
    """Move the four gates along the last axis; i, f, o, g and i, f, g, o are one swap apart."""
    return torch.cat([gates.chunk(4, dim=-1)[gate] for gate in order], dim=-1)


def test_a_run_is_torch_s_own_over_two_epochs_of_carried_state(
    make_run, make_dataset, make_population
) -> None:
    run = make_run(**SETTING, clip_norm=0.05, num_updates=7)
    population = make_population([run])
    start = {n: p.detach()[0].clone() for n, p in zip(population.names, population.stacked, strict=True)}
    network, dataset = OfTorch(start), make_dataset(TEXT)
    optimizer = torch.optim.SGD(network.parameters(), lr=run.optimizer.lr)
    for update in range(7):
        if update == 4:
            network.state = None
        windows = [update % 4 + 4 * stream for stream in range(4)]
        optimizer.zero_grad()
        network.loss(dataset.train_inputs[windows], dataset.train_labels[windows]).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 0.05)
        optimizer.step()
    while population.members[0].update < 7:
        population._advance()
    theirs = network.placed()
    for name, values in zip(population.names, population.stacked, strict=True):
        expected = in_order(theirs[name], [0, 1, 3, 2]) if "layer" in name else theirs[name]
        movement = (expected - start[name]).abs().max()
        assert movement > 0
        # torch adds 1e-6 to a norm of about 0.5 before it divides by it
        assert (values[0] - expected).abs().max() < 1e-4 * movement, name
    for layer in range(2):
        for place, kind in enumerate("hc"):
            ours = population.state.buffers[f"layer{layer}_state_{kind}"][0]
            torch.testing.assert_close(ours, network.state[place][layer], rtol=1e-4, atol=1e-6)


def test_a_result_has_perplexities_and_statistics_of_the_minibatches_as_they_are_read(
    make_run, make_dataset, train
) -> None:
    run = make_run(**SETTING, l2=1e-3, num_updates=6, every=3)
    (trained,) = train([run], statistics="end").runs
    for half in ("train", "test"):
        losses, perplexities = (trained.curves[f"{half}_{name}"] for name in ("loss", "perplexity"))
        np.testing.assert_allclose(perplexities, np.exp(losses), rtol=1e-12)
        assert trained.summary[f"{half}_perplexity.best"] == perplexities.min()
    assert len(trained.curves["correct_final"]) == math.ceil(7 * 3 / 8)  # a bit a word
    network, dataset = OfTorch(trained.parameters), make_dataset(TEXT)

    def gradient(windows: list[int]) -> torch.Tensor:
        loss = network.loss(dataset.train_inputs[windows], dataset.train_labels[windows])
        loss = loss + 1e-3 / 2 * sum((p**2).sum() for p in network.parameters())
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(network.parameters()))])

    minibatches = [gradient([step + 4 * stream for stream in range(4)]) for step in range(4)]
    network.state = None
    whole = 4 / 17 * sum(minibatches) + 1 / 17 * gradient([16])
    expected = sum((g**2).sum() for g in minibatches).item() / 16
    np.testing.assert_allclose(trained.summary["c_reg.final"], expected, rtol=1e-10)
    np.testing.assert_allclose(trained.summary["gradient_norm_sq.final"], (whole**2).sum().item(), rtol=1e-10)


def test_a_step_is_tried_and_several_devices_are_refused(make_run) -> None:
    runs = [make_run(**SETTING)]
    speed = Trial(tuple(runs), CPU).measure("batched")
    assert speed.update_s > 0
    assert speed.num_bytes > 0
    assert Trial(tuple(runs), CPU).example_s("batched") > 0
    with pytest.raises(
        UsageError, match=r"launcher\.devices_per_run=2 would split minibatches, and model=lstm"
    ):
        refuse_unsplittable(runs[0], 2, None)


def test_a_long_dropout_is_drawn_for_fewer_minibatches_at_once(
    make_run, make_population, monkeypatch
) -> None:
    monkeypatch.setattr("sgdlab.training.batches._LARGEST_DRAW", 3 * 4 * 36)  # three minibatches
    dropping = SETTING | {"model": LstmModel(hidden_width=4, dropout=0.5, init_scale=0.3)}
    population = make_population([make_run(**dropping)])
    whole = population._batches.prepare([Position(0, 0)], 8).dropout
    assert whole.shape == (8, 1, 4, 36)
    assert torch.equal(population._batches.prepare([Position(0, 5)], 2).dropout, whole[5:7])
    assert len(whole.unique()) == whole.numel()


# ---- real words ------------------------------------------------------------------------------------------


def small(make_run, **options):
    """Zaremba et al.'s small network; their losses are summed over the 20 steps, and ours are means."""
    setting = {
        "model": LstmModel(hidden_width=200, init_scale=0.1),
        "order": "sequential",
        "batch_size": 20,
        "lr": 20.0,
        "clip_norm": 5 / 20,
        "schedule": EpochDecaySchedule(),
        "precision": "float32",
    }
    return make_run(**{**setting, **options})


@pytest.mark.slow
def test_a_few_updates_of_the_small_network_on_the_whole_text(make_run, real_ptb) -> None:
    run = small(make_run, data=PtbData(num_test=40)).model_copy(update={"budget": EpochBudget(num_epochs=13)})
    assert num_parameters(build_network(run.model, run.data)) == 4_653_200
    assert run.num_updates == 13 * 2323
    pipeline = make_pipeline(run.data, load_dataset(run.data, real_ptb), CPU, torch.float32)
    member = Member("0", run)
    population = Population([member], pipeline)
    losses, backend = [], population.backend

    class Watched:
        def advance(self, *arguments):
            made = backend.advance(*arguments)
            losses.extend(made.flatten().tolist())
            return made

    population.backend = Watched()
    while member.update < 6:
        population._chunk_length = 1
        population._advance()
    assert abs(losses[0] - math.log(10_000)) < 0.1  # an untrained network
    assert losses[-1] < losses[0]
    for update, rate in [(4 * 2323 - 1, 20), (4 * 2323, 10), (5 * 2323 - 1, 10), (12 * 2323, 20 / 2**9)]:
        member.update = update
        assert population._learning_rates([(0, member)], 1).item() == rate


@pytest.mark.slow
def test_a_small_network_learns_more_of_real_text_than_how_often_words_are(make_run, real_ptb) -> None:
    data = PtbData(num_train=1000, num_test=200)  # 20,000 words, read six times
    model = LstmModel(hidden_width=48, init_scale=0.1)
    setting = {"data": data, "model": model, "batch_size": 10, "lr": 8.0, "momentum": 0.9}
    run = small(make_run, **setting, schedule=None, num_updates=600, every=600)
    dataset, ended = load_dataset(data, real_ptb), []
    task = PackTask(1, "batched", "none", CPU, None, checkpoint_every_s=math.inf)
    assert train_pack(task, [Member("0", run)], dataset, ended.append)
    counts = torch.bincount(dataset.train_labels.flatten(), minlength=10_000).double()
    unigram = torch.special.entr(counts / counts.sum()).sum().exp().item()  # 499, of the words it trains on
    assert ended[0].summary["train_perplexity.final"] < 0.65 * unigram
    smoothed = (counts + 1) / (counts + 1).sum()  # 980 on other words
    unigram = (-smoothed.log()[dataset.test_labels].mean()).exp().item()
    assert ended[0].summary["test_perplexity.final"] < unigram
