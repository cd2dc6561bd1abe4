"""What was measured on this machine is found again, and nothing damaged is believed."""

import pytest

from sgdlab.machine.processor import processor
from sgdlab.machine.speeds import BackendSpeed, SpeedTable, TrainingSpeed

BATCHED, NATIVE = BackendSpeed(0.5, 2e-6, 1000), BackendSpeed(1.5, 1e-6, 500)
NARROW = BackendSpeed(0.5, 8e-6, 125)
TRAINED = TrainingSpeed("native-256", 0.25, 1e-6, 1e-3, 1e-7, 1e-5)


def table(folder, step="step", device="device") -> SpeedTable:
    return SpeedTable(step, device, folder)


def test_a_speed_is_found_again_at_neighbouring_widths(tmp_path) -> None:
    table(tmp_path).add(28, "batched", BATCHED)
    table(tmp_path).add(32, "native-256", NATIVE)
    table(tmp_path).add(4, "batched", NARROW)
    for width in (24, 28, 32, 45):
        assert table(tmp_path).at(width) == {"batched": BATCHED, "native-256": NATIVE}
    assert table(tmp_path).at(8) == {}
    assert table(tmp_path).backends() == {"batched": {4: NARROW, 32: BATCHED}, "native-256": {32: NATIVE}}
    assert list(table(tmp_path).backends()["batched"]) == [4, 32]


def test_whole_training_is_apart_from_bare_updates(tmp_path) -> None:
    table(tmp_path).add(8, "native-256", NATIVE)
    table(tmp_path).add_training(8, TRAINED)
    assert table(tmp_path).training() == {"native-256": {8: TRAINED}}
    assert table(tmp_path).backends() == {"native-256": {8: NATIVE}}


def test_other_steps_and_devices_have_tables_of_their_own(tmp_path) -> None:
    table(tmp_path).add(4, "batched", NARROW)
    table(tmp_path).add_training(4, TRAINED)
    for other in (table(tmp_path, step="another"), table(tmp_path, device="another")):
        assert other.backends() == other.training() == {}


DAMAGED = {
    "nothing": "",
    "half": "{",
    "a list": "[]",
    "one kind": '{"backends": {}}',
    "no mapping": '{"backends": 3, "training": {}}',
    "half a speed": '{"backends": {"batched": {"4": {"update_s": 1}}}, "training": {}}',
    "no width": '{"backends": {"a": {"x": {"setup_s": 1, "update_s": 1, "num_bytes": 1}}}, "training": {}}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_measured_anew(tmp_path, content) -> None:
    table(tmp_path).add(4, "batched", NARROW)
    (file,) = tmp_path.glob("*.json")
    file.write_text(content)
    assert table(tmp_path).backends() == table(tmp_path).training() == {}
    table(tmp_path).add(4, "batched", NARROW)
    assert table(tmp_path).at(4) == {"batched": NARROW}


def test_a_cache_that_can_t_be_written_is_only_no_help(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = table(tmp_path / "file" / "speeds")
    with nowhere.locked():
        nowhere.add(4, "batched", NARROW)
    assert nowhere.backends() == {}


def test_the_total_counts_setting_up() -> None:
    assert BackendSpeed(0.5, 2.0, 0).total_s(3) == 6.5


def test_a_processor_has_a_name() -> None:
    assert processor() == processor()
    assert len(processor()) > 10
