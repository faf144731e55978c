"""Settings: which repository, which index, how to write to it.

Pure: text and mappings in, values out. Where several places name a repository, the most direct one wins: options first, then
the environment, then files.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from wharf.errors import UsageError
from wharf.github.push_or_api import CommitWay
from wharf.index.index_name import DEFAULT_INDEX, WORDS_OF_ADDRESSES, is_index_name
from wharf.repository import listed_upstreams
from wharf.repository.settings_file import NamedApp, SettingsFile
from wharf.repository_address import GITHUB, Address, is_short, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wharf.repository.listed_upstreams import ListedUpstream

LONGEST_WAIT = 3700.0
"""Seconds, a little more than GitHub's hour, that its limits may keep a command waiting unless it is told otherwise."""
_FIRST_PORT = 20_000
_PORTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a command works on, and how.

    `place` is a repository on GitHub or the folder of a store, `source` says in a few words who named it, and
    `trusted` whether a token may be sent to its host. `max_wait` is in seconds: how long GitHub's limits may keep a command
    waiting in all. `strict`: a file that is worth a warning is refused. `repositories` (owner/name) are others of that host
    that records may place files in. `app` is the GitHub App in the person's own file, `upstreams` are the upstream indexes that
    it lists. `cache` and `data` are the person's folders for what can be fetched again and for what cannot.
    """

    place: Address | Path
    index: str = DEFAULT_INDEX
    source: str = "the default"
    trusted: bool = True
    commit: CommitWay = "auto"
    max_wait: float = LONGEST_WAIT
    strict: bool = False
    repositories: tuple[str, ...] = ()
    app: NamedApp | None = None
    upstreams: tuple[ListedUpstream, ...] = ()
    cache: Path = Path()
    data: Path = Path()

    @property
    def loopback_port(self) -> int:
        """The port at which `wharf run` serves this index: the same on every machine, so that lock files are the same too.

        Below those that systems give out by themselves (Linux: from 32,768 on), and above where services are at home.
        """
        where = self.place.web.lower() if isinstance(self.place, Address) else str(self.place)
        number = int.from_bytes(hashlib.sha256(f"{where} {self.index}".encode()).digest()[:8])
        return _FIRST_PORT + number % _PORTS


def _app(configs: Sequence[SettingsFile]) -> NamedApp | None:
    """The app is for the host of the repository that the same file names: what it signs is of no use to any other host."""
    config = next((each for each in configs if each.own and "app" in each.table), None)
    if config is None:
        return None
    table, place = config.table["app"], parse(config.table["repo"]) if "repo" in config.table else None
    host = place.host if place is not None else GITHUB
    return NamedApp(id=str(table["id"]), key=table["key"], folder=config.path.parent, host=host, source=config.source)


def _upstreams(configs: Sequence[SettingsFile]) -> tuple[ListedUpstream, ...]:
    """Those of the person's own file. A file of a working tree has none."""
    config = next((each for each in configs if each.own and "upstreams" in each.table), None)
    return () if config is None else listed_upstreams.parse(config.table["upstreams"], config.path.parent, config.source)


