"""Evaluation against a plain loop over runs and examples."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sgdlab.data.examples import ResidentExamples
from sgdlab.models.lstm import Lstm
from sgdlab.models.mlp import Mlp
from sgdlab.models.network import stack_runs
from sgdlab.models.wide_resnet import WideResNet
from sgdlab.training import evaluation
from sgdlab.training.backends.backend import UpdateRule
from sgdlab.training.backends.recipes import make_evaluator
from sgdlab.training.evaluation import evaluate
from sgdlab.training.objective import Objective
from sgdlab.training.state import State

NETWORKS = {
    "mlp": (Mlp((6, 7, 10)), (6,)),
    "wide_resnet": (WideResNet(10, 1, 1, 10), (1, 6, 6)),
}


EVALUATORS = [("mlp", "batched"), ("mlp", "native-256"), ("mlp", "native-512"), ("wide_resnet", "batched")]


def evaluator(network, parameters, backend):
    like = next(iter(parameters.values()))
    rule = UpdateRule(Objective(network, tuple(parameters), None), None, len(like))
    return make_evaluator(backend, rule, like)


@pytest.mark.parametrize("elements_per_chunk", [2**20, 1])  # all at once, and 16 by 16 with 3 left over
@pytest.mark.parametrize("num_examples", [35, 64 + 35])  # the kernel takes 64 at a time
@pytest.mark.parametrize(("kind", "backend"), EVALUATORS)
def test_every_run_is_evaluated_on_every_example(
    kind, backend, num_examples, elements_per_chunk, monkeypatch
) -> None:
    monkeypatch.setattr(evaluation, "_ELEMENTS_PER_CHUNK", elements_per_chunk)
    network, sample_shape = NETWORKS[kind]
    generator = torch.Generator().manual_seed(0)
    parameters = stack_runs((network.initial_parameters(generator) for _ in range(3)), torch.float64)
    inputs = torch.randn(num_examples, *sample_shape, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 10, (num_examples,), generator=generator)
    evaluated = evaluator(network, parameters, backend)(State(tuple(parameters.values())), inputs, labels)
    for run in range(3):
        alone = {name: values[run : run + 1] for name, values in parameters.items()}
        losses, correct = [], []
        for x, y in zip(inputs, labels.tolist(), strict=True):
            logits = network.logits(alone, x[None, None])[0, 0].numpy()
            losses.append(np.log(np.exp(logits).sum()) - logits[y])
            correct.append(int(logits.argmax()) == y)
        assert evaluated.correct[run].tolist() == correct
        assert evaluated.accuracy[run].item() == np.mean(correct)
        np.testing.assert_allclose(evaluated.loss[run].item(), np.mean(losses), rtol=1e-12)
    assert evaluated.loss.dtype == evaluated.accuracy.dtype == torch.float64
    assert 0 < evaluated.correct.sum() < evaluated.correct.numel()


@pytest.mark.parametrize("backend", ["batched", "native-256", "native-512"])
def test_a_mean_over_many_float32_losses_is_summed_in_float64(backend) -> None:
    network = Mlp((1, 10))
    parameters = {"weight0": torch.zeros(1, 1, 10), "bias0": torch.zeros(1, 10)}
    inputs, labels = torch.zeros(200_000, 1), torch.zeros(200_000, dtype=torch.int64)
    evaluated = evaluator(network, parameters, backend)(State(tuple(parameters.values())), inputs, labels)
    assert evaluated.loss.item() == float(np.float32(np.log(10)))


@pytest.mark.parametrize("backend", ["batched", "native-256", "native-512"])
def test_of_equal_logits_the_first_counts(backend) -> None:
    parameters = {"weight0": torch.zeros(1, 1, 10), "bias0": torch.zeros(1, 10)}
    evaluated = evaluator(Mlp((1, 10)), parameters, backend)(
        State(tuple(parameters.values())), torch.zeros(10, 1), torch.arange(10)
    )
    assert evaluated.correct[0].tolist() == [True] + [False] * 9


class InBlocks(ResidentExamples):
    """Examples that come in parts of unequal size."""

    def blocks(self):
        yield from zip(self.inputs.split([16, 40, 8]), self.labels.split([16, 40, 8]), strict=True)


@pytest.mark.parametrize("backend", ["batched", "native-256"])
def test_a_set_in_blocks_is_evaluated_as_the_whole_and_one_block_to_the_bit(backend) -> None:
    network, generator = NETWORKS["mlp"][0], torch.Generator().manual_seed(0)
    parameters = stack_runs((network.initial_parameters(generator) for _ in range(3)), torch.float64)
    inputs = torch.randn(64, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 10, (64,), generator=generator)
    own, measure = State(tuple(parameters.values())), evaluator(network, parameters, backend)
    whole = measure(own, inputs, labels)
    alone = evaluate(measure, own, ResidentExamples(inputs, labels))
    assert torch.equal(alone.loss, whole.loss)
    assert torch.equal(alone.accuracy, whole.accuracy)
    parts = evaluate(measure, own, InBlocks(inputs, labels))
    assert torch.equal(parts.correct, whole.correct)
    torch.testing.assert_close(parts.accuracy, whole.accuracy, rtol=1e-15, atol=0)
    torch.testing.assert_close(parts.loss, whole.loss, rtol=1e-15, atol=0)


# ---- networks that read one example after the other ------------------------------------------------------


@pytest.mark.parametrize("num_examples", [47, 40, 7])  # 20 streams of 2, seven longer; 20 of 2; 7 of 1
def test_a_text_is_read_once_in_twenty_streams_whose_state_goes_on(num_examples) -> None:
    network = Lstm(11, 3, 5, init_scale=0.5, dropout=0.5)  # nothing is dropped in evaluation
    generator = torch.Generator().manual_seed(0)
    parameters = stack_runs((network.initial_parameters(generator) for _ in range(3)), torch.float64)
    words = torch.randint(0, 11, (3 * num_examples + 1,), generator=generator)
    inputs, labels = words[:-1].view(-1, 3), words[1:].view(-1, 3)
    measure = evaluator(network, parameters, "batched")
    evaluated = measure(State(tuple(parameters.values())), inputs, labels)
    streams = np.array_split(np.arange(num_examples), min(20, num_examples))
    for run in range(3):
        alone = {name: values[run : run + 1] for name, values in parameters.items()}
        losses, correct = [], []
        for stream in streams:
            # a stream at once: the state goes on within a window as it does between windows
            whole = inputs[stream].flatten()
            logits = replace(network, num_steps=len(whole)).logits(alone, whole.view(1, 1, -1))[0, 0]
            losses += F.cross_entropy(logits, labels[stream].flatten(), reduction="none").tolist()
            correct += (logits.argmax(dim=1) == labels[stream].flatten()).tolist()
        np.testing.assert_allclose(evaluated.loss[run].item(), np.mean(losses), rtol=1e-12)
        assert evaluated.correct[run].tolist() == correct  # word by word, as they follow one another
    assert evaluated.num_examples == num_examples


def test_an_evaluated_text_has_the_same_bits_whoever_stands_beside() -> None:
    network, generator = Lstm(11, 3, 5, init_scale=0.5), torch.Generator().manual_seed(0)
    parameters = stack_runs((network.initial_parameters(generator) for _ in range(3)), torch.float32)
    inputs, labels = (torch.randint(0, 11, (33, 3), generator=generator) for _ in range(2))
    measure = evaluator(network, parameters, "batched")
    together = measure(State(tuple(parameters.values())), inputs, labels)
    for run in range(3):
        alone = measure(State(tuple(p[run : run + 1] for p in parameters.values())), inputs, labels)
        assert torch.equal(alone.loss[0], together.loss[run])
