"""The settings of an index, shown and explained, or changed by one commit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from wharf.errors import RefusedError, UsageError
from wharf.index import retention, wharf_toml
from wharf.index.commit_message import CommitMessage
from wharf.index.guarded_change import Guarded
from wharf.index.wharf_toml_change import SetSettings
from wharf.operations import policy_words, upstream_words
from wharf.operations.bases_check import BasesCheck
from wharf.operations.upload_rights import rights_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from wharf.index.branch import Committed
    from wharf.index.wharf_toml_change import Setting
    from wharf.model import Json
    from wharf.repository.opening import Repository

MEANINGS: Final = {
    "format": "the format of the index; wharf writes it",
    wharf_toml.METADATA_ASSETS: "whether a publish to GitHub stores core metadata beside each file, for static sites",
    "bases": "indexes of the same repository whose projects this one shows too, the nearest first",
    "reserved": "names of projects that belong to this index, and that nobody looks for elsewhere",
    "shadow": "names of projects of which the bases' versions are hidden",
    "upload": "who may publish which names; the first rule that matches a name decides",
    "upstream": "how clients get what this index does not have: mode redirect or proxy (without one no upstream is asked), "
    "and the url of the upstream that routes call upstream (default: the public index)",
    "upstreams": "further upstreams, by the names that routes use",
    "route": "where names are looked for: the first route that matches decides, and there the first place that has the name",
    "policy": "which files of upstreams are shown, and of this repository's own where `own` says so",
    "keep-past": "how long the bytes of files stay that `wharf prune` took out of the index, so that its past can be installed",
    "retention": "which releases `wharf prune` takes out of the index; the first rule that matches a name decides",
}
"""What each key is for, in one line."""

_KEEP_PAST: Final = f"{retention.KEEP_PAST.days}d"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSetting:
    """A key, its value (that of an index without the key, if `given` is false), and what it is for."""

    key: str
    value: Json
    given: bool
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSettings:
    """All settings of an index at a commit, and the indexes that it shows in their order, or why that cannot be said.

    `words` say where names are looked for, which files are shown, and which releases are dropped.
    """

    commit: str | None
    settings: tuple[ShownSetting, ...]
    order: tuple[str, ...] = ()
    problem: str = ""
    words: tuple[str, ...] = ()


def set_settings(
    repository: Repository, settings: tuple[Setting, ...], actor: str | None = None, *, listed: Collection[str] = ()
) -> Committed:
    """Change keys, all or none, if the token may change them. Raises what a commit raises, UsageError and RefusedError.

    `listed`: the addresses of upstreams that the person's own config.toml lists.
    """
    check = partial(upstream_words.check_addresses, on_github=repository.github is not None, listed=listed)
    change = Guarded(SetSettings(settings, BasesCheck(repository.branch), check), rights_of(repository))
    done = repository.branch.commit(change, CommitMessage(verb="settings", actor=actor))
    if done.commit is not None and any(each.keys[0] == "bases" for each in settings):
        BasesCheck(repository.branch).check_landed()
    return done


def shown_settings(repository: Repository, *, listed: Collection[str] = ()) -> ShownSettings:
    """The settings as they are now. Raises StorageError if the index cannot be read. `listed` as for `set_settings`."""
    branch = repository.branch
    snapshot = branch.snapshot()
    found = wharf_toml.table(snapshot.index_file)
    settings = snapshot.settings
    values: dict[str, Json] = {
        "format": wharf_toml.FORMAT,
        wharf_toml.METADATA_ASSETS: settings.metadata_assets,
        "bases": list(settings.bases),
        "reserved": list(settings.reserved),
        "shadow": list(settings.shadow),
        "upload": {rule.glob: list(rule.uploaders) for rule in settings.upload},
        "upstream": _without_dates(found.get("upstream", {})),
        "upstreams": _without_dates(found.get("upstreams", {})),
        "route": _without_dates(found.get("route", [])),
        "policy": _without_dates(found.get("policy", {})),
        "keep-past": str(found.get("keep-past", _KEEP_PAST)),
        "retention": _without_dates(found.get("retention", [])),
    }
    rows = tuple(ShownSetting(key=key, value=values[key], given=key in found, meaning=MEANINGS[key]) for key in wharf_toml.KEYS)
    words = upstream_words.explained(settings.upstream, on_github=repository.github is not None, listed=listed)
    words += [] if settings.policy is None else policy_words.explained(settings.policy)
    words += retention.explained(settings.keep_past, settings.retention)
    shown = ShownSettings(commit=snapshot.commit, settings=rows, words=tuple(words))
    try:
        return replace(shown, order=tuple(BasesCheck(branch).order(branch.states(), settings.bases)))
    except (UsageError, RefusedError) as error:
        return replace(shown, problem=error.message)


def _without_dates(value: object) -> Json:
    """A value of TOML as one of JSON: dates and times are text there."""
    if isinstance(value, dict):
        return {key: _without_dates(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_dates(each) for each in value]
    return value if isinstance(value, bool | int | float | str) else str(value)
