"""The names of the projects of a public index, as its whole list: whoever asks for one name would tell it to that index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError
from wharf.model import normalize
from wharf.sources.upstream_address import UpstreamAddress
from wharf.sources.upstream_page import JSON
from wharf.sources.upstream_requests import UpstreamRequests, transports
from wharf.text_formats import toml_and_json

if TYPE_CHECKING:
    from collections.abc import Collection

LARGEST_LIST: Final = 256 << 20
"""Bytes of a list that are read. A million projects have about 60 MB."""

_PATIENCE = 120.0  # seconds


def names_among(url: str, wanted: Collection[str]) -> set[str]:
    """Those of the names (PEP 503 form) that the index at `url`, the address of its list, has. One request, of no name.

    Raises StorageError if the list does not come, or is none.
    """
    if not wanted:
        return set()
    address = UpstreamAddress(url=url, listed=True)
    requests = UpstreamRequests(address, *transports(address))
    try:
        with requests.get(url, {"accept": JSON, "accept-encoding": "gzip"}, patience=_PATIENCE) as (_, answer):
            if answer.status != 200:
                raise _no_list(address.host, f"it answers {answer.status}")
            kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind not in {JSON, "application/json"}:
                raise _no_list(address.host, "its list of projects is not in JSON (PEP 691)")
            body = answer.read(LARGEST_LIST)
    finally:
        requests.close()
    return _names(body, address.host) & set(wanted)


def _names(body: bytes, host: str) -> set[str]:
    try:
        found = toml_and_json.json_value(body)
    except ValueError as error:
        raise _no_list(host, "its list of projects is no JSON") from error
    projects = found.get("projects") if isinstance(found, dict) else None
    names = [each.get("name") if isinstance(each, dict) else None for each in projects] if isinstance(projects, list) else []
    if not names or not all(isinstance(name, str) for name in names):  # an empty one would make every name look free
        raise _no_list(host, "its list has no names")
    return {normalize(name) for name in names if isinstance(name, str)}


def _no_list(host: str, why: str) -> StorageError:
    return StorageError(f"{host} gave no list of all projects: {why}.", "Name another public index with --public-index.")
