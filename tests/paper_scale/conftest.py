"""Every shipped sweep at the papers' own scale: its points, and the kinds of training that they are.

A new sweep is found by itself. Of each kind (network, data, penalty, normalisation, momentum, …) one run is
trained: with the smallest minibatch that the papers train it with, smaller still where twenty updates of that
would take a core too long.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import prod
from pathlib import Path

import pytest
from filelock import FileLock
from pydantic import ValidationError

from sgdlab.config.components import UpdateBudget, UpdateEvaluation
from sgdlab.config.compose import open_composer
from sgdlab.config.datasets import Data, ImageNetData, PtbData
from sgdlab.config.identity import normalize
from sgdlab.config.landscape import MeasuredLandscape, num_example_gradients
from sgdlab.config.models import (
    AutoencoderModel,
    CnnModel,
    LstmModel,
    MlpModel,
    Model,
    ResNet9Model,
    ResNet50Model,
    WideResNetModel,
)
from sgdlab.config.schema import Run
from sgdlab.config.shapes import describe_step, step_of
from sgdlab.data import files, tiny_imagenet
from sgdlab.data.dataset import Dataset
from sgdlab.data.download import NotFetchedError
from sgdlab.data.image_files import ImageFiles
from sgdlab.data.load import load_dataset
from sgdlab.data.made_up import made_up_dataset
from sgdlab.errors import UserError
from sgdlab.sweeps.expand import expand_points
from sgdlab.sweeps.files import describe_sweeps, load_sweep
from sgdlab.sweeps.finding import find_sweep
from sgdlab.sweeps.multiply_adds import forward_multiply_adds, multiply_adds

NUM_UPDATES = 20
SMALLEST_BATCH = 2  # batch normalisation of one example would tell classes by nothing
QUICK, LONGEST = 5e10, 3e11  # multiply-adds of twenty updates and an evaluation; a core makes 1e10 a second
QUICK_PARAMETERS = 10_000_000
NUM_LOADED = 2048  # examples of each half that are kept of a data set


@dataclass(frozen=True)
class Kind:
    """A kind of training, and the run that stands for it."""

    paper_run: Run  # as a sweep has it
    run: Run  # with the minibatch that is trained here

    def __str__(self) -> str:
        mine, papers = self.run.optimizer.batch_size, self.paper_run.optimizer.batch_size
        steps = self.run.optimizer.inner_steps
        name = describe_step(self.run) + ("" if mine == papers else f" of {papers}")
        return name + (f" · {steps}-step" if steps > 1 else "") + f" · {self.run.schedule.kind}"


@cache
def paper_points() -> dict[str, list[Run]]:
    """Return sweep → its points at the paper's scale, normalised, seeds left out."""
    points: dict[str, list[Run]] = {}
    names = [sweep.name for sweep in describe_sweeps() if "paper" in sweep.scales]
    with open_composer() as composer:
        for name in names:
            sweep = load_sweep(find_sweep(name), "paper", composer, {})
            points[name] = [
                normalize(run)
                for panel in sweep.panels.values()
                for grid in panel.grids.values()
                for _, run in expand_points({**panel.base, **grid.fixed}, grid, composer, name)
            ]
    return points


@cache
def kinds() -> list[Kind]:
    """Return every kind of training of all sweeps, by a run with one of its lower learning rates."""
    of_kind: dict[str, list[Run]] = {}
    for run in dict.fromkeys(run for points in paper_points().values() for run in points):
        of_kind.setdefault(_kind_of(run), []).append(run)
    return [_stand_in(runs) for runs in of_kind.values()]


@cache
def _kind_of(run: Run) -> str:
    step = json.loads(step_of(run)) | {"batch_size": None}
    optimizer = run.optimizer
    ways = optimizer.inner_steps > 1, optimizer.order, run.schedule.kind, run.landscape.kind, run.data.kind
    return json.dumps([step, *ways])


