"""The simple API (PEP 503, PEP 691) as a plain ASGI path: pages and files are answered before FastAPI sees anything.

`find_ready` is the whole hot path: from path and the few headers that matter to an answer that was given before. `_make` is the
long way, for what is asked the first time since a commit. FastAPI gets only what is neither a page nor a file.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from wharf.errors import StorageError, WharfError
from wharf.index.index_name import has_address
from wharf.model import is_name, is_sha256
from wharf.server.access.access_protocol import ASK
from wharf.server.fall_through import Passing
from wharf.server.files.file_sending import send_file
from wharf.server.files.github_file import GitHubFile
from wharf.server.files.streamed_download import StreamedDownload, send_download
from wharf.server.http import answer, conditional_requests, error_answers
from wharf.server.http.answer import Answer, FileAnswer
from wharf.server.http.request_headers import by_name
from wharf.server.http.status_reason import give_reason, send_answer
from wharf.server.http.xml_rpc_refusal import is_xml_rpc, refuse_xml_rpc
from wharf.server.json_pages.json_address import BELOW, parse_json_address
from wharf.server.json_pages.json_template import LONGEST_BASE, NO_JSON_PAGE
from wharf.server.page_requests import NO_FORMAT, format_asked, project_asked, takes_gzip
from wharf.server.past.past_address import no_uploads, parse_past_address
from wharf.server.past.past_api import PastRequest
from wharf.system import fault_report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from wharf.index.upstream_settings import Mode
    from wharf.server.access.access_protocol import Access
    from wharf.server.answer_cache import AnswerCache
    from wharf.server.fall_through import FallThrough
    from wharf.server.files.redirect_or_stream import Delivery
    from wharf.server.json_pages.json_address import JsonAddress
    from wharf.server.logs.operator_log import RefusalLog
    from wharf.server.past.past_address import PastAddress
    from wharf.server.past.past_api import Made, PastApi
    from wharf.server.ready_answers import Asked

log = logging.getLogger("wharf")

_READING = frozenset({"GET", "HEAD"})
_WRITING = frozenset({"POST", "PUT"})
_TAKES_POSTS = frozenset({"/legacy/", "/legacy", "/-/webhook/github"})
_API = re.compile(r"(?:/[a-z0-9][a-z0-9-]{0,63})?/-/(?:upload|stage)/|/-/api/", re.ASCII)
_PAGE_OR_FILE = re.compile(r"/(?:simple(?:/.*)?|files/.*)", re.DOTALL)
_READ_ONLY = re.compile(r"/(?:(?:simple|healthz)(?:/.*)?|files/.*)?", re.DOTALL)
_OF_INDEX = re.compile(rf"/([a-z0-9][a-z0-9-]{{0,63}})(/(?:simple(?:/.*)?|files/.*|legacy/?)|{BELOW})", re.ASCII | re.DOTALL)
_OF_UPSTREAM = re.compile(r"/files/([a-z0-9-]{1,200})/([0-9a-f]{64})/([^/]+)", re.ASCII)
_HOME_OF_INDEX = re.compile(r"/([a-z0-9][a-z0-9-]{0,63})/?", re.ASCII)
_REFUSALS = frozenset({401, 403})
_NO_METHOD = answer.text(405, "Only GET and HEAD are answered here.", (("allow", "GET, HEAD"),))
_BLIND = answer.text(
    503, "The server has not seen an index yet, so it says nothing of any name, and passes none on.", (("retry-after", "5"),)
)
_NO_FILE = answer.text(404, "This index names no such file.")
# After 404 uv would ask the next index for the name.
_NO_INDEX = answer.text(
    400, "There is no index of that name here. The index is at simple/: look at the address that the installer was given."
)


class SimpleApi:
    """The ASGI application. Below `root_path`, if a proxy leaves it on the path or takes it off. `index` is the
    one at the root; each index of the repository is below its own name.

    - A request that was answered before, of the same snapshot, costs look-ups in dictionaries and one look at the access.
    - Nobody gets a page or a file before the access was asked.
    - Every request gets an answer: what nobody thought of is a plain 500, and logged.
    - All methods are for the event loop's thread.
    """

    def __init__(
        self,
        cache: AnswerCache,
        access: Access,
        router: ASGIApp,
        *,
        root_path: str = "",
        delivery: Delivery | None = None,
        fall_through: FallThrough,
        past: PastApi,
        index: str,
        refusals: RefusalLog | None = None,
    ) -> None:
        self._cache = cache
        self._access = access
        self._delivery = delivery
        self._router = router
        self._root = root_path.rstrip("/")
        self._fall_through = fall_through
        self._past = past
        self._index = index
        self._refusals = refusals
        self.who = access.name_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        try:
            await self._answer(scope, receive, send)
        except ClientDisconnect:
            return  # nobody is left to answer
        except Exception as error:
            if scope["type"] != "http":
                raise
            # The last catch: the client learns that it is not its fault, the log what it was.
            said = f"{fault_report.message(error)}\n{fault_report.trace(error, os.environ)}"
            log.error("%s %s: %s", scope["method"], ascii(scope["path"]), said)  # noqa: TRY400 - logging would show tokens
            with contextlib.suppress(RuntimeError):  # an answer has begun: it is cut off, unless it is this one
                await send_answer(error_answers.FAULT, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        found: Answer | FileAnswer | StreamedDownload | None = self.find_ready(scope)
        if found is None:
            whole = self._path(scope["path"])
            past = parse_past_address(whole)
            index, path = self._index_of(whole) if past is None else (self._named(past), past.below)
            takes = past is None and (path in _TAKES_POSTS or _API.match(path) is not None)
            if scope["method"] in _WRITING and not takes:
                await self._say_where_uploads_go(whole, path, scope, receive, send, past)
                return
            if past is None and not _PAGE_OR_FILE.fullmatch(path) and parse_json_address(path) is None:
                await self._router({**scope, "path": whole, "root_path": ""}, receive, send)
                return
            found = await self._make(scope, index, path, past, whole.removesuffix(path))
        if isinstance(found, Answer):
            if found.reason:
                give_reason(receive, found.status, found.reason)
            await send(found.start)
            await send(found.rest)
            if found.reason and found.status in _REFUSALS:
                self._tell_of(found, scope)
        elif isinstance(found, StreamedDownload):
            await send_download(found, scope, receive, send)
        else:
            await send_file(found, scope, receive, send)

    def _path(self, path: str) -> str:
        """A path below the root path, with one slash at its beginning: `//simple/` is what a base with a slash comes to."""
        if path.startswith("//"):
            path = f"/{path.lstrip('/')}"
        return path[len(self._root) :] if self._root and path.startswith(f"{self._root}/") else path

    def _index_of(self, path: str) -> tuple[str, str]:
        """The index that a path below the root path is of, and the path below that index."""
        found = _OF_INDEX.fullmatch(path)
        return (found[1], found[2]) if found is not None and has_address(found[1]) else (self._index, path)

    def _named(self, past: PastAddress) -> str:
        """The index that an address of the past is of, as far as the access can be asked about it."""
        return past.index if has_address(past.index) else self._index

    async def _say_where_uploads_go(
        self, whole: str, path: str, scope: Scope, receive: Receive, send: Send, past: PastAddress | None
    ) -> None:
        base = f"{_address(scope)}{self._root}"
        if past is not None:
            await send_answer(no_uploads(past, base), receive, send)
            return
        of_index = _HOME_OF_INDEX.fullmatch(whole)  # for a name that no index has, what comes next says so
        below = f"/{of_index[1]}" if of_index is not None and has_address(of_index[1]) else whole.removesuffix(path)
        if is_xml_rpc(by_name(scope["headers"]).get(b"content-type")):
            await send_answer(refuse_xml_rpc(f"{base}{below}/simple/"), receive, send)
            return
        says = f"Uploads go to {base}{below}/legacy/."
        reads = _READ_ONLY.fullmatch(path) or parse_json_address(path) is not None
        where = answer.text(405, says, (("allow", "GET, HEAD"),)) if reads else answer.text(404, says)
        await send_answer(where, receive, send)

    def _tell_of(self, refused: Answer, scope: Scope) -> None:
        """Tell the operator that a token was refused; who sends none is only told that it takes one."""
        authorization = dict(scope["headers"]).get(b"authorization")
        if self._refusals is not None and authorization is not None:
            self._refusals.refused(scope, refused.status, refused.reason.decode(), self.who(authorization))

    @property
    def mode(self) -> Mode | None:
        """How names are passed on that the index at the root does not have; None: not at all."""
        return self._fall_through.mode(self._index)

    @property
    def hidden(self) -> dict[str, str]:
        """Projects of which a policy hides files, each with a reason; the first few of them."""
        return self._fall_through.hidden.of_projects

    @property
    def missed(self) -> set[str]:
        """Names that were asked for, and are neither the index's nor passed on; the first few of them."""
        return self._fall_through.missed

    def find_ready(self, scope: Scope) -> Answer | FileAnswer | None:
        """The answer if the same was asked before, of the same index; else None."""
        headers = by_name(scope["headers"])
        found = self._cache.ready.get((scope["path"], headers.get(b"accept"), headers.get(b"accept-encoding")))
        if found is None or scope["query_string"] or scope["method"] not in _READING or b"if-match" in headers:
            return None
        index, given = found
        refused = self._access.refuse_reading(headers.get(b"host", b""), headers.get(b"authorization"), index)
        if refused is not None:
            return None if refused is ASK else refused
        validator = headers.get(b"if-none-match")
        if isinstance(given, GitHubFile):
            return None if self._delivery is None or validator is not None else self._delivery.ready(given)
        return conditional_requests.validated(given, validator)

    async def _make(
        self, scope: Scope, index: str, path: str, past: PastAddress | None, prefix: str
    ) -> Answer | FileAnswer | StreamedDownload:
        headers = by_name(scope["headers"])
        refused = await self._refused(headers, index)
        if refused is not None:
            return refused
        if scope["method"] not in _READING:
            return _NO_METHOD
        swaps = self._cache.swaps
        accept, encoding = headers.get(b"accept"), headers.get(b"accept-encoding")
        if index not in self._cache.sources:
            return _BLIND if index in self._cache.blind or index == self._index else _NO_INDEX
        if past is not None and past.index not in {"", index}:
            return _NO_INDEX
        asked = None if past is not None else parse_json_address(path)
        if asked is None and not _PAGE_OR_FILE.fullmatch(path):
            return answer.OTHER_ADDRESS
        try:
            query, head = scope["query_string"], scope["method"] == "HEAD"
            if past is not None:
                made: Made = await self._past.answer(
                    PastRequest(past, index, accept or b"", encoding, query, self._root, head=head)
                )
            elif asked is not None:
                made = await self._json(index, asked, f"{_address(scope)}{self._root}{prefix}")
            elif path.startswith("/files/"):
                made = await self._file(index, path, zipped=takes_gzip(encoding), head=head)
            else:
                above = f"{self._root}{prefix}" if prefix else ""
                made = await self._page(index, path, accept or b"", query, zipped=takes_gzip(encoding), above=above)
            found = made.answer if isinstance(made, Passing) else made
            if isinstance(found, StreamedDownload):
                return found
            if not query and (past is None or isinstance(made, Passing)):
                self._remember(swaps, (scope["path"], accept, encoding), index, made)
            known = conditional_requests.checked(found, headers.get(b"if-match"), headers.get(b"if-none-match"))
            if isinstance(known, GitHubFile):
                return await self._fetch(known, head=head)
        except WharfError as error:
            log.error("%s %s: %s", scope["method"], path, error.message)  # noqa: TRY400 - the cause is in the message
            return error_answers.failure(error)
        return known

    async def _refused(self, headers: Mapping[bytes, bytes], index: str) -> Answer | None:
        """The answer to who may not read the index."""
        authorization = headers.get(b"authorization")
        refused = self._access.refuse_reading(headers.get(b"host", b""), authorization, index)
        return await self._access.ask(authorization, index) if refused is ASK else refused

    def _remember(self, swaps: int, asked: Asked, index: str, made: Made) -> None:
        if isinstance(made, StreamedDownload):
            return
        if not isinstance(made, Passing):
            self._cache.remember(swaps, asked, index, made)
        elif made.until is not None and not isinstance(made.answer, StreamedDownload):
            self._cache.remember_until(swaps, asked, index, made.answer, made.until)

    async def _fetch(self, github_file: GitHubFile, *, head: bool) -> Answer | FileAnswer | StreamedDownload:
        """A file that lies at GitHub: the way to it, or the bytes."""
        if self._delivery is None:
            raise StorageError("There is no way to a file at GitHub.", "This is a fault in wharf.")
        return await self._delivery.fetch(github_file, head=head)

    async def _page(self, index: str, path: str, accept: bytes, query: bytes, *, zipped: bool, above: str) -> Answer | Passing:
        form = format_asked(accept, query)
        if form is None:
            return NO_FORMAT
        name = project_asked(path, query, above)
        if name is None:
            return self._fall_through.missing(index)
        if isinstance(name, Answer):
            return name
        page = self._cache.page(index, name, (form, zipped)) or await self._cache.make_page(index, name, (form, zipped))
        return page or await self._fall_through.page(index, name, query, form, zipped=zipped)

    async def _json(self, index: str, asked: JsonAddress | Answer, base: str) -> Passing:
        """A JSON page. It is not remembered by the words of the request: its links have the host that was asked."""
        if isinstance(asked, Answer):
            return Passing(asked)
        page = await self._cache.json_page(index, *asked) if len(base) <= LONGEST_BASE else None
        return Passing(NO_JSON_PAGE if page is None else page.answer(base))

    async def _file(self, index: str, path: str, *, zipped: bool, head: bool) -> Answer | FileAnswer | GitHubFile | Passing:
        sha256, _, filename = path[7:].partition("/")
        of_upstream = _OF_UPSTREAM.fullmatch(path)
        if of_upstream is not None and is_name(of_upstream[1]):
            return await self._fall_through.file(index, *of_upstream.groups(), zipped=zipped, head=head)
        if not is_sha256(sha256):
            return answer.OTHER_ADDRESS if path.endswith("/") else _NO_FILE
        if filename.endswith(".metadata"):
            filename = filename.removesuffix(".metadata")
            data = self._cache.metadata(index, sha256, filename, zipped=zipped)
            data = data or await self._cache.make_metadata(index, sha256, filename, zipped=zipped)
            return data or await self._no_file(index, filename)
        file = self._cache.file(index, sha256, filename) or await self._cache.make_file(index, sha256, filename)
        return file or await self._no_file(index, filename)

    async def _no_file(self, index: str, filename: str) -> Answer:
        """What is said where the index shows no such file."""
        hidden = await self._cache.hidden(index, filename)
        return _NO_FILE if hidden is None else self._fall_through.hidden.refused(hidden)


def _address(scope: Scope) -> str:
    """The address of the server as the client sees it, without a slash at its end."""
    return f"{scope['scheme']}://{by_name(scope['headers']).get(b'host', b'').decode('latin-1')}"
