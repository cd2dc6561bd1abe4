"""What each table of the view shows of a moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from sgdlab.config.durations import describe_duration
from sgdlab.launch.live.state import FailureGroup, LiveState, RunEnd, RunState, SweepState, WorkerState
from sgdlab.launch.slurm.overview import Jobs, SubmissionView
from sgdlab.machine.gpu_load import GpuLoad, GpuLoads
from sgdlab.watch.columns import Column, Row, Table
from sgdlab.watch.words import ago, bar, number, percent, share_of, shown, time_left

_BAR_WIDTH = 8
_SWEEPS = (
    Column("sweep", 0),
    Column("progress", _BAR_WIDTH + 5),
    Column("runs done", 11, rank=2, is_number=True),
    Column("now", 4, rank=1, is_number=True),
    Column("bad", 4, rank=1, is_number=True),
    Column("upd/s", 6, rank=3, is_number=True),
    Column("left", 8, rank=2, is_number=True),
)
_NOW, _BAD = 3, 4
_WORKERS = (
    Column("worker", 18),
    Column("on", 7, rank=2),
    Column("runs", 4, rank=3, is_number=True),
    Column("upd/s", 6, rank=1, is_number=True),
    Column("since", 8, rank=4, is_number=True),
    Column("heard", 8, rank=1, is_number=True),
    Column("sweeps", 0),
)
_JOB = Column("job", 9, rank=5)  # of workers, where some are in one
_FAILURES = (Column("runs", 5, is_number=True), Column("error", 0), Column("such as", 12, rank=1))
_GPUS = (
    Column("gpu", 3),
    Column("name", 0, at_least=21),
    Column("busy", _BAR_WIDTH + 5),
    Column("memory", 16, rank=1, is_number=True),
    Column("workers", 7, rank=2, is_number=True),
    Column("heat", 5, rank=3, is_number=True),
    Column("power", 6, rank=3, is_number=True),
)
_JOBS = (
    Column("job", 10),
    Column("jobs", 20),
    Column("runs", 6, rank=2, is_number=True),
    Column("submitted", 9, rank=3, is_number=True),
    Column("sweeps", 0, rank=1),
)
_ENDS = (Column("ago", 8, is_number=True), Column("run", 12), Column("end", 8), Column("sweeps", 0, rank=1))
_RUNS = (Column("run", 12), Column("state", 11), Column("updates", 15, rank=1, is_number=True), Column("", 0))


def sweeps_table(live: LiveState) -> Table:
    """The sweeps: those that are trained first, then those begun, untouched, and finished."""
    rows = [
        Row(
            sweep.title,
            (
                shown(_name(sweep.title)),
                f"{bar(share_of(sweep), _BAR_WIDTH)} {percent(sweep):>4}" if not sweep.problem else "problem",
                f"{_done(sweep):,}/{sweep.num_runs:,}" if not sweep.problem else "",
                _some(sweep.counts.get("running", 0)),
                _some(_bad(sweep)),
                number(sweep.updates_per_s),
                time_left(sweep),
            ),
            *_style(sweep),
        )
        for sweep in sorted(live.sweeps, key=_place)
    ]
    return Table(_SWEEPS, tuple(rows), "no sweeps have this scale")


def workers_table(live: LiveState) -> Table:
    """Who trains, or has fallen silent, or is dead."""
    rows = [
        Row(
            worker.attempt,
            (
                shown(f"{worker.host}:{worker.pid}"),
                shown(worker.device or "-"),
                str(len(worker.updates_of)),
                number(worker.updates_per_s),
                ago(worker.since),
                _heard(worker),
                shown(_names(worker.sweeps)),
            ),
            {"training": "", "silent": "yellow", "died": "red"}[worker.state],
        )
        for worker in live.workers
    ]
    if not any(worker.job for worker in live.workers):
        return Table(_WORKERS, tuple(rows), "nobody trains anything of these sweeps")
    jobs = [shown(worker.job or "-") for worker in live.workers]
    with_jobs = [replace(row, cells=(*row.cells, job)) for row, job in zip(rows, jobs, strict=True)]
    return Table((*_WORKERS, _JOB), tuple(with_jobs))


def failures_table(live: LiveState) -> Table:
    """Failures by error, then damaged files."""
    failed = [
        Row(group.error, (str(len(group.keys)), shown(group.error), group.example.key[:12]), "red")
        for group in live.failures
    ]
    damaged = [Row(text, ("1", shown(text), ""), "red") for text in live.damages]
    return Table(_FAILURES, (*failed, *damaged), "no run has failed")


def gpus_table(loads: GpuLoads | None, live: LiveState | None, host: str) -> Table:
    """The GPUs of this machine, and how many of the workers here train on each."""
    if loads is None:
        return Table(_GPUS, (), "asking nvidia-smi")
    here = [worker for worker in live.workers if worker.host == host] if live else []
    rows = [Row(gpu.uuid, _gpu_cells(gpu, here)) for gpu in loads.gpus]
    return Table(_GPUS, tuple(rows), shown(loads.problem or ""))


def jobs_table(jobs: Jobs | None) -> Table:
    """The submissions of these sweeps to Slurm."""
    if jobs is None:
        return Table(_JOBS, (), "asking Slurm")
    rows = [
        Row(
            view.name,
            (
                shown(view.job or "-"),
                shown(states_of(view)),
                f"{view.num_runs:,}",
                ago(view.at),
                shown(_names(title for titles in view.wanted_by for title in titles)),
            ),
            "red" if view.broken or view.last_words else "",
        )
        for view in jobs.submissions
    ]
    return Table(_JOBS, tuple(rows), "no Slurm jobs of these sweeps")


def ends_table(live: LiveState) -> Table:
    """Which runs have ended lately."""
    rows = [
        Row(end.key, (ago(end.at), end.key[:12], end.outcome, shown(_end_text(end))), _end_style(end))
        for end in live.ends
    ]
    return Table(_ENDS, tuple({row.id: row for row in reversed(rows)}.values())[::-1], "no run has ended")


def runs_table(runs: Sequence[RunState]) -> Table:
    """The runs of one sweep."""
    rows = [
        Row(
            run.key,
            (
                run.key[:12],
                run.state,
                f"{number(run.updates_done)}/{number(run.updates_total)}",
                bar(run.updates_done / run.updates_total, _BAR_WIDTH) if run.state in _UNDER_WAY else "",
            ),
            "red" if run.state in ("failed", "damaged") else "",
        )
        for run in runs
    ]
    return Table(_RUNS, tuple(rows), "no runs")


def states_of(view: SubmissionView) -> str:
    """Write how many jobs of a submission are in which state."""
    if not view.is_known:
        return f"{view.num_jobs} just submitted"
    if not view.queued:
        return f"{view.num_jobs}, none left"
    return ", ".join(f"{many} {state.lower()}" for state, many in sorted(view.queued.items()))


_UNDER_WAY = ("running", "unknown", "interrupted")


def _place(sweep: SweepState) -> tuple[int, str]:
    """Where a sweep stands in the table."""
    if sweep.problem or sweep.is_active:
        return 0, sweep.title
    if not sweep.updates_left and not _bad(sweep):
        return 3, sweep.title
    return (1 if sweep.updates_done or _bad(sweep) else 2), sweep.title


def _style(sweep: SweepState) -> tuple[str, int | None]:
    """Return a style, and the column that it is for."""
    if sweep.problem:
        return "red", None
    if _bad(sweep):
        return "bold red", _BAD
    return ("yellow", None) if sweep.counts["unknown"] else ("green", _NOW)


def _done(sweep: SweepState) -> int:
    return sweep.counts["done"] + sweep.counts["diverged"]


def _bad(sweep: SweepState) -> int:
    return sweep.counts.get("failed", 0) + sweep.counts.get("damaged", 0)


def _some(counted: int) -> str:
    return f"{counted:,}" if counted else ""


def _name(title: str) -> str:
    """A sweep's title without its scale, which is the same for all."""
    return title.rpartition(" @ ")[0] or title


