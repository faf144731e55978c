"""Requests to an upstream: redirects are followed by hand, by the same rules as links."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError
from wharf.secret import Secret
from wharf.sources.upstream_address import joined, origin, refusal
from wharf.sources.upstream_page import UPSTREAM_FAILED
from wharf.transport.environment import EnvironmentPools, read_certificates
from wharf.transport.http_client import Request, Transport
from wharf.transport.public_addresses import PublicAddresses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wharf.sources.upstream_address import UpstreamAddress
    from wharf.transport.http_client import Answer

MOST_REDIRECTS: Final = 5
PATIENCE: Final = 30.0
"""Seconds for a page or core metadata, for its head and its body, after each redirect."""

_CONNECTIONS = 64  # a server has 20 downloads and 32 questions at a time: none of them waits for a connection of another
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def transports(address: UpstreamAddress) -> tuple[Transport, Transport]:
    """What sends requests to the upstream itself, and to other origins that it leads to.

    Only an upstream that is `listed` may be at an address that is not public, and lead to such. Certificate authorities and the
    proxy of the upstream hold for other origins too: what has the files of an index is often another host.
    Raises UsageError for certificates or a proxy that cannot be used.
    """
    found = origin(address.url)
    home = (found[1].strip("[]"), found[2]) if found is not None and address.listed else None

    certificates = read_certificates(address.ca_file)

    def made(public: PublicAddresses | None) -> Transport:
        pools = EnvironmentPools(public=public, certificates=certificates, proxy=address.proxy, connections=_CONNECTIONS)
        return Transport(pools, told=UPSTREAM_FAILED)

    return made(None if address.listed else PublicAddresses()), made(PublicAddresses(home=home))


class UpstreamRequests:
    """What is asked of one upstream. Safe to use from several threads.

    `own` connects to the upstream itself, `elsewhere` to other origins that its pages lead to.
    """

    def __init__(self, address: UpstreamAddress, own: Transport, elsewhere: Transport) -> None:
        found = origin(address.url)
        if found is None:
            raise ValueError("no address of an upstream")
        self._address = address
        self._origin = found
        self._basic = None if address.username is None else (address.username, address.password or Secret(""))
        self._own = own
        self._elsewhere = elsewhere

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], *, patience: float | None = None) -> Iterator[tuple[str, Answer]]:
        """The answer for an absolute address within so many seconds, and the address that gave it in the end.

        Raises StorageError.
        """
        for _ in range(MOST_REDIRECTS + 1):
            refused = refusal(self._origin, url)
            if refused is not None:
                raise self.error(f"leads to an address that {refused}" if refused.startswith("is") else f"a redirect {refused}")
            home = origin(url) == self._origin
            request = Request(
                method="GET",
                url=url,
                headers={"user-agent": "wharf", **headers},
                basic=self._basic if home else None,
                patience=PATIENCE if patience is None else patience,
            )
            answer = (self._own if home else self._elsewhere).send(request)
            try:
                if answer.status not in _REDIRECTS:
                    yield url, answer
                    return
                target = joined(url, answer.headers.get("location", ""))
            finally:
                answer.close()
            if target is None:
                raise self.error("redirects to what is no http(s) address")
            url = target
        raise self.error(f"redirects more than {MOST_REDIRECTS} times")

    def error(self, why: str) -> StorageError:
        """The error that says what the upstream does: `why` is the rest of the sentence."""
        hint = "Look at the upstream; nothing of the answer is kept."
        return StorageError(f"The upstream {self._address.host} {why}.", hint, told=UPSTREAM_FAILED)

    def close(self) -> None:
        """Close the connections."""
        self._own.close()
        self._elsewhere.close()
