"""Addresses say what is shown, and nothing is lost between an address and what it names."""

from hypothesis import given
from hypothesis import strategies as st

from sgdlab.dashboard.addresses import (
    Place,
    compare_address,
    point_named_by,
    point_search,
    run_named_by,
    sweep_address,
    sweep_named_by,
    sweeps_named_by,
)

VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.text(), st.lists(st.integers())
)


@given(st.text(), st.text(), st.dictionaries(st.text(), VALUES))
def test_a_place_survives_an_address(panel, grid, point):
    place = Place(panel, grid, point)
    assert point_named_by(point_search(place)) == place


@given(st.text(min_size=1))
def test_a_sweeps_name_survives_an_address(name):
    assert sweep_named_by(sweep_address(name)) == name


def test_several_sweeps_survive_an_address():
    names = ["smith2021/fig1b", "a&sweep=b", "ü"]
    assert sweeps_named_by(compare_address(names).removeprefix("/compare")) == names


def test_what_names_nothing_is_nothing():
    assert sweep_named_by("/run/ab") is None
    assert run_named_by("/sweep/ab") is None
    for search in ("", "?point=", "?point=[1]", "?point=%5B1%2C2%2C3%5D", "?point={", "?other=1"):
        assert point_named_by(search) is None
