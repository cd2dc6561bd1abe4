"""The texts behind a row: a failure, a worker, a run, a submission; read from the store when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sgdlab.launch.live.state import FailureGroup, LiveState, RunState, WorkerState
from sgdlab.launch.slurm.overview import SubmissionView
from sgdlab.runs.store import Store
from sgdlab.watch.words import ago, count_of, number, shown, shown_lines

_TAIL_BYTES = 16_384
_TAIL_LINES = 40
_MOST_KEYS = 200


def about_failure(group: FailureGroup) -> str:
    """Tell all of failures with one error: which runs, and the end of the log of one."""
    return "\n".join(
        [
            shown_lines(group.error),
            "",
            f"{count_of(len(group.keys), 'run')} of {', '.join(map(shown, group.sweeps))}",
            f"the latest {ago(group.example.at)} ago",
            f"To train them again: r in the table, or sgdlab retry SWEEP --error {shown(group.error)[:40]!r}",
            "",
            *_tail(group.example.log, f"the log of {group.example.key}"),
            "",
            *_keys(group.keys),
        ]
    )


def about_worker(worker: WorkerState) -> str:
    """Tell all of a worker, and the end of its log."""
    gpu = f", GPU {shown(worker.gpu)} of that machine" if worker.gpu else ""
    job = f", Slurm job {shown(worker.job)}" if worker.job else ""
    heard = {
        "training": f"heard {worker.silent_s:.0f} s ago at the latest",
        "silent": f"nothing was heard for {worker.silent_s:.0f} s: whether it lives, nobody here knows",
        "died": "died without a word; the next worker or command takes up what it left",
    }
    return "\n".join(
        [
            f"process {worker.pid} on {shown(worker.host)}{job}",
            f"{shown(worker.device or 'not training yet')}{gpu}",
            f"at this pack since {worker.since}, {ago(worker.since)} ago; {heard[worker.state]}",
            f"{number(worker.updates_per_s)} updates/s; runs of {', '.join(map(shown, worker.sweeps))}",
            "",
            *(f"{key}  {made:>12,} updates" for key, made in worker.updates_of.items()),
            "",
            *_tail(Path(worker.log), "its log"),
        ]
    )


def about_run(run: RunState, live: LiveState, store: Store) -> str:
    """Tell all of a run: what it came to, or why it failed, or who trains it."""
    lines = [
        f"run {run.key}, {run.state}",
        f"{run.updates_done:,} of {run.updates_total:,} updates",
        f"{store.run_folder(run.key)}",
        "",
    ]
    if run.state in ("done", "diverged"):
        lines += _result(run.key, store)
    elif run.state == "failed":
        groups = [group for group in live.failures if run.key in group.keys]
        lines += [shown_lines(group.error) for group in groups]
        failure = store.read_failure(run.key)
        lines += ["", *_tail(failure.log, "its log")] if failure else []
    elif run.state == "damaged":
        lines += [shown(text) for text in live.damages if run.key in text]
    for worker in live.workers:
        if worker.attempt == run.attempt:
            lines.append(about_worker(worker))
    return "\n".join(lines)


def about_submission(view: SubmissionView) -> str:
    """Tell all of an array of jobs."""
    waits = f"waiting for: {', '.join(map(shown, view.waits_for))}" if view.waits_for else ""
    return "\n".join(
        [
            f"job {shown(view.job or 'not known yet')}, {shown(view.name)}, submitted {shown(view.at)}",
            f"{view.num_jobs} jobs for {view.num_runs:,} runs",
            *(f"  {many} {shown(state)}" for state, many in sorted(view.queued.items())),
            *([waits] if waits else []),
            *(f"wanted by: {', '.join(map(shown, titles))}" for titles in view.wanted_by),
            *(
                f"a job on {shown(end.host)} could train nothing: {shown_lines(end.text)}"
                for end in view.broken
            ),
            *(["the last words of one that said nothing else:"] if view.last_words else []),
            *(f"  {shown(line)}" for line in view.last_words),
            f"logs: {shown(view.log_folder)}",
        ]
    )


def _result(key: str, store: Store) -> Iterator[str]:
    result = store.read_result(key)
    if result.diverged_at is not None:
        yield f"diverged at update {result.diverged_at:,}"
    for name, value in result.summary.items():
        yield f"  {shown(name):<36} {'not finite' if value is None else format(value, '.6g')}"
    yield ""
    for name, fact in result.provenance.items():
        yield f"  {shown(name):<36} {shown(str(fact))}"


def _tail(log: Path, what: str) -> Iterator[str]:
    yield f"The end of {what}, {shown(str(log))}:"
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError as error:
        yield f"  it can't be read: {error.strerror}"
        return
    for line in text.splitlines()[-_TAIL_LINES:] or ["nothing yet"]:
        yield f"  {shown_lines(line)}"


def _keys(keys: Iterable[str]) -> Iterator[str]:
    every = list(keys)
    yield "The runs:"
    yield from (f"  {key}" for key in every[:_MOST_KEYS])
    if len(every) > _MOST_KEYS:
        yield f"  and {len(every) - _MOST_KEYS:,} more"
