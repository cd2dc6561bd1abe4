"""Put the user's own ``./conf`` before the one that ships with sgdlab."""

from __future__ import annotations

from hydra.core.config_search_path import ConfigSearchPath
from hydra.plugins.search_path_plugin import SearchPathPlugin

from sgdlab.config.folders import search_folders


class SgdlabSearchPath(SearchPathPlugin):
    """First match wins, so the user's folder is prepended."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Prepend ``./conf`` where there is one."""
        own, *shipped = search_folders("conf")
        if shipped:
            search_path.prepend(provider="sgdlab-user", path=f"file://{own}")
