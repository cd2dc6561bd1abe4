"""The packed LSTM against torch's own LSTM, run by run, over windows that follow one another."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sgdlab.models.lstm import Lstm
from sgdlab.models.network import TrainingPass, is_stateless, num_parameters, stack_runs

WORDS, STEPS, WIDTH = 11, 4, 5
NETWORK = Lstm(WORDS, STEPS, WIDTH, num_layers=3, init_scale=0.5)


class PlainLstm(nn.Module):
    """An embedding, torch's LSTM and a linear layer; words are (T, B), as torch has them."""

    def __init__(self, num_words: int, width: int, num_layers: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_words, width)
        self.lstm = nn.LSTM(width, width, num_layers)
        self.head = nn.Linear(width, num_words)

    def forward(self, words, state):
        outputs, state = self.lstm(self.embedding(words), state)
        return self.head(outputs), state


def as_torch_has_them(parameters: dict[str, torch.Tensor], num_layers: int) -> dict[str, torch.Tensor]:
    """Rename one run's parameters; torch's gates come as i, f, g, o, one below the other."""

    def gates(values: torch.Tensor) -> torch.Tensor:
        i, f, o, g = values.chunk(4, dim=-1)
        return torch.cat([i, f, g, o], dim=-1)

    renamed = {"embedding.weight": parameters["embedding"]}
    for layer in range(num_layers):
        for ours, theirs in (("input", "ih"), ("hidden", "hh")):
            weight, bias = (gates(parameters[f"layer{layer}_{ours}_{kind}"]) for kind in ("weight", "bias"))
            renamed |= {f"lstm.weight_{theirs}_l{layer}": weight.T, f"lstm.bias_{theirs}_l{layer}": bias}
    return renamed | {"head.weight": parameters["head_weight"].T, "head.bias": parameters["head_bias"]}


@pytest.fixture
def parameters() -> dict[str, torch.Tensor]:
    seeds = (torch.Generator().manual_seed(seed) for seed in range(3))
    return stack_runs((NETWORK.initial_parameters(seed) for seed in seeds), torch.float64)


def windows(count: int, batch_size: int = 2) -> torch.Tensor:
    """Draw words of three runs, ``(count, R, B, T)``."""
    shape = (count, 3, batch_size, STEPS)
    return torch.randint(0, WORDS, shape, generator=torch.Generator().manual_seed(7))


def test_outputs_and_gradients_are_those_of_torch_over_windows_with_a_carried_state(parameters) -> None:
    inputs, labels = windows(3), windows(3).flip(0)
    tensors = {name: values.requires_grad_() for name, values in parameters.items()}
    state: dict[str, torch.Tensor] = {}
    ours = []
    for x, y in zip(inputs, labels, strict=True):
        training = TrainingPass()
        logits = NETWORK.logits(tensors | state, x, training)
        loss = F.cross_entropy(logits.flatten(0, 2), y.flatten(), reduction="sum")
        ours.append((logits.detach(), torch.autograd.grad(loss, list(tensors.values()))))
        state = training.observed
    for run in range(3):
        plain = PlainLstm(WORDS, WIDTH, 3).double()
        one = {name: values[run].detach() for name, values in parameters.items()}
        plain.load_state_dict(as_torch_has_them(one, 3))
        before = None
        for window, (logits, gradients) in enumerate(ours):
            expected, before = plain(inputs[window, run].T, before)
            before = tuple(values.detach() for values in before)  # gradients end where the window begins
            torch.testing.assert_close(logits[run], expected.transpose(0, 1))
            plain.zero_grad()
            F.cross_entropy(
                expected.transpose(0, 1).flatten(0, 1), labels[window, run].flatten(), reduction="sum"
            ).backward()
            of_run = {name: g[run] for name, g in zip(tensors, gradients, strict=True)}
            theirs = {name: p.grad for name, p in plain.named_parameters()}
            for name, values in as_torch_has_them(of_run, 3).items():
                torch.testing.assert_close(values, theirs[name], rtol=1e-10, atol=1e-12)
        for layer in range(3):
            for place, kind in enumerate("hc"):
                observed = state[f"layer{layer}_state_{kind}"]
                torch.testing.assert_close(observed[run], before[place][layer])
                assert not observed.requires_grad


