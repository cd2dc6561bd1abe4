"""The arithmetic of the benchmark on a private Slurm."""

import pytest

from bench_slurm import Overhead, covered


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0),
        ([(1, 3)], 2),
        ([(5, 6), (1, 3)], 3),
        ([(1, 5), (2, 3), (4, 7)], 6),
        ([(1, 2), (1, 2)], 1),
    ],
)
def test_seconds_are_counted_once(spans, seconds):
    assert covered(spans) == seconds


def test_overhead_is_what_all_workers_did_beside_training():
    assert Overhead(100, 2, 10.0, 5.0, seconds=55.0, training_s=100.0).share == pytest.approx(0.1)
