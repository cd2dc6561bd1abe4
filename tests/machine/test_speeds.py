"""What was measured on this machine is found again, and nothing damaged is believed."""

from sgdlab.machine.processor import processor
from sgdlab.machine.speeds import BackendSpeed, SpeedTable


def table(folder, step="step", device="device") -> SpeedTable:
    return SpeedTable(step, device, folder)


def test_a_speed_is_found_again_at_neighbouring_widths(tmp_path) -> None:
    table(tmp_path).add(28, "batched", BackendSpeed(0.5, 2e-6, 0))
    table(tmp_path).add(32, "native-256", BackendSpeed(1.5, 1e-6, 0))
    table(tmp_path).add(4, "batched", BackendSpeed(0.5, 8e-6, 0))
    for width in (24, 28, 32, 45):
        assert table(tmp_path).at(width) == {
            "batched": BackendSpeed(0.5, 2e-6, 0),
            "native-256": BackendSpeed(1.5, 1e-6, 0),
        }
    assert table(tmp_path).at(8) == {}
    assert table(tmp_path).by_width() == {4: BackendSpeed(0.5, 8e-6, 0), 32: BackendSpeed(1.5, 1e-6, 0)}


def test_other_steps_and_devices_have_tables_of_their_own(tmp_path) -> None:
    table(tmp_path).add(4, "batched", BackendSpeed(0.5, 8e-6, 0))
    assert table(tmp_path, step="another").by_width() == {}
    assert table(tmp_path, device="another").by_width() == {}


def test_a_damaged_file_is_measured_anew(tmp_path) -> None:
    table(tmp_path).add(4, "batched", BackendSpeed(0.5, 8e-6, 0))
    (file,) = tmp_path.glob("*.json")
    for content in ("", "{", "[]", '{"widths": {"4": {"batched": {"update_s": 1}}}}', '{"widths": 3}'):
        file.write_text(content)
        assert table(tmp_path).by_width() == {}
    table(tmp_path).add(4, "batched", BackendSpeed(0.5, 8e-6, 0))
    assert table(tmp_path).at(4) == {"batched": BackendSpeed(0.5, 8e-6, 0)}


def test_a_cache_that_can_t_be_written_is_only_no_help(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = table(tmp_path / "file" / "speeds")
    with nowhere.locked():
        nowhere.add(4, "batched", BackendSpeed(0.5, 8e-6, 0))
    assert nowhere.by_width() == {}


def test_the_total_counts_setting_up() -> None:
    assert BackendSpeed(0.5, 2.0, 0).total_s(3) == 6.5


def test_a_processor_has_a_name() -> None:
    assert processor() == processor()
    assert len(processor()) > 10
