"""The minibatches of a pack: each run's are its seed's, whatever stands beside it."""

import pytest
import torch

from sgdlab.config.datasets import DigitsData
from sgdlab.data.pipeline import ResidentPipeline
from sgdlab.training.batches import BatchSource, Position
from sgdlab.training.orders import MinibatchOrder

DATA = DigitsData(num_train=30, num_test=10, crop_padding=1, flip=True)


def source(run, make_dataset) -> BatchSource:
    pipeline = ResidentPipeline(run.data, make_dataset(run.data), torch.device("cpu"), torch.float64)
    return BatchSource(run, pipeline)


def at(runs, *updates) -> list[Position]:
    return [Position(run.seed, update) for run, update in zip(runs, updates, strict=True)]


def test_a_batch_holds_the_examples_of_its_run_s_order(make_run, make_dataset) -> None:
    runs = [make_run(seed=seed) for seed in (4, 2, 4)]
    dataset = make_dataset(runs[0].data)
    firsts = (3, 3, 5)  # the third run is two updates ahead
    prepared = source(runs[0], make_dataset).prepare(at(runs, *firsts), 5)
    for position in range(5):
        batch = prepared.batch(position)
        for slot, (run, first) in enumerate(zip(runs, firsts, strict=True)):
            order = MinibatchOrder(run.seed, 32, run.optimizer)
            examples = order.minibatches(first + position, 1)[0]
            assert torch.equal(batch.inputs[slot], dataset.train_inputs[examples].double())
            assert torch.equal(batch.labels[slot], dataset.train_labels[examples])


def test_augmentation_belongs_to_seed_and_minibatch(make_run, make_dataset) -> None:
    runs = [make_run(seed=seed, data=DATA) for seed in (4, 2, 4)]
    together = source(runs[0], make_dataset).prepare(at(runs, 0, 0, 0), 150)  # draws come in blocks of 64
    alone = source(runs[1], make_dataset)
    for minibatch in (149, 0, 63, 64, 148):
        batch = together.batch(minibatch)
        assert torch.equal(batch.inputs[0], batch.inputs[2])
        assert not torch.equal(batch.inputs[0], batch.inputs[1])
        single = alone.prepare(at(runs[1:2], minibatch), 1).batch(0)
        assert torch.equal(single.inputs[0], batch.inputs[1])
        assert torch.equal(single.labels[0], batch.labels[1])


def test_the_same_example_is_augmented_anew_each_time(make_run, make_dataset) -> None:
    run = make_run(data=DATA, batch_size=30, order="fixed")
    prepared = source(run, make_dataset).prepare(at([run], 0), 2)
    first, second = prepared.batch(0), prepared.batch(1)
    assert torch.equal(first.labels, second.labels)
    differs = (first.inputs != second.inputs).flatten(2).any(dim=2)
    assert differs.double().mean() > 0.8  # 18 crops and mirrors: a repeat has probability 1/18


@pytest.mark.parametrize("options", [{}, {"data": DATA}, {"inner_steps": 3}, {"remainder": "carry"}])
def test_runs_that_come_meet_and_go_read_what_they_would_alone(make_run, make_dataset, options) -> None:
    """Positions of one seed that merge, part, fall back or stay away mix nothing."""
    runs = [make_run(seed=seed, **options) for seed in (0, 0, 1)]
    shared = source(runs[0], make_dataset)
    steps = [((0, 7, 3), 7), ((7, 7, None), 20), ((27, 2, 10), 5), ((32, 7, 15), 64), ((0, 71, 79), 1)]
    for firsts, count in steps:
        positions = [
            None if first is None else Position(run.seed, first)
            for run, first in zip(runs, firsts, strict=True)
        ]
        together = shared.prepare(positions, count)
        for slot, position in enumerate(positions):
            if position is not None:
                alone = source(runs[0], make_dataset).prepare([position], count)
                assert torch.equal(together.indices[:, slot], alone.indices[:, 0])
                if alone.draws is not None:
                    assert torch.equal(together.draws[:, slot], alone.draws[:, 0])


def test_runs_of_one_seed_at_one_update_are_drawn_once(make_run, make_dataset, monkeypatch) -> None:
    drawn = []
    minibatches = MinibatchOrder.minibatches
    monkeypatch.setattr(
        MinibatchOrder, "minibatches", lambda self, *span: drawn.append(span) or minibatches(self, *span)
    )
    batches = source(make_run(), make_dataset)
    batches.prepare([Position(0, 4)] * 5 + [Position(1, 4)] * 5, 2)
    assert drawn == [(4, 2)] * 2
