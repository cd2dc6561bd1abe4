"""Where the results behind a page come from."""

import numpy as np

from sgdlab.config.schema import Run
from sgdlab.reports.provenance import provenance_of
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim
from sgdlab.runs.result import RunResult
from sgdlab.runs.store import Store

CONFIG = Run.model_validate(
    {
        "data": {"kind": "digits"},
        "model": {"kind": "mlp", "hidden_widths": [8]},
        "loss": {"kind": "cross_entropy"},
        "regularizer": {"kind": "none"},
        "optimizer": {"lr": 0.1, "batch_size": 8},
        "schedule": {"kind": "constant"},
        "budget": {"kind": "updates", "num_updates": 10},
        "evaluation": {"kind": "updates", "every_num_updates": 5},
    }
).model_dump(mode="json")


def test_the_values_that_occur_and_the_time_shared_by_a_pack(tmp_path):
    store = Store(tmp_path)
    store.open_for_writing()
    common = {"wall_s": 120.0, "pack_width": 4, "device": "cpu", "dtype": "float32", "host": "a"}
    with Attempt.start(store, "session", heartbeat_every_s=60) as attempt:
        for key, more in {"k1": {}, "k2": {"host": "b", "commit": "c0ffee"}}.items():
            claim(store, key, attempt)
            result = RunResult(key, "done", CONFIG, {}, 10, None, {**common, **more})
            store.publish(attempt, result, {"updates": np.array([10])})
    store.run_folder("k3").mkdir(parents=True)
    store.result_path("k3").write_text("{")  # damaged: it has no say
    assert provenance_of(["k1", "k2", "k3", "never trained"], store) == {
        "sgdlab version": "unknown",
        "commit": "c0ffee, unknown",
        "torch version": "unknown",
        "device": "cpu",
        "dtype": "float32",
        "host": "a, b",
        "runs": "2",
        "training time": "1.0 min, summed over workers",
    }
