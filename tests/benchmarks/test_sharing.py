"""The GPU benchmark, tried out on a CPU: what it counts, when it stops doubling, and that both ways train."""

import pytest
import torch

from bench_gpu import Rates, doubled
from performance.work import Work
from sharing.arithmetic import step_flop
from sharing.rates import packed_rate, shared_rate

TINY = Work("tiny", "mnist1d", {"kind": "mlp", "hidden_widths": [8]}, 4, 1, num_train=16, num_test=4)


def test_the_arithmetic_of_a_step_is_that_of_its_products() -> None:
    # forward 40·8 + 8·10, weight gradients the same, the second layer's input gradient; two operations each
    assert step_flop(TINY) == 2 * 4 * (2 * (40 * 8 + 8 * 10) + 8 * 10)


def test_doubling_ends_where_it_gains_too_little_or_memory_is_full() -> None:
    assert doubled(lambda count: min(count, 5.0), 64) == {1: 1, 2: 2, 4: 4, 8: 5, 16: 5}
    assert doubled(float, 4) == {1: 1, 2: 2, 4: 4}

    def full_from_four(count: int) -> float:
        if count >= 4:
            raise torch.OutOfMemoryError("no more")
        return count

    assert doubled(full_from_four, 64) == {1: 1, 2: 2}


def test_ratios_compare_the_best_of_each() -> None:
    rates = Rates("work", packed={1: 10, 2: 20, 4: 60}, processes={1: 12, 2: 20}, share_of_peak=0.5)
    assert rates.ratio == 5
    assert rates.sharing_ratio == 3


@pytest.mark.filterwarnings("ignore")
def test_both_ways_train(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    device = torch.device("cpu")
    assert packed_rate(TINY, 2, device, seconds=0.05) > 0
    assert shared_rate(TINY, 1, device, seconds=0.05) > 0
