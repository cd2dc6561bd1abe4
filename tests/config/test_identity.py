"""The key of a run: pinned literals, what moves it, what must not, and an oracle without any sharing."""

import hashlib
import json
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sgdlab.config.components import (
    ConstantSchedule,
    GradientNormRegularizer,
    HoldThenDecaySchedule,
    HoldThenDecayToSchedule,
    NoRegularizer,
    SgdOptimizer,
)
from sgdlab.config.datasets import Data
from sgdlab.config.execution import Execution
from sgdlab.config.fields import Component
from sgdlab.config.identity import (
    ConfigDigests,
    Keys,
    canonical_json,
    config_digest,
    key_of,
    normalize,
)
from sgdlab.config.models import MlpModel, WideResNetModel
from sgdlab.config.schema import Run

# ---- pinned --------------------------------------------------------------------------------------------

WIDE_RESNET = {
    "data": {"kind": "cifar10", "crop_padding": 4, "flip": True},
    "model": {"kind": "wide_resnet", "depth": 10, "width": 1},
    "loss": {"kind": "cross_entropy", "l2": 5e-4},
    "regularizer": {"kind": "none"},
    "optimizer": {"kind": "sgd", "lr": 2**-6, "batch_size": 32, "remainder": "carry"},
    "schedule": {"kind": "constant"},
    "budget": {"kind": "epochs", "num_epochs": 6400},
    "evaluation": {"kind": "epochs", "every_num_epochs": 4},
}
PENALTY = {
    "data": {"kind": "digits", "num_train": 512},
    "model": {"kind": "mlp", "hidden_widths": [32, 32, 32]},
    "regularizer": {"kind": "gradient_norm", "strength": 2**-3},
    "optimizer": {"kind": "sgd", "lr": 2**-7, "batch_size": 8},
}
N_STEP = {
    "data": {"kind": "fashion_mnist", "standardize": "per_image"},
    "model": {"kind": "mlp", "hidden_widths": [4096, 4096, 4096], "activation": "tanh"},
    "optimizer": {"kind": "sgd", "lr": 0.1, "batch_size": 16, "inner_steps": 4, "order": "independent"},
    "schedule": {"kind": "hold_then_decay", "num_drops": 3},
    "budget": {"kind": "epochs", "num_epochs": 12.5},
}
DIFFERENCES = {
    "seed": 3,
    "precision": "float64",
    "data": {"kind": "mnist1d", "num_test": 500},
    "regularizer": {
        "kind": "gradient_norm",
        "strength": 0.5,
        "estimator": "central_difference",
        "difference_radius": 0.01,
    },
}

# A difference here means that every result stored under these rules is lost to `sgdlab plan`: it would train
# all of them again. If that is what you want, raise SCHEMA_VERSION and say so in the changelog.
GOLDEN = {
    "default": ({}, "9d9c99481c1cb4b5972132e3dd590d69"),
    "wide_resnet": (WIDE_RESNET, "519c8ee2ecf40528bb036d9d0708e5c2"),
    "penalty": (PENALTY, "f069ed458b480c73bdf0d8493717a3d6"),
    "n_step": (N_STEP, "72767c3575717ae35d46c8522388675e"),
    "differences": (DIFFERENCES, "3e49fa33e1bea66d954ff443e9e64c58"),
}


@pytest.mark.parametrize(("changes", "key"), GOLDEN.values(), ids=GOLDEN)
def test_keys_are_pinned(default_run, changes, key):
    assert key_of(Run.model_validate({**default_run.model_dump(), **changes})) == key


