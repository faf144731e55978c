"""The public index in whatever spelling somebody names it: the one that the operator listed is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from wharf.errors import UsageError
from wharf.operations.open_upstream import open_upstream
from wharf.repository.listed_upstreams import parse as listed_upstreams
from wharf.sources.public_index_address import parse


@pytest.mark.parametrize("address", ["https://mirror.corp/simple/", "HTTPS://Mirror.corp:443/simple"])
@pytest.mark.parametrize("on_github", [True, False])
def test_the_password_of_the_listed_address_is_used(tmp_path: Path, address: str, *, on_github: bool) -> None:
    table = {"https://mirror.corp/simple/": {"username": "me", "password-env": "PASSWORD"}}
    listed = listed_upstreams(table, Path(), "config.toml")
    named = parse(address).address
    found = open_upstream(
        named, tmp_path, on_github=on_github, listed=listed, named=(named,), environ={"PASSWORD": "secret"}
    ).address
    assert (found.url, found.username, found.listed) == ("https://mirror.corp/simple/", "me", True)


def test_an_address_that_wharf_toml_could_not_have_is_refused_before_a_client_asks() -> None:
    with pytest.raises(UsageError, match="must be the address of an index"):
        parse("https://mirror.example.com./simple")