def _names(titles: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(map(_name, titles)))


def _heard(worker: WorkerState) -> str:
    if worker.state == "died":
        return "died"
    return "now" if worker.silent_s < 60 else describe_duration(worker.silent_s)


def _gpu_cells(gpu: GpuLoad, workers: Sequence[WorkerState]) -> tuple[str, ...]:
    here = Counter(gpu.is_called(worker.gpu) for worker in workers)[True]
    busy = gpu.busy_percent
    return (
        shown(gpu.index),
        shown(gpu.name),
        "-" if busy is None else f"{bar(busy / 100, _BAR_WIDTH)} {busy:.0f}%",
        "-"
        if gpu.used_mib is None or gpu.total_mib is None
        else f"{gpu.used_mib / 1024:.1f}/{gpu.total_mib / 1024:.1f} GiB",
        _some(here),
        "-" if gpu.temperature_c is None else f"{gpu.temperature_c:.0f} °C",
        "-" if gpu.power_w is None else f"{gpu.power_w:.0f} W",
    )


def _end_text(end: RunEnd) -> str:
    return end.error if end.outcome == "failed" else _names(end.sweeps)


def _end_style(end: RunEnd) -> str:
    return {"failed": "red", "diverged": "yellow"}.get(end.outcome, "")


def find_group(live: LiveState, error: str) -> FailureGroup | None:
    """Return the failures of that error, if there are any still."""
    return next((group for group in live.failures if group.error == error), None)
