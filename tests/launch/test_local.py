"""How a pool treats its workers. The workers here are shell scripts that live and die as they are told."""

import os
import stat
import time

import pytest

from sgdlab.errors import UserError
from sgdlab.launch.local import LocalPool

COUNT = 'echo x >> "$COUNT"; number=$(wc -l < "$COUNT")'
READY = """echo '{"ready": true, "updates": 0}'"""


@pytest.fixture
def run_pool(make_plan, store, tmp_path, monkeypatch):
    """Run a pool of one worker, each a shell script; return how many were started."""

    def run(script: str, on_status=lambda status: None) -> int:
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{COUNT}\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr("sys.executable", str(program))
        monkeypatch.setenv("COUNT", str(tmp_path / "count"))
        try:
            plan = make_plan()
            LocalPool(plan, store, plan.execution.launcher, on_status).run()
        finally:
            started = len((tmp_path / "count").read_text().splitlines())
        return started

    return run


def test_a_pool_ends_when_its_workers_find_nothing_left(run_pool):
    assert run_pool(f"{READY}; exit 0") == 1


TRAINING = """echo '{"running": 4, "updates_of_running": 0, "updates": 0}'"""


def test_workers_killed_as_they_start_are_replaced(run_pool):
    script = f'if [ "$number" -lt 3 ]; then kill -9 $$; fi; {READY}'
    assert run_pool(script) == 3


def test_deaths_at_the_start_count_only_in_a_row(run_pool):
    script = f'case "$number" in 1|2|4|5) kill -9 $$;; 3) {TRAINING}; kill -9 $$;; 6) {READY};; esac'
    assert run_pool(script) == 6


def test_three_deaths_in_a_row_at_the_start_are_an_error(run_pool):
    with pytest.raises(UserError, match=r"workers can't start; .*\n  nothing; exit code -9"):
        run_pool("kill -9 $$")


def test_a_worker_that_cannot_start_is_not_tried_again(run_pool, tmp_path):
    with pytest.raises(UserError, match=r"workers can't start; the last words of one:\n  b\n  c\n  d\n  e$"):
        run_pool("printf 'a\\nb\\nc\\nd\\ne\\n' >&2; exit 1")
    assert (tmp_path / "count").read_text() == "x\n"


def test_a_worker_killed_by_its_run_is_replaced_however_often(run_pool):
    script = f'{READY}; {TRAINING}; if [ "$number" -lt 6 ]; then exit 139; fi'
    assert run_pool(script) == 6


def test_three_deaths_before_any_training_are_an_error(run_pool, tmp_path):
    with pytest.raises(UserError, match=r"workers can't start; .*\n  Killed: out of memory"):
        run_pool(f"{READY}; echo 'Killed: out of memory' >&2; exit 137")
    assert (tmp_path / "count").read_text() == "x\nx\nx\n"


def test_a_broken_worker_stops_the_pool(run_pool):
    with pytest.raises(UserError, match=r"a worker broke down; its last words:\n  OSError: no such thing"):
        run_pool(f"{READY}; echo 'OSError: no such thing' >&2; exit 4")


def test_what_is_wrong_with_the_world_stops_the_pool(run_pool):
    with pytest.raises(UserError, match=r"^the disk is full$"):
        run_pool("""echo '{"fatal": "the disk is full"}'; exit 3""")


def test_progress_is_summed_up(run_pool):
    news = [
        READY,
        """echo '{"running": 4, "updates_of_running": 400, "updates": 0}'""",
        """echo '{"running": 4, "updates_of_running": 528, "updates": 128, "ended": ["a"]}'; sleep 0.6""",
        """echo 'torn {'""",
        """echo '{"running": 0, "updates_of_running": 0, "updates": 64, "ended": ["b", "c"]}'; sleep 0.4""",
    ]
    seen = []
    run_pool(
        "; ".join(news),
        lambda s: seen.append(
            (s.num_workers, s.num_running, s.num_updates, s.num_updates_of_running, list(s.ended))
        ),
    )
    assert (1, 4, 128, 528, ["a"]) in seen
    assert seen[-1][1:] == (0, 192, 0, ["a", "b", "c"])


@pytest.mark.parametrize(
    ("news", "seconds"),
    [("", (2, 4)), ("""echo '{"running": 1}';""", (3, 5))],
    ids=["an idle worker is killed after two", "a training one has time to leave a checkpoint"],
)
def test_an_interrupted_pool_stops_its_workers(run_pool, tmp_path, news, seconds):
    def interrupt(status):
        if (tmp_path / "up").exists() and (status.num_running or not news):
            interrupted.append(time.monotonic())
            raise KeyboardInterrupt

    interrupted = []
    with pytest.raises(KeyboardInterrupt):
        run_pool(f"{READY}; {news} touch {tmp_path}/up; cat; sleep 3; touch {tmp_path}/saved", interrupt)
    low, high = seconds
    assert low <= time.monotonic() - interrupted[0] < high
    assert (tmp_path / "saved").exists() == bool(news)
    assert os.listdir(tmp_path)
