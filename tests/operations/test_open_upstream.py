"""Which upstreams are opened, and whom the operator's own words let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wharf.errors import StorageError
from wharf.operations.open_upstream import open_upstream
from wharf.sources import public_index_address

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "spelling", ["http://mirror.corp/simple/", "http://Mirror.CORP/simple", "http://mirror.corp:80/simple/"]
)
def test_the_public_index_of_the_operator_counts_on_github_in_any_spelling(tmp_path: Path, spelling: str) -> None:
    environ = {"WHARF_PUBLIC_INDEX": spelling}
    for url in (public_index_address.default(environ).address, "http://mirror.corp/simple/"):
        index = open_upstream(url, tmp_path, on_github=True, environ=environ)
        assert (index.address.url, index.address.listed) == ("http://mirror.corp/simple/", True)
        index.close()
    with pytest.raises(StorageError, match="its address is not https"):
        open_upstream("http://mirror.corp/simple/", tmp_path, on_github=True, environ={})
