"""The person's folders for settings, data and a cache, and the configuration files that may say something."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wharf.repository.settings_file import SettingsFile


def own_folders() -> tuple[Path | None, Path | None, Path | None]:
    """The person's folders for settings, for data and for a cache; None for each that would be in a home that is not known."""
    import platformdirs

    found: list[Path | None] = []
    for path_of in (platformdirs.user_config_path, platformdirs.user_data_path, platformdirs.user_cache_path):
        try:
            path = path_of("wharf", appauthor=False)
        except RuntimeError:  # as for the made-up users of containers
            found.append(None)
        else:
            found.append(path if path.is_absolute() else None)  # older versions leave the ~ in it
    return found[0], found[1], found[2]


def read_configs(mine: Path | None) -> list[SettingsFile]:
    """The configuration files that are there: the nearest pyproject.toml with a wharf table, then the person's config.toml."""
    from wharf.repository.settings_file import parse_settings_file

    found: list[SettingsFile | None] = []
    here = Path.cwd()
    top = next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)
    for folder in (here, *here.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            found.append(parse_settings_file(path.read_bytes(), path, own=False))
        if found[-1:] not in ([], [None]) or folder == top:
            break  # a file outside of the working tree belongs to somebody else
    if mine is not None and (own := mine / "config.toml").is_file():
        found.append(parse_settings_file(own.read_bytes(), own, own=True))
    return [each for each in found if each is not None]
