import itertools

import torch

from sgdlab.training.streams import stream


def draw(*key) -> float:
    return torch.rand((), generator=stream(*key), dtype=torch.float64).item()


def test_seed_purpose_and_index_each_give_a_stream_of_its_own() -> None:
    purposes = ("init", "order", "augmentation", "partition")
    keys = list(itertools.product((0, 1, 10, 11, 12345678901234567890), purposes, (0, 1, 10, 2**40)))
    assert len({draw(*key) for key in keys}) == len(keys)


def test_a_stream_starts_anew_each_time_and_leaves_the_global_one_alone() -> None:
    before = torch.get_rng_state()
    assert draw(3, "order", 4) == draw(3, "order", 4)
    assert torch.equal(torch.get_rng_state(), before)


def test_streams_are_what_they_were() -> None:
    """A difference here is another initialisation, order and augmentation of every stored run."""
    assert stream(0, "init").initial_seed() == 8848442587042613946
    assert torch.randint(1000, (4,), generator=stream(7, "order", 2)).tolist() == [138, 391, 700, 686]
