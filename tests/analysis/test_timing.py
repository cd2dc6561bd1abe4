"""Expected beside actual time, against numbers worked out by hand."""

import gzip
import json

import numpy as np
import pytest

from sgdlab.analysis.timing import Timing, timings_of
from sgdlab.config.schema import Run
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim
from sgdlab.runs.result import RunResult
from sgdlab.runs.store import Store

BASE = {
    "data": {"kind": "digits"},
    "model": {"kind": "mlp", "hidden_widths": [8]},
    "loss": {"kind": "cross_entropy"},
    "regularizer": {"kind": "none"},
    "optimizer": {"lr": 0.1, "batch_size": 8},
    "schedule": {"kind": "constant"},
    "budget": {"kind": "updates", "num_updates": 100},
    "evaluation": {"kind": "updates", "every_num_updates": 50},
}
PENALTY = {"regularizer": {"kind": "gradient_norm", "strength": 1.0}}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    store.open_for_writing()
    return store


@pytest.fixture
def publish(store):
    def publish_one(key, shape, changes=None, **provenance):
        config = Run.model_validate({**BASE, **(changes or {})}).model_dump(mode="json")
        with Attempt.start(store, "session", heartbeat_every_s=60) as attempt:
            claim(store, key, attempt)
            result = RunResult(key, "done", config, {}, 100, None, {"shape": shape, **provenance})
            store.publish(attempt, result, {"updates": np.array([100])})

    return publish_one


@pytest.fixture
def plan(store):
    def write(name, packs, expected):
        (store.root / "plans").mkdir(exist_ok=True)
        packs = [{"shape": "s", "keys": list(keys)} for keys in packs]
        content = {"packs": packs}
        if expected is not None:
            of = [s and {"seconds": s, "update_s": 1e-3, "backend": "b"} for s in expected]
            content["estimate"] = {"device": "cpu", "num_workers": 1, "packs": of}
        data = gzip.compress(json.dumps(content).encode())
        (store.root / "plans" / f"{name}.json.gz").write_bytes(data)

    return write


def test_each_step_is_compared_over_the_runs_of_which_both_sides_are_known(store, plan, publish):
    plan("1", [["a", "b"], ["c"], ["d"], ["e"]], [10.0, 8.0, None, 4.0])
    publish("a", "plain", wall_s=12.0, pack_width=2)
    publish("b", "plain", wall_s=16.0, pack_width=2)
    publish("c", "penalised", PENALTY, wall_s=4.0, pack_width=1)
    publish("d", "plain", wall_s=4.0, pack_width=1)  # nothing was expected
    publish("x", "plain", wall_s=4.0, pack_width=1)  # is in no plan; and e was never trained
    plain, penalised = timings_of({"a", "b", "c", "d", "e", "x"}, store)
    assert plain == Timing("mlp 8 · digits · B=8", 2, 200, 5.0 + 5.0, 6.0 + 8.0)
    assert plain.ratio == 1.4
    assert penalised == Timing("mlp 8 · digits · B=8 · exact penalty", 1, 100, 8.0, 4.0)
    assert timings_of({"b"}, store) == [Timing("mlp 8 · digits · B=8", 1, 100, 5.0, 8.0)]


def test_shapes_of_one_step_are_one_row(store, plan, publish):
    plan("1", [["a"], ["b"]], [1.0, 2.0])
    publish("a", "one", wall_s=2.0, pack_width=1)
    longer = {"budget": {"kind": "updates", "num_updates": 300}}
    publish("b", "another", longer, wall_s=4.0, pack_width=1)
    assert timings_of({"a", "b"}, store) == [Timing("mlp 8 · digits · B=8", 2, 400, 3.0, 6.0)]


def test_plans_without_an_estimate_and_damaged_ones_have_no_say(store, plan, publish):
    publish("a", "plain", wall_s=2.0, pack_width=1)
    assert timings_of({"a"}, store) == []
    plan("1", [["a"]], None)
    plan("2", [["a"]], [1.0])
    (store.root / "plans" / "0.json.gz").write_bytes(b"damaged")
    (store.root / "plans" / "00.json.gz").write_bytes(gzip.compress(b"[1, 2]"))
    assert [timing.expected_s for timing in timings_of({"a"}, store)] == [1.0]


def test_a_run_counts_for_the_plan_that_had_it_first(store, plan, publish):
    publish("a", "plain", wall_s=2.0, pack_width=1)
    plan("1", [["a"]], [1.0])
    plan("2", [["a"]], [3.0])
    assert [timing.expected_s for timing in timings_of({"a"}, store)] == [1.0]