# ---- what is no part of it -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "override",
    [
        "launcher.pack_size=3",
        "launcher.num_workers=1",
        "launcher.examples_per_pass=64",
        "launcher.device=cuda",
        "launcher.keep=final",
        "launcher.checkpoint_every_s=1",
        "tracker=none",
        "tracker=wandb",
        "tracker.project=other",
        "diagnostics=none",
        "diagnostics=evaluations",
        "folders.store=elsewhere",
        "folders.data=elsewhere",
    ],
)
def test_how_a_run_is_carried_out_does_not_move_the_key(run_of, override):
    first = ["tracker=wandb"] if override.startswith("tracker.") else []
    assert key_of(run_of(*first, override)) == key_of(run_of())


def test_run_and_execution_share_no_key():
    assert not Run.model_fields.keys() & Execution.model_fields.keys()


# ---- the same training, the same key -------------------------------------------------------------------

PENALIZED = "regularizer=gradient_norm"
SAME = {
    "zero strength is no regularizer": ["regularizer=none"],
    "zero strength": [PENALIZED, "regularizer.strength=0"],
    "minus zero": [PENALIZED, "regularizer.strength=-0.0"],
    "zero strength, any estimator": [
        PENALIZED,
        "regularizer.strength=0",
        "regularizer.estimator=central_difference",
    ],
    "no noise": ["regularizer=gradient_noise", "regularizer.strength=0"],
    "one micro-batch has no noise": ["regularizer=gradient_noise", "regularizer.micro_batch_size=16"],
    "60 epochs of 4000/16": ["budget=updates", "budget.num_updates=15000"],
    "the default evaluation in updates": ["evaluation=updates", "evaluation.every_num_updates=250"],
    "a remainder that isn't there": ["optimizer.remainder=carry"],
    "a decay that doesn't": ["schedule=hold_then_decay", "schedule.factor=1"],
    "a decay without drops": ["schedule=hold_then_decay", "schedule.num_drops=0", "schedule.factor=3"],
    "a decay to where it is": ["schedule=hold_then_decay_to", "schedule.final_lr=2**-6"],
    "held to the end": ["schedule=hold_then_decay", "schedule.hold_fraction=1"],
    "held for all epochs": ["schedule=epoch_decay", "schedule.hold_num_epochs=60"],
    "epochs that decay by nothing": ["schedule=epoch_decay", "schedule.factor=1"],
    "no crops, no mirrors": ["data.crop_padding=0", "data.flip=false"],
    "one step on each minibatch": ["optimizer.inner_steps=1"],
    "all there is": ["data.num_train=4000", "data.num_test=1000", "data.standardize=none"],
    "whole numbers written as fractions": ["optimizer.batch_size=16.0", "budget.num_epochs=60.0"],
    "another spelling": ["optimizer.lr=1/64"],
    "seed 0": ["seed=0"],
}


@pytest.mark.parametrize("overrides", SAME.values(), ids=SAME)
def test_the_same_training_has_one_key(run_of, overrides):
    assert key_of(run_of(*overrides)) == key_of(run_of())


PAIRS = {
    "there is one zero": (
        ["schedule=hold_then_decay", "schedule.hold_fraction=0"],
        ["schedule=hold_then_decay", "schedule.hold_fraction=-0.0"],
    ),
    "an exact penalty needs no radius": (
        [PENALIZED],
        [PENALIZED, "regularizer.difference_radius=0.1"],
    ),
    "one micro-batch is the minibatch": (
        [PENALIZED],
        [PENALIZED, "regularizer.micro_batch_size=16"],
    ),
    "independent batches leave nothing over": (
        ["data.num_train=100", "optimizer.order=independent"],
        ["data.num_train=100", "optimizer.order=independent", "optimizer.remainder=carry"],
    ),
    "nor do those with replacement": (
        ["data.num_train=100", "optimizer.order=with_replacement"],
        ["data.num_train=100", "optimizer.order=with_replacement", "optimizer.remainder=carry"],
    ),
    "n updates on each minibatch of an epoch": (
        ["optimizer.inner_steps=4", "budget.num_epochs=2", "evaluation.every_num_epochs=1"],
        [
            "optimizer.inner_steps=4",
            *("budget=updates", "budget.num_updates=2000"),
            *("evaluation=updates", "evaluation.every_num_updates=1000"),
        ],
    ),
    "an evaluation grid longer than the run is its end": (
        ["budget.num_epochs=2", "evaluation.every_num_epochs=2"],
        ["budget.num_epochs=2", "evaluation.every_num_epochs=1000"],
    ),
    "a grid finer than a minibatch is every minibatch": (
        ["evaluation.every_num_epochs=1/250"],
        ["evaluation.every_num_epochs=1/9999"],
    ),
    "a part of a minibatch is none": (
        ["data.num_train=100", "budget.num_epochs=1"],
        ["data.num_train=100", "budget=updates", "budget.num_updates=6"],
    ),
}


