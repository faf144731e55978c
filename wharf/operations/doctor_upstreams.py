"""What doctor says of the upstreams that the person's own config.toml lists: whether all is there that it takes to ask them."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from wharf.errors import UsageError
from wharf.operations.doctor_findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from wharf.repository.listed_upstreams import ListedUpstream

_WHAT = "upstream"


def of_listed(upstreams: Iterable[ListedUpstream], environ: Mapping[str, str]) -> Iterator[Finding]:
    """One fact for each upstream, and one for each thing that is wrong with it. None of them is asked."""
    for each in upstreams:
        try:
            each.password(environ)
        except UsageError as error:
            yield Finding(what=_WHAT, state="warning", detail=error.message, hint=error.hint)
        else:
            yield Finding(what=_WHAT, detail=f"{each.source} lists {each.url}{_how(each)}")
        if each.password_file is not None and _open_to_others(each.password_file):
            path = each.password_file
            detail = f"others on this machine can read the password in {path}"
            yield Finding(what=_WHAT, state="warning", detail=detail, hint=f"chmod 600 {path}")
        if each.ca_file is not None and not each.ca_file.is_file():
            detail = f"the ca-file of {each.url} is not there: {each.ca_file}"
            yield Finding(what=_WHAT, state="warning", detail=detail, hint=f"Change [upstreams] in {each.source}.")


def _how(upstream: ListedUpstream) -> str:
    """How it is asked, without a secret."""
    parts = [f"as {upstream.username}"] if upstream.username is not None else []
    if upstream.password_env is not None:
        parts.append(f"with the password in {upstream.password_env}")
    if upstream.password_file is not None:
        parts.append(f"with the password in {upstream.password_file}")
    if upstream.ca_file is not None:
        parts.append(f"with the certificate authorities in {upstream.ca_file}")
    if upstream.proxy is not None:
        parts.append(f"through {upstream.proxy}")
    return f": {', '.join(parts)}" if parts else ""


def _open_to_others(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False  # that it cannot be read is said already
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IRWXG | stat.S_IRWXO))
