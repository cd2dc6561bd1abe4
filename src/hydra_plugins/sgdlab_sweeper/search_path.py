"""Put the user's own ``./conf`` before the one that ships with sgdlab."""

from __future__ import annotations

from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from sgdlab.config.folders import search_folders


class SgdlabSearchPath(SearchPathPlugin):
    """First match wins, so the user's folder is prepended."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Prepend ``./conf`` where there is one; other applications ask too, and are left alone."""
        *own, shipped = search_folders("conf")
        known = {Path(entry.path.removeprefix("file://")) for entry in search_path.get_path() if entry.path}
        if own and shipped in known:
            search_path.prepend(provider="sgdlab-user", path=f"file://{own[0]}")