@pytest.mark.parametrize(("one", "other"), PAIRS.values(), ids=PAIRS)
def test_two_ways_to_write_one_training(run_of, one, other):
    assert key_of(run_of(*one)) == key_of(run_of(*other))


# ---- another training, another key ---------------------------------------------------------------------

DIFFERENT = {
    "seed": ["seed=1"],
    "precision": ["precision=float64"],
    "fewer examples": ["data.num_train=3200"],
    "fewer test examples": ["data.num_test=500"],
    "crops": ["data.crop_padding=2"],
    "standardisation": ["data.standardize=dataset"],
    "activation": ["model.activation=tanh"],
    "widths": ["model.hidden_widths=[64,64]"],
    "l2": ["loss.l2=1e-3"],
    "learning rate": ["optimizer.lr=2**-5"],
    "batch size": ["optimizer.batch_size=32"],
    "n-step": ["optimizer.inner_steps=2", "budget=updates", "budget.num_updates=15000"],
    "order": ["optimizer.order=fixed"],
    "decay": ["schedule=hold_then_decay"],
    "decay to a rate": ["schedule=hold_then_decay_to"],
    "decay to another": ["schedule=hold_then_decay_to", "schedule.final_lr=2**-12"],
    "growth": ["schedule=hold_then_decay", "schedule.factor=0.5"],
    "held nearly to the end": ["schedule=hold_then_decay", "schedule.hold_fraction=0.99"],
    "decay by epochs": ["schedule=epoch_decay"],
    "held for all epochs but one": ["schedule=epoch_decay", "schedule.hold_num_epochs=59"],
    "budget": ["budget.num_epochs=61"],
    "evaluation grid": ["evaluation.every_num_epochs=2"],
    "penalty": [PENALIZED],
    "a tiny penalty": [PENALIZED, "regularizer.strength=1e-300"],
    "estimator": [PENALIZED, "regularizer.estimator=forward_difference"],
    "another estimator": [PENALIZED, "regularizer.estimator=central_difference"],
    "penalty of micro-batches": [PENALIZED, "regularizer.micro_batch_size=4"],
    "of smaller ones": [PENALIZED, "regularizer.micro_batch_size=2"],
    "noise": ["regularizer=gradient_noise", "regularizer.micro_batch_size=4"],
    "noise of smaller ones": ["regularizer=gradient_noise", "regularizer.micro_batch_size=2"],
    "radius": [PENALIZED, "regularizer.estimator=central_difference", "regularizer.difference_radius=0.1"],
    "a remainder left out": ["data.num_train=3999"],
    "a remainder carried on": ["data.num_train=3999", "optimizer.remainder=carry"],
}


def test_another_training_has_another_key(run_of):
    keys = {name: key_of(run_of(*overrides)) for name, overrides in {"default": [], **DIFFERENT}.items()}
    assert len(set(keys.values())) == len(keys), keys


