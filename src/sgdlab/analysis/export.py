"""The results of sweeps as tidy tables for other tools, and back: four files, and one that describes them.

    runs        one row for each run that a grid asks for: its place, seed, key, state, and each metric
    curves      one row for each evaluation of each run: key, updates, and each metric
    points      one row for each point and metric, by the protocol
    claims      one row for each claim and panel
    datapackage.json   each column's type and unit (a Frictionless Data Package)

Numbers are written so that reading them gives the same bits, and a figure that is drawn from them is the same
figure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sgdlab.analysis.claims import describe_expectation, judge
from sgdlab.analysis.image_resampling import ReadCurves
from sgdlab.analysis.observations import Observation, State
from sgdlab.analysis.points import is_number
from sgdlab.analysis.tables import record_of_row, rows
from sgdlab.analysis.units import unit_of
from sgdlab.errors import UserError
from sgdlab.runs.files import replace
from sgdlab.sweeps.spec import Sweep

if TYPE_CHECKING:
    import polars as pl

Format = Literal["csv", "parquet", "json"]
_TYPES = {"Int64": "integer", "Float64": "number", "String": "string", "Boolean": "boolean", "Null": "any"}


@dataclass(frozen=True)
class Exported:
    """The runs of one sweep, as they were exported."""

    states: Mapping[str, State]  # by key
    metrics: Mapping[str, Mapping[str, float]]  # key → metric → value
    curves: Mapping[str, Mapping[str, np.ndarray]]  # key → "updates", metric, … → (E,)


def write_export(
    seen: Sequence[tuple[Sweep, Sequence[Observation]]], read_curves: ReadCurves, folder: Path, kind: Format
) -> list[Path]:
    """Write the tables of some sweeps and their runs into a folder, and return the paths.

    Raises
    ------
    UserError
        If something can't be written.
    DamagedRunError
        If the curves of a run can't be read.
    """
    keys = dict.fromkeys(run.key for _, runs in seen for run in runs if run.state in ("done", "diverged"))
    tables = {
        "runs": _table([record for sweep, runs in seen for record in _run_records(sweep, runs)]),
        "curves": _table([record for key in keys for record in _curve_records(key, read_curves(key))]),
        "points": _table([record for sweep, runs in seen for record in _point_records(sweep, runs)]),
        "claims": _table([record for sweep, runs in seen for record in _claim_records(sweep, runs)]),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [_write(table, folder / f"{name}.{kind}", kind) for name, table in tables.items()]
        description = folder / "datapackage.json"
        replace(description, json.dumps(_describe(tables, kind), indent=1, ensure_ascii=False).encode())
    except OSError as error:
        raise UserError(f"{folder} can't be written: {error.strerror}") from error
    return [*paths, description]


def read_export(folder: Path) -> Exported:
    """Read the runs and curves of an export.

    Raises
    ------
    UserError
        If the folder holds no export.
    """
    runs, curves = _read(folder, "runs"), _read(folder, "curves")
    states: dict[str, State] = {}
    metrics: dict[str, dict[str, float]] = {}
    for record in runs.iter_rows(named=True):
        if record["state"] == "spared" and record["key"] in states:
            continue  # another sweep asks for it
        states[record["key"]] = record["state"]
        metrics[record["key"]] = {
            name: value
            for name, value in record.items()
            if value is not None and name.rpartition(".")[2] in _SUMMARIES and is_number(value)
        }
    by_key = {}
    for (key,), part in curves.group_by("key", maintain_order=True):
        of_run = part.drop([name for name in part.columns if part[name].null_count() == part.height])
        by_key[str(key)] = {
            column.name: column.cast(int if column.name == "updates" else float).to_numpy()
            for column in of_run.drop("key").iter_columns()
        }
    return Exported(states, metrics, by_key)


_SUMMARIES = ("best", "final", "honest", "worst")


def _run_records(sweep: Sweep, runs: Sequence[Observation]) -> Iterator[dict[str, Any]]:
    for run in runs:
        yield {
            "sweep": sweep.name,
            "scale": sweep.scale,
            "panel": run.panel,
            "grid": run.grid,
            **run.point,
            "seed": run.seed,
            "key": run.key,
            "state": run.state,
            "differences_kinks": run.differences_kinks,
            **run.metrics,
        }


def _curve_records(key: str, curves: Mapping[str, np.ndarray]) -> Iterator[dict[str, Any]]:
    columns = {name: values.tolist() for name, values in curves.items() if not name.startswith("correct_")}
    for values in zip(*columns.values(), strict=True):
        yield {"key": key, **dict(zip(columns, values, strict=True))}


def _point_records(sweep: Sweep, runs: Sequence[Observation]) -> Iterator[dict[str, Any]]:
    for row in rows(sweep, runs):
        record = record_of_row(row)
        record["left_out"] = [f"seed {run['seed']}: {run['reason']}" for run in record["left_out"]]
        yield {"sweep": sweep.name, "scale": sweep.scale, **record}


def _claim_records(sweep: Sweep, runs: Sequence[Observation]) -> Iterator[dict[str, Any]]:
    for verdict in judge(sweep, runs):
        low, high = verdict.interval or (None, None)
        yield {
            "sweep": sweep.name,
            "scale": sweep.scale,
            "panel": verdict.panel,
            "kind": verdict.claim.kind,
            "says": verdict.claim.says,
            "verdict": verdict.verdict,
            "estimate": verdict.estimate,
            "low": low,
            "high": high,
            "expected": describe_expectation(verdict.claim.expect),
            "num_seeds": verdict.num_seeds,
            "rule": verdict.rule,
            "reason": verdict.reason,
        }


def _table(records: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Make a table of records with different columns; a column of numbers and texts is one of texts."""
    import polars as pl

    names = dict.fromkeys(name for record in records for name in record)
    return pl.DataFrame([_column(name, [record.get(name) for record in records]) for name in names])