def resolve(
    options: Mapping[str, str],
    environ: Mapping[str, str],
    configs: Sequence[SettingsFile],
    *,
    data: Path | None,
    cache: Path | None,
) -> Settings:
    """The settings of a command. `options` are those of the command line, `configs` the files, the nearest one first.

    The repository: the option, `WHARF_REPO`, the files, the repository of an Actions job, the store in the folder `data`.
    `data` and `cache` are None where no home is known for them; then a store in a folder has the cache. Raises UsageError for
    an address, a name or a number that cannot be, and for a folder that is needed and not known.
    """
    text, source, base, own = _named(options, environ, configs)
    place = data if text is None else _place(text, base)
    if place is None or (isinstance(place, Address) and None in {data, cache}):
        raise UsageError(
            "This user has no home folder: HOME is not set, and the system has no account of this number.",
            "Set HOME, or XDG_DATA_HOME and XDG_CACHE_HOME, to a folder that can be written"
            + ("; or name a store, as in --repo ./store." if place is None else "."),
        )

    def setting(key: str, variable: str = "") -> str | None:
        values = (options.get(key), environ.get(variable) or None, *(config.table.get(key) for config in configs))
        return next((str(value) for value in values if value is not None), None)

    way = setting("commit") or "auto"
    if way not in get_args(CommitWay):
        raise UsageError(f"{way!r} is not a way to commit.", f"There are: {', '.join(get_args(CommitWay))}.")
    others: list[str] = next((config.table["repositories"] for config in configs if "repositories" in config.table), [])
    return Settings(
        place=place,
        index=checked_index(setting("index", "WHARF_INDEX")),
        source=source,
        trusted=own or not isinstance(place, Address) or place.host in _own_hosts(environ, configs),
        commit=cast("CommitWay", way),
        max_wait=seconds(setting("max-wait")),
        strict=any(config.table.get("strict", False) for config in configs),  # no file makes it less strict than another file
        repositories=tuple(others),
        app=_app(configs),
        upstreams=_upstreams(configs),
        cache=cache or (place / "cache" if isinstance(place, Path) else Path()),
        data=data or Path(),
    )


def _named(
    options: Mapping[str, str], environ: Mapping[str, str], configs: Sequence[SettingsFile]
) -> tuple[str | None, str, Path, bool]:
    """The repository's address (None: a folder), who says so, where a path starts, and whether it is the person."""
    here = Path()
    if "repo" in options:
        return options["repo"], "the option --repo", here, True
    if environ.get("WHARF_REPO"):
        text = environ["WHARF_REPO"]
        # It goes with the person from folder to folder: a working tree that has a folder of that name is not what is meant.
        short = parse(text) if is_short(text) else None
        return short.web if short else text, "WHARF_REPO", here, True
    for config in configs:
        if "repo" in config.table:
            return config.table["repo"], config.source, config.path.parent, config.own
    if environ.get("GITHUB_ACTIONS") == "true" and environ.get("GITHUB_REPOSITORY"):
        server = environ.get("GITHUB_SERVER_URL") or f"https://{GITHUB}"
        return f"{server.rstrip('/')}/{environ['GITHUB_REPOSITORY']}", "the Actions job (GITHUB_REPOSITORY)", here, True
    return None, "the default: your data folder", here, True


def _own_hosts(environ: Mapping[str, str], configs: Sequence[SettingsFile]) -> set[str]:
    """github.com, and the hosts that the person, or whoever set up the job, names somewhere."""
    texts = [config.table["repo"] for config in configs if config.own and "repo" in config.table]
    if environ.get("GITHUB_ACTIONS") == "true" and environ.get("GITHUB_SERVER_URL"):
        texts.append(f"{environ['GITHUB_SERVER_URL'].rstrip('/')}/owner/name")
    return {GITHUB, *(each.host for each in map(parse, texts) if each is not None)}


def _place(text: str, base: Path) -> Address | Path:
    if not text.strip() or "\0" in text:
        raise UsageError("The address of the repository is empty.", "Name one, as in `--repo owner/name` or `--repo ./store`.")
    try:
        path = base / Path(text).expanduser()
    except RuntimeError:
        raise UsageError(f"{text!r} begins with a person whose home is not known here.", "Write the path in full.") from None
    if "://" not in text and path.is_dir():
        return path.absolute()
    return parse(text) or path.absolute()


def checked_index(name: str | None) -> str:
    """The name of an index; None: the default one. Raises UsageError for what no index can have as its name."""
    if name is None:
        return DEFAULT_INDEX
    if not is_index_name(name):
        raise UsageError(
            f"{name!r} cannot be the name of an index.",
            f"Use lower-case letters, digits and hyphens, and none of: {', '.join(sorted(WORDS_OF_ADDRESSES))}.",
        )
    return name


def seconds(text: str | None) -> float:
    """How long a command may wait, as it was written; None: the default. Raises UsageError."""
    if text is None:
        return LONGEST_WAIT
    if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]+)?(e-[0-9]+)?", text):
        raise UsageError(f"{text!r} is not a number of seconds.", "Write it as in --max-wait 600.")
    return float(text)