def _stand_in(runs: Sequence[Run]) -> Kind:
    smallest = min(run.optimizer.batch_size for run in runs)
    by_rate = sorted(
        (run for run in runs if run.optimizer.batch_size == smallest), key=lambda run: run.optimizer.lr
    )
    run = by_rate[len(by_rate) // 4]  # a higher one may be too much for a smaller minibatch
    limit = max(SMALLEST_BATCH, int(LONGEST / NUM_UPDATES / (multiply_adds(run) / smallest)))
    return Kind(run, next(_with_few_examples(run, _parts_of(smallest, limit))))


def _parts_of(batch_size: int, limit: int) -> list[int]:
    """Return its divisors: those up to a limit first, the largest of them before all others."""
    smallest = min(SMALLEST_BATCH, batch_size)
    divisors = [size for size in range(smallest, batch_size + 1) if batch_size % size == 0]
    return sorted(divisors, key=lambda size: (size > limit, abs(size - limit)))


def _with_few_examples(run: Run, batch_sizes: Iterable[int]) -> Iterator[Run]:
    """Keep four minibatches of examples, evaluated once; budget and schedule stay, counted in updates.

    Sizes that a run can't have, of ghosts or of parts that a penalty speaks of, are passed over.
    """
    for batch_size in batch_sizes:
        changes = {
            "data": run.data.model_copy(update={"num_train": 4 * batch_size, "num_test": batch_size}),
            "optimizer": run.optimizer.model_copy(update={"batch_size": batch_size}),
            "budget": UpdateBudget(num_updates=run.num_updates),
            "evaluation": UpdateEvaluation(every_num_updates=NUM_UPDATES),
        }
        if isinstance(run.landscape, MeasuredLandscape):
            changes["landscape"] = run.landscape.model_copy(update={"num_examples": None})
        with suppress(ValidationError):
            yield Run.model_validate(dict(run) | changes)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize(
            "kind",
            [
                pytest.param(kind, id=str(kind), marks=() if _is_quick(kind.run) else pytest.mark.slow)
                for kind in kinds()
            ],
        )
    if "sweep_name" in metafunc.fixturenames:
        names = [sweep.name for sweep in describe_sweeps() if "paper" in sweep.scales]
        metafunc.parametrize("sweep_name", names)


def _is_quick(run: Run) -> bool:
    return _work_of(run) <= QUICK and count_parameters(run.model, run.data) <= QUICK_PARAMETERS


def _work_of(run: Run) -> float:
    """Count multiply-adds: of the updates, and of the landscape that is measured once."""
    work, per_gradient = NUM_UPDATES * multiply_adds(run), 3 * forward_multiply_adds(run.model, run.data)
    if isinstance(run.landscape, MeasuredLandscape):
        sizes = run.data.num_train, run.data.num_test, run.optimizer.batch_size
        work += per_gradient * num_example_gradients(run.landscape, *sizes)
    return work


def count_parameters(model: Model, data: Data) -> int:
    """Count parameters by the papers' descriptions of their networks, without building one."""
    channels, classes = data.sample_shape[0], data.num_classes
    match model:
        case MlpModel():
            return _of_linear_layers(prod(data.sample_shape), *model.hidden_widths, classes)
        case AutoencoderModel():
            widths = (prod(data.sample_shape), *model.encoder_widths)
            return _of_linear_layers(*widths, *reversed(widths[:-1]))
        case LstmModel():  # a layer has four gates, each of two square matrices and two biases
            width = model.hidden_width
            return classes * width + model.num_layers * 4 * (2 * width**2 + 2 * width) + (width + 1) * classes
        case CnnModel():
            each_stage = [[width] * model.convolutions_per_stage for width in model.channels]
            widths = [channels, *(width for stage in each_stage for width in stage)]
            return _of_convolutions(widths, model.norm) + (widths[-1] + 1) * classes
        case ResNet9Model():
            stem, one, two, three = model.channels
            plain = _of_convolutions([channels, stem, one, two, three], model.norm)
            branches = _of_convolutions([one] * 3, model.norm) + _of_convolutions([three] * 3, model.norm)
            return plain + branches + (three + 1) * classes
        case WideResNetModel():
            return _of_wide_resnet(model, channels, classes)
        case ResNet50Model():
            return _of_resnet50(model, channels, classes)
    raise AssertionError(f"nobody has said how many parameters model={model.kind} has")


def _of_linear_layers(*widths: int) -> int:
    return sum((before + 1) * after for before, after in pairwise(widths))


def _of_convolutions(widths: Sequence[int], norm: str) -> int:
    """3×3 ones, one after the other: each with a bias, or with the two vectors of a normalisation."""
    vectors = 2 if norm == "batch" else 1
    return sum((9 * before + vectors) * after for before, after in pairwise(widths))


def _of_wide_resnet(model: WideResNetModel, channels: int, classes: int) -> int:
    """Groups of n = (d − 4)/6 blocks, of 16k, 32k and 64k channels; a 1×1 convolution begins each group."""
    num_blocks = (model.depth - 4) // 6
    stem, *groups = 16, *(16 * model.width * 2**group for group in range(3))
    weights, biases, normalised = 9 * channels * stem, stem, 0
    for before, width in pairwise([stem, *groups]):
        projects = width != before or width != groups[0]
        weights += 9 * (before * width + (2 * num_blocks - 1) * width**2) + projects * before * width
        biases += (2 * num_blocks + projects) * width + num_blocks  # and the scalar of each block
        normalised += before + (2 * num_blocks - 1) * width
    normalised += groups[-1]  # before the last layer
    vectors = 2 * normalised if model.norm == "batch" else biases
    return weights + vectors + (groups[-1] + 1) * classes


def _of_resnet50(model: ResNet50Model, channels: int, classes: int) -> int:
    """Bottlenecks 1×1, 3×3, 1×1 of w, w and 4w channels, each convolution normalised (He et al. 2016)."""
    total, before = (49 if model.stem == "7x7" else 9) * channels * model.width + 2 * model.width, model.width
    for group, num_blocks in enumerate((3, 4, 6, 3)):
        inner = model.width * 2**group
        for block in range(num_blocks):
            total += before * inner + 9 * inner**2 + 4 * inner**2 + 2 * (inner + inner + 4 * inner)
            total += (before * 4 * inner + 2 * 4 * inner) if block == 0 else 0
            before = 4 * inner
    return total + (before + 1) * classes


@pytest.fixture(name="count_parameters", scope="session")
def _count_parameters() -> Callable[[Model, Data], int]:
    """Return `count_parameters`."""
    return count_parameters


@pytest.fixture
def points(sweep_name: str) -> list[Run]:
    """The points of a sweep at the paper's scale."""
    return paper_points()[sweep_name]


@pytest.fixture
def examples_of(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, data_folder: Path | None
) -> Callable[[Data], Dataset | ImageFiles]:
    """Return the first examples of a data set, real ones where its files are at hand."""

    def no_network(url: str, _md5: str, _folder: Path) -> Path:
        raise NotFetchedError(f"{url}: not asked for")

    monkeypatch.setattr(files, "fetch", no_network)
    monkeypatch.setattr(tiny_imagenet, "fetch", no_network)
    common = tmp_path_factory.getbasetemp()
    common = common.parent if os.environ.get("PYTEST_XDIST_WORKER") else common

    def load(data: Data) -> Dataset | ImageFiles:
        if data_folder is None or isinstance(data, ImageNetData):
            return made_up_dataset(data, data.num_train, data.num_test)
        sizes = {"num_train": min(NUM_LOADED, data.max_train), "num_test": min(NUM_LOADED, data.max_test)}
        first = data.model_copy(update=sizes) if isinstance(data, PtbData) else type(data)(**sizes)
        kept = common / "-".join(map(str, first.model_dump().values()))
        with FileLock(f"{kept}.lock"):  # unpacking CIFAR-10 takes seconds
            if not kept.exists():
                kept.write_bytes(pickle.dumps(_load(first, data_folder)))
            dataset = pickle.loads(kept.read_bytes())
        train, test = slice(data.num_train), slice(data.num_test)
        return Dataset(
            dataset.train_inputs[train],
            dataset.train_labels[train],
            dataset.test_inputs[test],
            dataset.test_labels[test],
            dataset.checksum,
        )

    return load


def _load(data: Data, folder: Path) -> Dataset | ImageFiles:
    try:
        return load_dataset(data, folder)
    except UserError:  # its files aren't there
        return made_up_dataset(data, data.num_train, data.num_test)
