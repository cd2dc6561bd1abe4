"""A model that lies in a store: the final weights of a published run, or the latest checkpoint of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.config.datasets import ImageNetData
from sgdlab.config.execution import Execution
from sgdlab.config.models import LstmModel
from sgdlab.config.schema import Run
from sgdlab.data.load import load_dataset
from sgdlab.data.pipeline import Pipeline, make_pipeline
from sgdlab.errors import UsageError, UserError
from sgdlab.runs.claims import latest_checkpoint
from sgdlab.runs.store import Store
from sgdlab.sweeps.plan import keys_of_plan, load_plan
from sgdlab.training.members import load_states
from sgdlab.training.state import without_velocities

_SHORTEST = 4  # characters by which a key is known


@dataclass(frozen=True)
class StoredModel:
    """Parameters, and what run they belong to."""

    key: str
    run: Run
    parameters: Mapping[str, Tensor]  # and buffers, without the run axis
    update: int  # parameter updates made

    @property
    def is_final(self) -> bool:
        """Whether the run's training has ended here."""
        return self.update == self.run.num_updates


def load_model(store: Store, name: str) -> StoredModel:
    """Load a run's model.

    Parameters
    ----------
    store
        Where it lies.
    name
        The run's key, or its first characters.

    Raises
    ------
    UsageError
        If no run's key or more than one begins so.
    UserError
        If nothing of the run's weights is left, or they can't be read.
    """
    key = _key_of(store, name)
    if store.has_result(key):
        result, path = store.read_result(key), store.weights_path(key)
        if path is None:
            raise UserError(
                f"the weights of run {key} weren't kept: with launcher.keep=final those of the runs that end "
                "are kept"
            )
        parameters = torch.load(path, map_location="cpu", weights_only=True)
        return StoredModel(key, Run.model_validate(result.config), parameters, result.num_updates)
    checkpoint = latest_checkpoint(store, key)
    if checkpoint is None:
        raise UserError(f"run {key} has neither ended nor left a checkpoint yet")
    state = load_states(checkpoint.path)[key]
    return StoredModel(key, _planned(store, key), without_velocities(state["parameters"]), state["update"])


def load_pipeline(run: Run, execution: Execution) -> Pipeline:
    """Return the data of a run, on the device that the launcher says.

    Raises
    ------
    UserError
        If the data are missing or not held in memory, the network reads one example after the other, or a
        GPU is asked for that isn't there.
    """
    if isinstance(run.data, ImageNetData):
        raise UserError(
            f"the examples of data={run.data.kind} are not held in memory, and measuring goes through them "
            f"again and again: its models can't be measured"
        )
    if isinstance(run.model, LstmModel):
        raise UserError(
            "what model=lstm makes of an example depends on those before it, and measuring takes every "
            "example by itself: its models can't be measured"
        )
    wants_gpu = execution.launcher.device == "cuda"
    if wants_gpu and not torch.cuda.is_available():
        raise UsageError("launcher.device=cuda: torch sees no GPU here; launcher.device=cpu measures without")
    on_gpu = wants_gpu or (execution.launcher.device == "auto" and torch.cuda.is_available())
    device = torch.device("cuda" if on_gpu else "cpu")
    dataset = load_dataset(run.data, execution.folders.data)
    return make_pipeline(run.data, dataset, device, getattr(torch, run.precision))


def _key_of(store: Store, name: str) -> str:
    if len(name) < _SHORTEST:
        raise UsageError(f"{name!r}: name a run by {_SHORTEST} characters of its key or more")
    found = sorted(path.name for path in (store.runs / name[:2]).glob(f"{name}*"))
    if not found:
        raise UsageError(
            f"{store.root} has no run whose key begins with {name!r}; `sgdlab results` shows keys"
        )
    if len(found) > 1:
        raise UsageError(f"{name!r} begins the keys of {len(found)} runs: {', '.join(found[:3])}, …")
    return found[0]


def _planned(store: Store, key: str) -> Run:
    for path in sorted((store.root / "plans").glob("*.json.gz"), reverse=True):
        if key in keys_of_plan(path):
            return load_plan(path).runs[key]
    raise UserError(f"no plan in {store.root / 'plans'} says what run {key} is")
