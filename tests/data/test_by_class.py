import pytest

from sgdlab.data.by_class import take_in_turns

CLASSES = [["a0", "a1", "a2", "a3"], ["b0"], ["c0", "c1", "c2"]]
ALL = [
    *(("a0", 0), ("b0", 1), ("c0", 2)),
    *(("a1", 0), ("c1", 2)),
    *(("a2", 0), ("c2", 2)),
    ("a3", 0),
]


@pytest.mark.parametrize("count", [0, 1, 4, 8, 100])
def test_classes_take_turns_until_each_has_no_more(count: int) -> None:
    assert take_in_turns(CLASSES, count) == ALL[:count]
