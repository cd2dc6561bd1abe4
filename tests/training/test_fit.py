"""Stopping and going on leaves no trace in the bits; Lightning counts what it should."""

import logging
import pickle
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import LambdaCallback

from sgdlab.config.components import EpochDecaySchedule, HoldThenDecaySchedule
from sgdlab.config.datasets import DigitsData, PtbData
from sgdlab.config.models import LstmModel, WideResNetModel
from sgdlab.training.conductor import PackTask
from sgdlab.training.orders import MinibatchOrder
from sgdlab.training.population import MAX_UPDATES_PER_CHUNK, ChunkOptimizer

IMAGES = DigitsData(num_train=30, num_test=13, crop_padding=1, flip=True)
TEXT = PtbData(num_steps=3, num_train=29, num_test=7)  # an epoch is 9 updates of 3
VARIANTS = {
    "plain": {"remainder": "carry"},
    "n-step": {"inner_steps": 3, "order": "forward_reverse"},
    "exact": {"strength": 0.2, "l2": 1e-3, "order": "independent"},
    "differences": {"strength": 0.2, "estimator": "central_difference", "order": "with_replacement"},
    "augmented": {"data": IMAGES, "schedule": HoldThenDecaySchedule(), "order": "fixed"},
    "lstm": {
        "data": TEXT,
        "model": LstmModel(hidden_width=4, dropout=0.3, init_scale=0.3),
        "batch_size": 3,
        "order": "sequential",
        "schedule": EpochDecaySchedule(),
    },
    "wide_resnet": {"data": IMAGES, "model": WideResNetModel(depth=10, width=1), "batch_size": 2},
}


def pack(make_run, variant, num_updates=100, every=30):
    options = {**VARIANTS[variant], "num_updates": num_updates, "every": every, "precision": "float32"}
    return [make_run(**options, seed=seed, lr=lr) for seed, lr in [(0, 2**-4), (1, 2**-5), (0, 2**-6)]]


def assert_same(trained, expected) -> None:
    for ours, theirs in zip(trained.runs, expected.runs, strict=True):
        assert ours.summary == theirs.summary
        assert ours.curves.keys() == theirs.curves.keys()
        for name in theirs.curves:
            np.testing.assert_array_equal(ours.curves[name], theirs.curves[name])
        for name in theirs.parameters:
            assert torch.equal(ours.parameters[name], theirs.parameters[name])


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_that_is_stopped_again_and_again_gets_the_same_bits(
    make_run, train, checkpoints, variant
) -> None:
    num_updates = 36 if variant == "wide_resnet" else 100
    runs = pack(make_run, variant, num_updates)
    whole = train(runs, statistics="evaluations")
    assert whole.num_updates == num_updates
    made, resume_from = 0, None
    for stop_after in (1, 29, 3, 31):  # after 1, 30 (an evaluation), 33 and 64 updates
        stopped = train(
            runs,
            statistics="evaluations",
            resume_from=resume_from,
            stop_after=stop_after,
            checkpoints=checkpoints,
        )
        made += stop_after
        if made >= num_updates:
            break
        assert stopped is None
        assert sorted(checkpoints.at)[-1] == made
        resume_from = checkpoints.at[made]
    rest = train(runs, statistics="evaluations", resume_from=resume_from)
    assert_same(rest, whole)
    assert rest.num_updates == num_updates - max(checkpoints.at)


@pytest.mark.parametrize("variant", ["plain", "n-step", "augmented"])
def test_every_periodic_checkpoint_leads_to_the_same_end(make_run, train, checkpoints, variant) -> None:
    runs = pack(make_run, variant)
    whole = train(runs, checkpoints=checkpoints, checkpoint_every_s=0)
    assert {30, 60, 90} <= checkpoints.at.keys() <= set(range(100))  # a chunk ends at each evaluation
    for path in checkpoints.at.values():
        assert_same(train(runs, resume_from=path), whole)


def test_no_checkpoint_is_due_before_its_time_or_at_the_end(make_run, train, checkpoints) -> None:
    train(pack(make_run, "plain"), checkpoints=checkpoints, checkpoint_every_s=1e9)
    assert checkpoints.at == {}


@pytest.mark.slow  # a process that imports torch and Lightning
def test_another_process_goes_on_with_the_same_bits(
    make_run, make_dataset, train, checkpoints, tmp_path
) -> None:
    runs = pack(make_run, "exact")
    whole = train(runs)
    assert train(runs, stop_after=47, checkpoints=checkpoints) is None
    task = PackTask(3, "batched", "none", torch.device("cpu"), new_checkpoint=None, checkpoint_every_s=1e9)
    given = (task, runs, checkpoints.latest, make_dataset(runs[0].data))
    (tmp_path / "given").write_bytes(pickle.dumps(given))
    program = textwrap.dedent("""
        import pickle, sys
        from pathlib import Path
        from sgdlab.training.fit import train_pack
        from sgdlab.training.members import Member, load_states
        folder = Path(sys.argv[1])
        task, runs, checkpoint, dataset = pickle.loads((folder / "given").read_bytes())
        states = load_states(checkpoint)
        members = [Member.from_state(str(slot), run, states[str(slot)]) for slot, run in enumerate(runs)]
        trained = []
        train_pack(task, members, dataset, trained.append)
        (folder / "trained").write_bytes(pickle.dumps(sorted(trained, key=lambda run: run.key)))
    """)
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, capture_output=True)
    assert_same(SimpleNamespace(runs=pickle.loads((tmp_path / "trained").read_bytes())), whole)


