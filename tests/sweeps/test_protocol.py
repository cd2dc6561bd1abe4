"""How many seeds points have at each look, and what a protocol refuses."""

import pytest
from pydantic import ValidationError

from sgdlab.sweeps.spec import Protocol


@pytest.mark.parametrize(
    ("given", "looks"),
    [
        ({}, (7,)),
        ({"seeds": "claims"}, (5, 6, 7)),
        ({"seeds": "claims", "num_seeds": 12, "step": 3}, (5, 8, 11, 12)),
        ({"seeds": "claims", "first": 6}, (6, 7)),
        ({"seeds": "claims", "keep": 1}, (3, 4, 5, 6, 7)),  # of fewer than three there is no interval
        ({"seeds": "claims", "num_seeds": 5}, (5,)),
        ({"seeds": "halving"}, (2, 4, 7)),
        ({"seeds": "halving", "num_seeds": 8}, (2, 4, 8)),
        ({"seeds": "halving", "first": 3, "num_seeds": 20}, (3, 6, 12, 20)),
    ],
)
def test_looks(given, looks):
    assert Protocol(**given).looks == looks


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"first": 5}, "protocol.first is for protocol.seeds=claims or halving"),
        ({"step": 2}, "protocol.step is for protocol.seeds=claims"),
        ({"seeds": "halving", "step": 2}, "protocol.step is for protocol.seeds=claims"),
        (
            {"seeds": "claims", "first": 4},
            "with protocol.seeds=claims a point begins with 5 to protocol.num_seeds=7 seeds",
        ),
        (
            {"seeds": "halving", "first": 1},
            "with protocol.seeds=halving a point begins with 2 to protocol.num_seeds=7 seeds",
        ),
    ],
)
def test_refused(given, message):
    with pytest.raises(ValidationError) as refused:
        Protocol(**given)
    assert message in str(refused.value)
