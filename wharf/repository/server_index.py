"""An index on a wharf server: found at the address that a person named, and asked by the management API (docs/server.md)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wharf.errors import NoIndexError, UsageError, did_you_mean
from wharf.index.index_name import DEFAULT_INDEX
from wharf.repository.server_answers import IndexDetail, IndexList
from wharf.repository.server_client import NoRoutesError, OddAnswerError, ServerClient, part
from wharf.repository.server_credentials import find_for_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pydantic import BaseModel

    from wharf.repository.server_address import ServerAddress
    from wharf.repository.server_settings import ServerSettings

API: Final = "-/api/v1"


@dataclass(frozen=True, slots=True)
class Notices:
    """What the person is told meanwhile: warnings, waits (reason and seconds), and what only --verbose shows."""

    warn: Callable[[str], None]
    wait: Callable[[str, float], None]
    note: Callable[[str], None]


class ServerIndex:
    """One index of a server."""

    def __init__(self, client: ServerClient, name: str, *, default: bool) -> None:
        self.client = client
        self.name = name
        self.default = default

    @property
    def where(self) -> str:
        """The address of the server."""
        return str(self.client.address)

    @property
    def uploads(self) -> str:
        """Where upload sessions of this index begin."""
        return self.client.url(f"{'' if self.default else f'{part(self.name)}/'}-/upload/2.0/")

    def path(self, *parts: str) -> str:
        """A path of the API below this index."""
        return "/".join([API, "indexes", part(self.name), *map(part, parts)])

    def get(self, form: type[BaseModel], *parts: str, query: Mapping[str, object] | None = None) -> dict[str, Any]:
        """A document below this index, in that form. Raises WharfError."""
        return self.client.get(form, self.path(*parts), query)

    def commit(self) -> str | None:
        """The commit of the index by now."""
        found: str | None = self.get(IndexDetail)["commit"]
        return found

    def change(
        self,
        form: type[BaseModel],
        method: str,
        *parts: str,
        document: Mapping[str, object] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> dict[str, Any]:
        """Have something changed. Doing it twice does no harm. Raises WharfError."""
        return self.client.call(method, self.client.url(self.path(*parts), query), document, form=form).document

    def pages(
        self, form: type[BaseModel], *parts: str, key: str, cursor: str, query: Mapping[str, object]
    ) -> Iterator[dict[str, Any]]:
        """All entries of a list that comes page by page; `cursor` is the name of the query that asks for the next one."""
        at: str | None = None
        while True:
            found = self.get(form, *parts, query={**query, cursor: at})
            yield from found[key]
            after = found["next"]
            if after is None:
                return
            if after == at or not found[key]:
                raise OddAnswerError(
                    f"{self.where} gives a list without an end: what comes after {str(at)[:60]!r} is the same, or nothing.",
                    "Is the server a newer wharf than this one?",
                )
            at = after


@contextmanager
def open_server(settings: ServerSettings, environ: Mapping[str, str], notices: Notices) -> Iterator[ServerIndex]:
    """The index that the settings name. Raises NoIndexError, UsageError, NotAllowedError or StorageError."""
    credential = find_for_server(settings.address, environ)
    notices.note(f"server: {settings.address} (from {settings.source})")
    notices.note(f"token: from {credential.source}" if credential else "token: none found")
    if credential is not None and credential.warning:
        notices.warn(credential.warning)
    client = ServerClient(settings.address, credential, max_wait=settings.max_wait, wait=notices.wait)
    try:
        yield _found(client, settings)
    finally:
        client.close()


def _found(client: ServerClient, settings: ServerSettings) -> ServerIndex:
    """The server answers at its own address alone: so the address of an index is known by asking before its name, too."""
    first: NoRoutesError | None = None
    for address, at in settings.address.readings:
        try:
            found = client.at(address).get(IndexList, f"{API}/indexes")
        except NoRoutesError as error:
            first = first or error
            continue
        return _chosen(client, settings, {each["name"]: each["default"] for each in found["indexes"]}, at)
    raise first or NoRoutesError("There is no server.", "")


def _chosen(client: ServerClient, settings: ServerSettings, listed: Mapping[str, bool], at: str | None) -> ServerIndex:
    if at is not None and settings.index not in {None, at}:
        raise UsageError(
            f"{settings.source} has the address of the index {at!r}, and --index names {settings.index!r}.",
            f"Name the server alone: --server {client.address}",
        )
    root = next((name for name, default in listed.items() if default), DEFAULT_INDEX)
    name = at or settings.index or settings.habit or root
    if name not in listed and {at, settings.index} != {None}:  # of any other name the server says what is wrong
        near = did_you_mean(name, listed)
        address = str(settings.address)
        raise NoIndexError(
            f"The server has no index {name!r}, or does not show it to this token.",
            f"{near}There are: {', '.join(listed)}. {_right(address, client.address, at)}".strip(),
        )
    return ServerIndex(client, name, default=name == root)


def _right(typed: str, server: ServerAddress, at: str | None) -> str:
    return "" if at is None else f"{typed} is read as the index {at!r} of {server}; --index chooses another one."
