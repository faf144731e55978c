"""setup: the address at which clients find an index, from an address and a name that may be about two indexes."""

from __future__ import annotations

from urllib.parse import urlsplit

from wharf.clients.index_address import IndexAddress, parse_index_address
from wharf.errors import UsageError
from wharf.index.index_name import DEFAULT_INDEX, is_index_name


def address_for_clients(url: str, asked: str | None, habit: str | None) -> IndexAddress:
    """The address of the index that the command line asks for, or else of that of the environment or a file.

    `url` is that of a server, of a static site or of an index. Where no name is given, or the habit is the default index, its
    index is the one that is meant. Raises UsageError where the name and the address may be those of two indexes: nobody is
    asked here, so nobody can tell whether a path is that of a site or of an index.
    """
    address = parse_index_address(url)
    index = asked or (None if habit == DEFAULT_INDEX else habit)
    return address if index is None else _of_index(address, index)


def _of_index(address: IndexAddress, index: str) -> IndexAddress:
    """The address of an index on a server or site with several, from that of the server or of the index itself.

    The default index is at the root of the server or site. Raises UsageError for a path that may be that of another index.
    """
    path = urlsplit(address.root).path.rstrip("/")
    last = path.rpartition("/")[2]
    if last == index or (index == DEFAULT_INDEX and not is_index_name(last)):
        return address
    if not path:
        return IndexAddress(root=f"{address.root}{index}/")
    if index == DEFAULT_INDEX:
        right = f"`--url {address.root.removesuffix(f'{last}/')}`, without --index"
    else:
        right = f"`--url {address.root}{index}/`"
    kept = f"write `--index {last}`" if is_index_name(last) else "leave --index and WHARF_INDEX out"
    raise UsageError(
        f"{address.root} does not end with the index {index!r}" + (f", but with {last!r}." if is_index_name(last) else "."),
        f"For the index {index!r}, write its address: {right}. To use {address.root} as it is, {kept}.",
    )
