"""The minibatches of a pack: each run's are its seed's, whatever stands beside it."""

import torch

from sgdlab.config.components import DigitsData
from sgdlab.data.pipeline import Pipeline
from sgdlab.training.batches import BatchSource
from sgdlab.training.orders import MinibatchOrder

DATA = DigitsData(num_train=30, num_test=10, crop_padding=1, flip=True)


def source(runs, make_dataset) -> BatchSource:
    pipeline = Pipeline(runs[0].data, make_dataset(runs[0].data), torch.device("cpu"), torch.float64)
    return BatchSource(runs, pipeline)


def test_a_batch_holds_the_examples_of_its_run_s_order(make_run, make_dataset) -> None:
    runs = [make_run(seed=seed) for seed in (4, 2, 4)]
    dataset = make_dataset(runs[0].data)
    prepared = source(runs, make_dataset).prepare(3, 8)
    for minibatch in range(3, 8):
        batch = prepared.batch(minibatch - 3)
        for slot, run in enumerate(runs):
            examples = MinibatchOrder(run.seed, 32, run.optimizer).minibatches(minibatch, 1)[0]
            assert torch.equal(batch.inputs[slot], dataset.train_inputs[examples].double())
            assert torch.equal(batch.labels[slot], dataset.train_labels[examples])


def test_augmentation_belongs_to_seed_and_minibatch(make_run, make_dataset) -> None:
    runs = [make_run(seed=seed, data=DATA) for seed in (4, 2, 4)]
    together = source(runs, make_dataset).prepare(0, 150)  # draws come in blocks of 64
    alone = source(runs[1:2], make_dataset)
    for minibatch in (149, 0, 63, 64, 148):
        batch = together.batch(minibatch)
        assert torch.equal(batch.inputs[0], batch.inputs[2])
        assert not torch.equal(batch.inputs[0], batch.inputs[1])
        single = alone.prepare(minibatch, minibatch + 1).batch(0)
        assert torch.equal(single.inputs[0], batch.inputs[1])
        assert torch.equal(single.labels[0], batch.labels[1])


def test_the_same_example_is_augmented_anew_each_time(make_run, make_dataset) -> None:
    run = make_run(data=DATA, batch_size=30, order="fixed")
    prepared = source([run], make_dataset).prepare(0, 2)
    first, second = prepared.batch(0), prepared.batch(1)
    assert torch.equal(first.labels, second.labels)
    differs = (first.inputs != second.inputs).flatten(2).any(dim=2)
    assert differs.double().mean() > 0.8  # 18 crops and mirrors: a repeat has probability 1/18
