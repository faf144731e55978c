"""PyGithub's requests, sent over the wire: PyGithub has the words of GitHub's REST API, and sends nothing itself."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, NoReturn, Protocol, TypeAlias, TypeVar
from urllib.parse import parse_qsl

from github.GithubException import BadAttributeException, GithubException
from github.GithubObject import GithubObject
from github.PaginatedList import PaginatedList
from github.Requester import Requester

from wharf.errors import AnswerTooLargeError, StorageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from wharf.github.replies import Reply
    from wharf.model import Json
    from wharf.repository_address import Address

T = TypeVar("T", bound=GithubObject)
Query: TypeAlias = "Mapping[str, object] | None"
Told: TypeAlias = "tuple[dict[str, str], Json]"  # headers and body

PAGE: Final = 100
"""Items of a list that are asked for at once: GitHub gives 30 unless it is told, and no more than 100."""

_OWN: Final = re.compile(r"\{repo\}|/[a-z]")  # what PyGithub asks for of itself; answers have whole addresses
_SMALLER: Final = (50, 25, 5, 1)  # items of a page, where a larger one is too large
_OPTIONAL: Final = frozenset({"body", "digest", "immutable", "updated_at", "uploader"})
_GUARDS: Final = (AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class Sender(Protocol):
    """What sends, as `GitHub` does: it holds the token, and raises what an answer means."""

    address: Address

    def call(  # noqa: D102
        self, method: str, path: str, *, body: Json = None, query: Mapping[str, str] | None = None, allow: Collection[int] = ()
    ) -> Reply: ...
    def upload(self, upload_url: str, name: str, file: BinaryIO, size: int) -> Reply: ...  # noqa: D102
    def below(self, location: str) -> str: ...  # noqa: D102
    def know(self, data: Json) -> None: ...  # noqa: D102


class WireRequester(Requester):
    """A Requester that has neither connections nor a token. Safe to use from several threads.

    - All that PyGithub sends goes through the three methods that begin with `request`; the others refuse.
    - Nothing of an answer is kept.
    - What an answer may leave out is None in it: PyGithub asks for what is not there, with one call an object.
    """

    def __init__(self, sender: Sender) -> None:
        super().__init__(None, sender.address.api, 1, "wharf", PAGE, verify=True, retry=None, pool_size=None, lazy=True)
        self._sender = sender

    def requestJson(
        self,
        verb: str,
        url: str,
        parameters: Query = None,
        headers: object = None,
        input: Json = None,
        *_: object,
        **__: object,
    ) -> tuple[int, dict[str, str], str]:
        """Status and headers, for a call whose answer has no body."""
        reply = self._call(verb, url, parameters or {}, input)
        return reply.status, dict(reply.headers), ""

    def requestJsonAndCheck(
        self,
        verb: str,
        url: str,
        parameters: Query = None,
        headers: object = None,
        input: Json = None,
        *_: object,
        **__: object,
    ) -> Told:
        """One call."""
        return _whole(self._call(verb, url, parameters or {}, input))

    def requestMemoryBlobAndCheck(
        self, verb: str, url: str, parameters: dict[str, str], headers: dict[str, str], file_like: BinaryIO, *_: object
    ) -> Told:
        """The upload of an asset, to the address that its release names."""
        return _whole(self._sender.upload(url, parameters["name"], file_like, int(headers["Content-Length"])))

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError("PyGithub may not send this.")

    requestBlob = requestBlobAndCheck = requestMultipart = requestMultipartAndCheck = _refuse
    getFile = getStream = graphql_query = _refuse

    def _itself(self, *_: object, **__: object) -> WireRequester:
        return self

    withApiVersion = withAuth = withLazy = _itself

    def _call(self, verb: str, url: str, parameters: Mapping[str, object], body: Json) -> Reply:
        """One call, or some more for a page that is too large: then its first part, which says where the next page begins."""
        own = _OWN.match(url) is not None
        path, _, asked = (url if own else self._sender.below(url)).partition("?")
        query = dict(parse_qsl(asked)) | {key: str(value) for key, value in parameters.items()}
        while True:
            try:
                reply = self._sender.call(verb, path, body=body, query=query, allow=(404,) if verb == "DELETE" else ())
            except AnswerTooLargeError:
                size, page = int(query.get("per_page", 1)), int(query.get("page", 1))
                smaller = next((each for each in _SMALLER if each < size and size % each == 0), None)
                if smaller is None:
                    raise
                query |= {"per_page": str(smaller), "page": str((page - 1) * size // smaller + 1)}
            else:
                if verb == "GET" and ("per_page" in query or not own) and not _is_list(reply.data):
                    raise TypeError("what should be a list is something else")
                return reply


class Pages(PaginatedList[T]):
    """A list of which no item is kept: those of a large repository would be some hundred megabytes."""

    def _grow(self) -> list[T]:
        return self._fetchNextPage()


@contextmanager
def understood() -> Iterator[None]:
    """Raise StorageError for an answer that PyGithub, or whoever reads its objects, does not understand."""
    try:
        yield
    except (BadAttributeException, GithubException, *_GUARDS) as error:
        what = f"GitHub described something in a way that wharf does not understand ({type(error).__name__})."
        raise StorageError(what, "Update wharf.") from error


def _is_list(data: Json) -> bool:
    """Whether it is a page of a list. PyGithub takes others too, and passes over null: such pages would never end."""
    return isinstance(data, list) and all(isinstance(each, dict) for each in data)


def _whole(reply: Reply) -> Told:
    _complete(reply.data)
    return dict(reply.headers), reply.data


def _complete(data: Json) -> None:
    """Write into an answer what it may leave out. Lists say of each asset who uploaded it: that half of them is not kept."""
    listed = isinstance(data, list)
    for each in data if isinstance(data, list) else [data]:
        if isinstance(each, dict):
            each |= dict.fromkeys(_OPTIONAL - each.keys()) | ({"uploader": None} if listed else {})
            _complete(each.get("assets"))