@pytest.mark.parametrize(
    "variants",
    [
        ("data", [kind() for kind in get_args(get_args(Data)[0])]),
        ("model", [MlpModel(hidden_widths=(8,)), WideResNetModel(depth=10, width=1)]),
        ("regularizer", [NoRegularizer(), GradientNormRegularizer(strength=1.0)]),
        ("schedule", [ConstantSchedule(), HoldThenDecaySchedule(), HoldThenDecayToSchedule(final_lr=1.0)]),
    ],
    ids=lambda variants: variants[0],
)
def test_variants_with_nothing_but_defaults_have_keys_of_their_own(default_run, variants):
    name, members = variants
    keys = {key_of(default_run.model_copy(update={name: member})) for member in members}
    assert len(keys) == len(members)


# ---- the schema changes --------------------------------------------------------------------------------


def test_a_raised_revision_moves_the_keys_of_its_component_alone(default_run, monkeypatch):
    networks = {
        "mlp": default_run,
        "wide_resnet": default_run.model_copy(update={"model": WideResNetModel(depth=10, width=1)}),
    }
    before = {name: key_of(run) for name, run in networks.items()}
    monkeypatch.setattr(MlpModel, "revision", 2)
    after = {name: key_of(run) for name, run in networks.items()}
    assert after["mlp"] != before["mlp"]
    assert after["wide_resnet"] == before["wide_resnet"]
    monkeypatch.setattr(MlpModel, "revision", 3)
    assert key_of(networks["mlp"]) not in (before["mlp"], after["mlp"])


class _DampedSgd(SgdOptimizer):
    dampening: float = 0.0


class _Averaging(Component):
    kind: str = "none"
    horizon: int = 10


class _AveragedRun(Run):
    averaging: _Averaging = _Averaging()


def test_a_new_field_whose_default_is_the_old_behaviour_moves_no_key(default_run):
    old = default_run.optimizer.model_dump()
    same = default_run.model_copy(update={"optimizer": _DampedSgd(**old)})
    other = default_run.model_copy(update={"optimizer": _DampedSgd(**old, dampening=0.9)})
    assert key_of(same) == key_of(default_run) != key_of(other)


def test_a_new_component_whose_default_is_the_old_behaviour_moves_no_key(default_run, monkeypatch):
    same = _AveragedRun(**dict(default_run))
    other = _AveragedRun(**dict(default_run), averaging=_Averaging(horizon=20))
    assert key_of(same) == key_of(default_run) != key_of(other)
    monkeypatch.setattr(_Averaging, "revision", 2, raising=False)
    assert key_of(same) != key_of(default_run)


# ---- properties ----------------------------------------------------------------------------------------


@st.composite
def runs(draw) -> Run:
    """Draw from few values of each field, so that two draws often agree in much."""

    def some(**fields):
        return {name: draw(st.sampled_from(values)) for name, values in fields.items() if draw(st.booleans())}

    is_image = draw(st.booleans())
    data = {
        "kind": draw(st.sampled_from(["digits", "mnist"])) if is_image else "mnist1d",
        **some(num_train=[96, 100], num_test=[50, 100], standardize=["none", "dataset"], crop_padding=[0, 2]),
        **(some(flip=[True, False]) if is_image else {}),
    }
    mlp = {"kind": "mlp", "hidden_widths": draw(st.sampled_from([[8], [8, 8]])), **some(activation=["tanh"])}
    wide_resnet = {"kind": "wide_resnet", "depth": 10, "width": draw(st.sampled_from([1, 4]))}
    penalty = {
        "kind": "gradient_norm",
        "strength": draw(st.sampled_from([0, "2**-3", 0.125, 1])),
        **some(estimator=["exact", "central_difference"], difference_radius=[1e-3, 0.1]),
    }
    optimizer = {
        "kind": "sgd",
        "lr": draw(st.sampled_from([0.5, "2**-3"])),
        "batch_size": 8,
        **some(inner_steps=[1, 2], order=["independent", "with_replacement"], remainder=["drop", "carry"]),
    }
    decay = {
        "kind": "hold_then_decay",
        **some(hold_fraction=[0.5, 0.9, 1], num_drops=[0, 2], factor=[1, 2, 4]),
    }
    budgets = [{"kind": "epochs", "num_epochs": 2}, {"kind": "updates", "num_updates": 24}]
    evaluations = [{"kind": "epochs", "every_num_epochs": number} for number in (1, 50)]
    evaluations += [{"kind": "updates", "every_num_updates": number} for number in (12, 500)]
    return Run.model_validate(
        {
            **some(seed=[0, 1], precision=["float32", "float64"]),
            "data": data,
            "model": draw(st.sampled_from([mlp, wide_resnet])) if is_image else mlp,
            "loss": {"kind": "cross_entropy", **some(l2=[0, 1e-3])},
            "regularizer": draw(st.sampled_from([{"kind": "none"}, penalty])),
            "optimizer": optimizer,
            "schedule": draw(st.sampled_from([{"kind": "constant"}, decay])),
            "budget": draw(st.sampled_from(budgets)),
            "evaluation": draw(st.sampled_from(evaluations)),
        }
    )


