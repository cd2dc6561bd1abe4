"""The frozen plan: written once, found again, read as it was written, written anew where it is damaged."""

import gzip
import json
import random

import pytest

from sgdlab.config.execution import Execution
from sgdlab.config.models import MlpModel
from sgdlab.config.shapes import step_of
from sgdlab.errors import UserError
from sgdlab.machine.devices import Device
from sgdlab.machine.speeds import SpeedTable, TrainingSpeed
from sgdlab.sweeps.cost import WORKER_START_S, CostModel, PackEstimate
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.plan import estimate_missing, freeze, load_plan

EXECUTION = Execution.model_validate(
    {"launcher": {"kind": "local", "pack_size": 4}, "tracker": {"kind": "wandb", "project": "p"}}
)


@pytest.fixture
def wanted(load, small, composer):
    return {row.key: row.run for row in expand(load(small), composer)}


@pytest.fixture
def frozen(tmp_path, wanted):
    def freeze_again(missing=None, execution=EXECUTION, keys=wanted, costs=None):
        missing = wanted if missing is None else missing
        return freeze(tmp_path / "plans", ["made @ laptop"], execution, keys, missing, 1, costs)

    return freeze_again


def test_it_is_read_as_it_was_written(frozen, wanted):
    plan = frozen()
    assert plan.runs == wanted
    assert plan.execution == EXECUTION
    assert plan.sweeps == ("made @ laptop",)
    assert sorted(key for pack in plan.packs for key in pack.keys) == sorted(wanted)
    assert load_plan(plan.path) == plan


def test_a_component_is_stored_once_for_all_runs_that_have_it(frozen, wanted):
    plan = frozen()
    content = json.loads(gzip.decompress(plan.path.read_bytes()))
    assert len(content["components"]["data"]) == 1
    assert len(content["components"]["optimizer"]) == len({run.optimizer for run in wanted.values()})
    loaded = list(plan.runs.values())
    assert loaded[0].data is loaded[1].data


def test_the_same_command_finds_its_own_plan(frozen, wanted):
    first = frozen()
    before = first.path.read_bytes()
    half = dict(list(wanted.items())[::2])  # the others were trained meanwhile
    again = frozen(missing=half)
    assert again.packs == first.packs
    assert again.runs == first.runs
    assert first.path.read_bytes() == before


def test_it_goes_on_under_the_execution_of_today(frozen):
    frozen()
    assert frozen(execution=Execution()).execution == Execution()


def test_its_name_is_what_is_wanted_in_any_order(frozen, wanted):
    backwards = dict(reversed(wanted.items()))
    assert frozen(keys=backwards).id == frozen().id
    fewer = dict(list(wanted.items())[1:])
    assert frozen(fewer, keys=fewer).id != frozen().id


def test_a_run_that_the_plan_lacks_makes_it_new(frozen, wanted):
    half = dict(list(wanted.items())[::2])
    assert frozen(missing=half).runs == half
    assert frozen().runs == wanted


def test_another_configuration_under_a_wanted_key_makes_it_new(frozen, wanted):
    frozen()
    changed = {
        key: run.model_copy(update={"model": MlpModel(hidden_widths=(9,))}) for key, run in wanted.items()
    }
    assert frozen(missing=changed).runs == changed


def test_a_plan_of_nothing(frozen):
    plan = frozen(missing={})
    assert (plan.runs, plan.packs) == ({}, ())


def damaged_copies(data: bytes):
    yield b""
    yield data[: len(data) // 2]
    yield b"not a plan"
    for position in random.Random(0).sample(range(10, len(data)), 40):  # gzip's header is first
        flipped = bytearray(data)
        flipped[position] ^= 0x10
        yield bytes(flipped)
    for content in ([], 3, {}, {"format": 99}, {"format": 1, "runs": []}, {"format": 1, "components": 3}):
        yield gzip.compress(json.dumps(content).encode())


def test_a_damaged_plan_is_refused_with_the_way_out_and_written_anew(frozen, wanted):
    plan = frozen()
    data = plan.path.read_bytes()
    for damaged in damaged_copies(data):
        plan.path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"not a readable plan \(.*delete it and give the same command"):
            load_plan(plan.path)
        assert frozen().runs == wanted
        assert plan.path.read_bytes() == data


def test_components_that_are_missing_are_damage_too(frozen):
    plan = frozen()
    content = json.loads(gzip.decompress(plan.path.read_bytes()))
    for name in ("optimizer", "data"):
        broken = {**content, "components": {**content["components"], name: []}}
        plan.path.write_bytes(gzip.compress(json.dumps(broken).encode()))
        with pytest.raises(UserError, match="not a readable plan"):
            load_plan(plan.path)


def test_no_plan_at_all(tmp_path):
    with pytest.raises(UserError, match=r"none.json.gz: not a readable plan \(.*No such file"):
        load_plan(tmp_path / "none.json.gz")


def test_a_folder_that_can_not_be_written_is_one_message(frozen, tmp_path):
    (tmp_path / "plans").write_text("a file")
    with pytest.raises(UserError, match="plans"):
        frozen()


# ---- what was expected ----------------------------------------------------------------------------------


@pytest.fixture
def costs(wanted, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plain = next(run for run in wanted.values() if run.regularizer.kind == "none")
    SpeedTable(step_of(plain), "made").add_training(4, TrainingSpeed("b", 0.5, 0.25, 0.0, 0.0, 0.0))
    return CostModel(Device("cpu", "made", None), None)


def test_the_estimate_is_kept_with_the_packs_that_it_was_made_for(frozen, wanted, costs):
    plan = frozen(costs=costs)
    assert (plan.estimate.device, plan.estimate.num_workers) == ("made", 1)
    for pack, expected in zip(plan.packs, plan.estimate.packs, strict=True):
        if wanted[pack.keys[0]].regularizer.kind == "none":  # 16 updates, in packs of three
            assert expected == PackEstimate(16 * 4 * 0.25 + 0.5, 0.25 * 4 / 3, "b")
        else:
            assert expected is None
    assert not plan.estimate.is_known
    half = dict(list(wanted.items())[::2])
    assert frozen(missing=half).estimate == plan.estimate  # of the same command, whatever is known today


def test_without_a_cost_model_nothing_is_expected(frozen):
    assert frozen().estimate is None


def test_what_is_left_of_a_plan_takes_less(frozen, wanted, costs):
    plain = {key: run for key, run in wanted.items() if run.regularizer.kind == "none"}
    plan = frozen(missing=plain, costs=costs)
    all_of_it = estimate_missing(plan, plain, 2, costs)
    assert all_of_it.device_s == pytest.approx(2 * WORKER_START_S + 3 * 16.5)
    assert all_of_it.wall_s == pytest.approx(WORKER_START_S + 2 * 16.5)
    left = plan.packs[0].keys[:2]
    assert estimate_missing(plan, left, 2, costs).wall_s == pytest.approx(WORKER_START_S + 16.5)
    assert estimate_missing(plan, [], 2, costs).wall_s == 0
