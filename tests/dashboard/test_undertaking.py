"""What a submission remembers of its command: the sweeps, as they were."""

from __future__ import annotations

import pytest

from sgdlab.config.compose import open_composer
from sgdlab.dashboard.undertaking import Undertaking
from sgdlab.errors import UserError
from sgdlab.sweeps.files import describe_sweeps, load_sweep
from sgdlab.sweeps.finding import find_sweep


def test_every_sweep_is_read_as_it_was_written(tmp_path):
    with open_composer() as composer:
        sweeps = tuple(
            load_sweep(find_sweep(one.name), scale, composer, {})
            for one in describe_sweeps()
            for scale in one.scales
        )
    written = Undertaking(("all @ all",), sweeps, frozenset([sweeps[0].name]))
    written.write(tmp_path)
    assert Undertaking.read(tmp_path) == written
    assert [sweep.name for sweep in written.to_extend] == [
        sweep.name for sweep in sweeps if sweep.name == sweeps[0].name
    ]


def test_without_anything_to_extend_nothing_is_written(tmp_path):
    Undertaking(("all @ all",), (), frozenset()).write(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert Undertaking.read(tmp_path) is None


def test_a_torn_file_is_one_line_with_the_way_out(tmp_path):
    (tmp_path / "undertaking.json").write_text('{"titles": [')
    with pytest.raises(UserError, match=r"undertaking.json: not readable .*; `sgdlab extend` goes on"):
        Undertaking.read(tmp_path)