@given(st.lists(runs(), min_size=2, max_size=6), st.integers(0, 9))
@settings(max_examples=80)
def test_keys_are_equal_exactly_where_normalised_configurations_are(drawn, field_index):
    # neighbours of the first, each with one component of another: where a collision would be
    name = list(Run.model_fields)[field_index]
    neighbours = [drawn[0].model_copy(update={name: getattr(other, name)}) for other in drawn[1:]]
    candidates = [normalize(run) for run in (*drawn, *neighbours)]
    keys = Keys()
    for one in candidates:
        for other in candidates:
            assert (one == other) == (keys.of(one) == keys.of(other))


@given(runs())
@settings(max_examples=50)
def test_normalising_again_changes_nothing_and_neither_does_storing(run):
    normalized = normalize(run)
    assert normalize(normalized) == normalized
    stored = json.loads(json.dumps(normalized.model_dump(mode="json")))
    assert Run.model_validate(stored) == normalized
    assert key_of(Run.model_validate(stored)) == key_of(run)
    assert (normalized.num_updates, normalized.seed) == (run.num_updates, run.seed)
    assert normalized.evaluate_every_num_updates == run.evaluate_every_num_updates


def key_by_the_rule(run: Run) -> str:
    """The rule of the module's docstring, written a second time, on plain dictionaries."""
    payload = {"schema": 1}
    for name, value in run.model_dump(mode="json").items():
        model = type(getattr(run, name))
        if getattr(run, name) == Run.model_fields[name].default:
            continue  # a variant that is its field's default, too: a new field leaves keys as they were
        if not isinstance(value, dict):
            payload[name] = value
            continue
        defaults = {field: info.get_default() for field, info in model.model_fields.items()}
        payload[name] = {k: v for k, v in value.items() if k == "kind" or v != defaults[k]}
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@given(st.lists(runs(), min_size=1, max_size=5))
@settings(max_examples=50)
def test_sharing_what_components_write_changes_no_key(drawn):
    keys = Keys()
    for run in map(normalize, [*drawn, *drawn]):
        assert keys.of(run) == key_of(run) == key_by_the_rule(run)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=3),
        lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3),
    )
)
@settings(max_examples=50)
def test_canonical_json_is_json_whatever_the_order_of_keys(value):
    def backwards(node):
        if isinstance(node, dict):
            return {key: backwards(node[key]) for key in reversed(node)}
        return [backwards(below) for below in node] if isinstance(node, list) else node

    assert json.loads(canonical_json(value)) == value
    assert canonical_json(backwards(value)) == canonical_json(value)


def test_canonical_json_refuses_what_is_no_number():
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(float("nan"))


@given(runs(), runs())
def test_digests_of_many_runs_are_those_of_their_full_configurations(first, second):
    digests = ConfigDigests()
    for run in (first, second, first):
        assert digests.of(run) == config_digest(run.model_dump(mode="json"))