def test_a_state_counts_in_training_alone_and_not_where_a_stream_starts(parameters) -> None:
    first, second = windows(2)
    reading = TrainingPass()
    NETWORK.logits(parameters, first, reading)
    given = parameters | reading.observed
    afresh = NETWORK.logits(parameters, second, TrainingPass())
    gone_on = NETWORK.logits(given, second, TrainingPass())
    assert all(not torch.allclose(afresh[run], gone_on[run]) for run in range(3))
    assert torch.equal(NETWORK.logits(given, second), afresh)
    starts = torch.tensor([False, True, False])
    mixed = NETWORK.logits(given, second, TrainingPass(starts=starts))
    assert torch.equal(mixed, torch.where(starts.view(3, 1, 1, 1), afresh, gone_on))


def test_buffers_are_a_zero_state_and_follow_what_is_observed() -> None:
    buffers = NETWORK.initial_buffers(2)
    assert {name: tuple(values.shape) for name, values in buffers.items()} == {
        f"layer{layer}_state_{kind}": (2, WIDTH) for layer in range(3) for kind in "hc"
    }
    assert not any(values.any() for values in buffers.values())
    observed = torch.ones(3, 2, WIDTH)
    assert NETWORK.next_buffer("layer0_state_h", torch.zeros_like(observed), observed) is observed
    assert not is_stateless(NETWORK)


@pytest.mark.parametrize(
    ("width", "expected"), [(200, 4_653_200), (650, 19_780_400), (1500, 66_034_000)], ids="sml"
)
def test_the_networks_of_the_paper_have_as_many_parameters_as_torch_s(width, expected, monkeypatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.empty(shape, device="meta"))
    assert num_parameters(Lstm(10_000, 20, width)) == expected
    with torch.device("meta"):
        assert sum(p.numel() for p in PlainLstm(10_000, width, 2).parameters()) == expected


def test_every_parameter_starts_uniform_biases_too() -> None:
    drawn = Lstm(300, STEPS, 20, init_scale=0.04).initial_parameters(torch.Generator().manual_seed(0))
    for name, values in drawn.items():
        assert values.abs().max() <= 0.04, name
        if values.numel() >= 80:
            # a uniform's standard error of the mean is 0.04/√(3n), of the mean square 0.04²·√(4/45)/√n
            root = values.numel() ** 0.5
            assert abs(values.mean()) < 4 * 0.04 / 3**0.5 / root, name
            assert abs(values.square().mean() - 0.04**2 / 3) < 4 * 0.04**2 * (4 / 45) ** 0.5 / root, name


# ---- dropout ---------------------------------------------------------------------------------------------


def test_units_are_dropped_from_below_and_never_from_the_step_before() -> None:
    """By hand, for draws that are 0 or 1: the recurrence reads h as it is, the softmax what is left of it."""
    network = Lstm(WORDS, STEPS, WIDTH, num_layers=1, dropout=0.25, init_scale=0.5)
    drawn = network.initial_parameters(torch.Generator().manual_seed(3))
    parameters, inputs = stack_runs(iter([drawn]), torch.float64), windows(1)[0, :1]
    generator = torch.Generator().manual_seed(5)
    draws = torch.randint(0, 2, (1, 2, network.num_draws), generator=generator).double()
    assert network.num_draws == 2 * STEPS * WIDTH
    ours = network.logits(parameters, inputs, TrainingPass(draws))
    kept = draws.view(2, 2, STEPS, WIDTH) / 0.75  # (B, what reads it, T, H)
    one = {name: values[0] for name, values in parameters.items()}
    hidden = cell = torch.zeros(2, WIDTH, dtype=torch.float64)
    for step in range(STEPS):
        read = one["embedding"][inputs[0, :, step]] * kept[:, 0, step]
        gates = (
            read @ one["layer0_input_weight"]
            + hidden @ one["layer0_hidden_weight"]
            + one["layer0_input_bias"]
            + one["layer0_hidden_bias"]
        )
        i, f, o, g = gates.chunk(4, dim=1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        expected = (hidden * kept[:, 1, step]) @ one["head_weight"] + one["head_bias"]
        torch.testing.assert_close(ours[0, :, step], expected)


def test_nothing_is_dropped_without_draws(parameters) -> None:
    (inputs,) = windows(1)
    dropping = replace(NETWORK, dropout=0.9)
    assert dropping.num_draws == 4 * STEPS * WIDTH
    assert NETWORK.num_draws == 0
    plain = NETWORK.logits(parameters, inputs)
    assert torch.equal(dropping.logits(parameters, inputs), plain)
    assert torch.equal(dropping.logits(parameters, inputs, TrainingPass()), plain)
    ones = torch.ones(3, 2, dropping.num_draws, dtype=torch.float64)
    assert not torch.allclose(dropping.logits(parameters, inputs, TrainingPass(ones)), plain)  # it scales up