def test_a_checkpoint_holds_tensors_and_plain_values_only(make_run, train, checkpoints) -> None:
    train(pack(make_run, "plain"), stop_after=40, checkpoints=checkpoints)
    stored = torch.load(checkpoints.latest, weights_only=True)  # refuses anything that could run code
    assert [member["update"] for member in stored["members"].values()] == [40] * 3
    assert stored["global_step"] == 40  # chunks of one update


@pytest.mark.parametrize(
    ("inner_steps", "minibatches"), [(4, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2]), (1, list(range(10)))]
)
def test_the_budget_counts_updates(make_run, train, make_population, inner_steps, minibatches) -> None:
    run = make_run(every=10, num_updates=10, inner_steps=inner_steps)
    trained = train([run])
    assert trained.num_updates == 10
    assert trained.runs[0].curves["updates"].tolist() == [10]
    population = make_population([run])
    taken = []
    prepare = population._batches.prepare
    population._batches.prepare = lambda *where: taken.append(prepare(*where)) or taken[-1]
    while not population.members[0].has_ended:
        population._advance()
    order = MinibatchOrder(run.seed, run.data.num_train, run.optimizer).minibatches(0, 10)
    assert torch.equal(torch.cat([batches.indices[:, 0] for batches in taken]), order[minibatches])


def test_the_grid_of_evaluations_ends_at_the_last_update(make_run, train) -> None:
    grids = [(70, 30, [30, 60, 70]), (60, 30, [30, 60]), (5, 5, [5]), (3, 1, [1, 2, 3])]
    for num_updates, every, expected in grids:
        (run,) = train([make_run(num_updates=num_updates, every=every)]).runs
        assert run.curves["updates"].tolist() == expected


def test_statistics_are_measured_when_asked_for(make_run, train) -> None:
    runs = [make_run(num_updates=6, every=2)]
    asked = ("none", "end", "evaluations")
    none, end, evaluations = (train(runs, statistics=statistics).runs[0].curves for statistics in asked)
    assert "c_reg" not in none
    assert np.isfinite(end["c_reg"]).tolist() == [False, False, True]
    assert np.isfinite(evaluations["c_reg"]).all()
    assert end["c_reg"][-1] == evaluations["c_reg"][-1]
    assert end["gradient_norm_sq"][-1] == evaluations["gradient_norm_sq"][-1]


@pytest.mark.filterwarnings("ignore")  # what `train_pack` keeps to itself
def test_lightning_counts_one_optimizer_step_a_chunk(make_run, make_population, monkeypatch) -> None:
    steps = []
    original = ChunkOptimizer.step
    counted = lambda self, closure: steps.append(1) or original(self, closure)  # noqa: E731
    monkeypatch.setattr(ChunkOptimizer, "step", counted)
    population = make_population([make_run(num_updates=150, every=70)])
    (member,) = population.members

    def stop_at_end(trainer, *_):
        trainer.should_stop = member.has_ended

    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    options |= {"callbacks": [LambdaCallback(on_train_batch_end=stop_at_end)]}
    trainer = Trainer(accelerator="cpu", devices=1, max_epochs=-1, enable_model_summary=False, **options)
    trainer.fit(population)
    assert len(steps) == trainer.global_step
    assert 150 / MAX_UPDATES_PER_CHUNK <= len(steps) < 150  # several updates a chunk; how many, time tells
    assert member.update == 150
    assert trainer.state.finished


def test_training_says_nothing(make_run, train, checkpoints, recwarn, capfd, caplog) -> None:
    caplog.set_level(logging.WARNING)
    runs = pack(make_run, "plain")
    train(runs, stop_after=40, checkpoints=checkpoints)
    train(runs, resume_from=checkpoints.latest)
    assert [str(warning.message) for warning in recwarn] == []
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []


def test_progress_counts_every_member_s_updates(make_run, train) -> None:
    runs = [make_run(seed=seed, num_updates=num, every=30) for seed, num in enumerate((40, 100))]
    trained = train(runs, waiting=[make_run(seed=2, num_updates=50, every=30)])
    first, *rest = trained.told
    assert (first.num_running, first.num_updates_of_running, first.num_made) == (2, 0, 0)
    assert [word.num_running for word in trained.told if word.ended] == [2, 1, 0]
    assert sum(word.num_made for word in rest) == 40 + 100 + 50
    made = 0
    for word in rest:
        made += word.num_made
        ended = sum(num for num, at in ((40, 0), (50, 1), (100, 2)) if _num_ended(trained.told, word) > at)
        assert word.num_updates_of_running == made - ended


def _num_ended(told, last) -> int:
    return sum(len(word.ended) for word in told[: told.index(last) + 1])


def test_a_run_s_parameters_come_without_the_run_axis(make_run, train) -> None:
    (run,) = train([make_run(num_updates=2, every=2)]).runs
    assert {name: tuple(values.shape) for name, values in run.parameters.items()} == {
        "weight0": (40, 7),
        "bias0": (7,),
        "weight1": (7, 10),
        "bias1": (10,),
        "weight2": (10, 13),
        "bias2": (13,),
        "weight3": (13, 10),
        "bias3": (10,),
    }
