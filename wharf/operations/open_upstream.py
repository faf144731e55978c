"""An upstream that the settings of an index name, opened as the repository and its operator allow."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError, UsageError
from wharf.repository_address import Address
from wharf.sources import branch_address, public_index_address
from wharf.sources.upstream_address import UpstreamAddress
from wharf.system.clock import elapsed, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from wharf.repository.listed_upstreams import ListedUpstream
    from wharf.sources.upstream_index import UpstreamIndex


FILES: Final = "files"
"""The folder, beside those of the upstreams, that has the files of all of them by sha256."""


def cache_of(cache: Path, place: Address | Path) -> Path:
    """The folder in `cache` that keeps what comes from the upstreams of a repository.

    Each repository has its own: whoever may write to one must not get at what another got with its credentials.
    """
    if isinstance(place, Address):
        return cache / place.host / place.owner.lower() / place.name.lower() / "upstream"
    return cache / "folders" / hashlib.sha256(os.fsencode(place.resolve())).hexdigest()[:16] / "upstream"


def open_upstream(
    url: str,
    folder: Path,
    *,
    on_github: bool,
    listed: Iterable[ListedUpstream] = (),
    named: Collection[str] = (),
    environ: Mapping[str, str],
    clock: Callable[[], float] = elapsed,
    now: Callable[[], datetime] = utc_now,
) -> UpstreamIndex:
    """The upstream at an address, which keeps its pages in `folder`.

    `listed` are those of the operator's own file, and `named` addresses that the operator named on the command line; the
    variable for the public index in `environ` names one too. Raises StorageError for an address that may not be asked, and for
    a password that is missing.
    """
    from wharf.sources.upstream_index import UpstreamIndex  # imports urllib3, which a server without upstreams does not need

    known = {each.url: each for each in listed}
    try:
        public = public_index_address.named(environ)
        by_operator = {*named, *([] if public is None else [public.address])}
        refused = branch_address.refusal(url, on_github=on_github, listed={*known, *by_operator})
        if refused is None:
            address = _address(url, known.get(url), environ, own=not on_github or url in by_operator)
            return UpstreamIndex(address, folder, clock=clock, now=now)
    except UsageError as error:  # what the operator set: no fault of the client that asks
        raise StorageError(error.message, error.hint) from error
    raise StorageError(
        f"wharf.toml names an upstream that is not asked: its address {refused}.",
        f"The operator can list it, as {branch_address.LISTS_IT}.",
        told="This server does not ask the upstream that the index names. The server's log says why.",
    )


def _address(url: str, listed: ListedUpstream | None, environ: Mapping[str, str], *, own: bool) -> UpstreamAddress:
    """How an upstream is asked. `own`: whoever may write the address runs wharf. Raises UsageError for a missing password."""
    if listed is None:
        return UpstreamAddress(url=url, listed=own)
    return UpstreamAddress(
        url=url,
        listed=True,
        username=listed.username,
        password=listed.password(environ),
        ca_file=listed.ca_file,
        proxy=listed.proxy,
    )
