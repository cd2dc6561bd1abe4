"""Build a network that a user has written, from its file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from sgdlab.config.custom_network import NetworkSource, find_network
from sgdlab.config.datasets import Data
from sgdlab.config.models import CustomModel
from sgdlab.errors import UserError
from sgdlab.models.network import Network


def build_custom(model: CustomModel, data: Data) -> Network:
    """Build the network of `model` for inputs and classes of `data`.

    Raises
    ------
    UserError
        If it isn't there any more, has changed since the run was planned, can't be imported, isn't a network,
        or can't be built with its options.
    """
    source = find_network(model.network)
    if model.source_sha256 and source.sha256 != model.source_sha256:
        raise UserError(f"{source.path} has changed since this run was planned; give the command again")
    build = getattr(_import(source), source.class_name)
    try:
        network = build(sample_shape=data.sample_shape, num_classes=data.num_classes, **model.options)
    except Exception as error:  # whatever a user's class raises
        raise UserError(
            f"model.network={model.network!r} can't be built with sample_shape, num_classes and options "
            f"{dict(model.options)}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(network, Network):
        raise UserError(
            f"model.network={model.network!r} isn't a network: derive {source.class_name} from "
            "sgdlab.models.network.Network"
        )
    return network


def _import(source: NetworkSource) -> ModuleType:
    try:
        if source.module is not None:
            return _import_module(source.module)
        name = f"sgdlab_custom_{source.sha256[:16]}"
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, source.path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module  # where dataclasses look for it
            try:
                spec.loader.exec_module(module)
            except BaseException:
                del sys.modules[name]
                raise
        return sys.modules[name]
    except Exception as error:  # whatever a user's file raises
        raise UserError(f"{source.path} can't be imported: {type(error).__name__}: {error}") from error


def _import_module(name: str) -> ModuleType:
    """Import it as if the working folder were on Python's path, as it is not in every worker."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(name)