def _column(name: str, values: list[Any]) -> pl.Series:
    import polars as pl

    present = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in present):
        return pl.Series(name, values, pl.Boolean)
    if all(isinstance(value, int) for value in present):
        return pl.Series(name, values, pl.Int64)
    if all(is_number(value) for value in present):
        return pl.Series(name, [None if value is None else float(value) for value in values], pl.Float64)
    return pl.Series(name, [None if value is None else _as_text(value) for value in values], pl.String)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _write(table: pl.DataFrame, path: Path, kind: Format) -> Path:
    match kind:
        case "csv":
            table.write_csv(path)
        case "parquet":
            table.write_parquet(path)
        case "json":
            table.write_json(path)
    return path


def _read(folder: Path, name: str) -> pl.DataFrame:
    import polars as pl

    readers: dict[str, Any] = {
        "csv": lambda path: pl.read_csv(path, infer_schema_length=None),
        "parquet": pl.read_parquet,
        "json": lambda path: pl.read_json(path, infer_schema_length=None),
    }
    for kind, read in readers.items():
        path = folder / f"{name}.{kind}"
        if path.exists():
            try:
                table: pl.DataFrame = read(path)
                return table
            except (OSError, pl.exceptions.PolarsError) as error:
                raise UserError(f"{path} can't be read: {error}") from error
    raise UserError(f"{folder} holds no export: {name}.csv, .parquet or .json isn't there")


def _describe(tables: Mapping[str, pl.DataFrame], kind: Format) -> dict[str, Any]:
    resources = []
    for name, table in tables.items():
        fields = []
        for column in table.iter_columns():
            field = {"name": column.name, "type": _TYPES.get(str(column.dtype), "string")}
            if (unit := unit_of(column.name)) is not None:
                field["unit"] = unit
            fields.append(field)
        resources.append(
            {"name": name, "path": f"{name}.{kind}", "format": kind, "schema": {"fields": fields}}
        )
    return {"profile": "data-package", "name": "sgdlab-results", "resources": resources}
