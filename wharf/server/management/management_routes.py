"""The routes of the management API, as FastAPI has them: by their types it checks requests, and describes all of it.

Whoever asks was let in before a route sees a request (`management_api`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import FastAPI, Path, Query
from fastapi.routing import APIRoute
from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import Response  # noqa: TC002 - FastAPI reads it

from wharf.distribution.file_names import plain
from wharf.errors import UsageError
from wharf.model import Status, is_name, normalize, version_of
from wharf.operations.promote import Wanted
from wharf.operations.removal_choice import WantedRemoval
from wharf.repository import server_answers as answers
from wharf.repository.tokens import NewToken
from wharf.server.http.answer import uncached
from wharf.server.http.problem_answers import MEDIA_TYPE, problem_like
from wharf.server.management.request_models import (  # noqa: TC001 - FastAPI reads them
    ProjectStatus,
    Promotion,
    Removal,
    Restoration,
    WantedToken,
    Yank,
)
from wharf.server.management.route_errors import MEANINGS, answer_errors
from wharf.server.web.answer_response import AnswerResponse

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping

    from pydantic import BaseModel

    from wharf.model import Json
    from wharf.repository.tokens import Token
    from wharf.server.access.access_protocol import Uploader
    from wharf.server.management.callers import Caller, Callers
    from wharf.server.management.index_reading import IndexReading
    from wharf.server.management.index_writing import IndexWriting
    from wharf.server.management.own_tokens import OwnTokens

BASE: Final = "/-/api/v1"
CALLER: Final = "wharf.caller"
"""Where a request has whoever asks."""
MOST: Final = 1000
"""Entries of one answer."""

_OF_ALL: Final = (401, 403, 406, 421, 422, 429, 500, 503)
_OF_READING: Final = (400, 404, *_OF_ALL)
_OF_WRITING: Final = (408, 409, 413, *_OF_READING)
_OF_BODIES: Final = (415, *_OF_WRITING)

Index = Annotated[str, Path(max_length=100, description="The name of an index.")]
Name = Annotated[str, Path(max_length=200, description="A project, in any spelling (PEP 503).")]
Version = Annotated[str, Path(max_length=200, description="A version, in any spelling (PEP 440).")]
Limit = Annotated[int, Query(ge=1, le=MOST, description="Entries of the answer at most.")]
File = Annotated[str | None, Query(min_length=1, max_length=250, description="One file of the release.")]


class ManagementRoutes:
    """What each address does. The FastAPI application is `app`; `root` is the path that a proxy shows the server below."""

    def __init__(self, reading: IndexReading, writing: IndexWriting, tokens: OwnTokens, callers: Callers, root: str) -> None:
        self._reading = reading
        self._writing = writing
        self._tokens = tokens
        self._callers = callers
        self._root = root
        self.app = FastAPI(
            title="wharf management API",
            version="1",
            description="What is in the indexes of a wharf server, and the verbs that change them.",
            servers=[{"url": root}] if root else None,
            redirect_slashes=False,
            openapi_url=None,
            docs_url=None,
            redoc_url=None,
        )
        answer_errors(self.app)
        self._add_all()

    def _add_all(self) -> None:
        of_index = "/indexes/{index}"
        release = f"{of_index}/projects/{{name}}/releases/{{version}}"
        read, write, body = _OF_READING, _OF_WRITING, _OF_BODIES
        self._add("GET", "/indexes", self.indexes, answers.IndexList, read)
        self._add("GET", of_index, self.index, answers.IndexDetail, read)
        self._add("GET", f"{of_index}/projects", self.projects, answers.ProjectList, read)
        self._add("GET", f"{of_index}/projects/{{name}}", self.project, answers.ProjectPage, read)
        self._add("GET", release, self.release, answers.ProjectPage, read)
        self._add("GET", f"{of_index}/log", self.log, answers.Log, read)
        self._add("PUT", f"{release}/yank", self.yank, answers.YankResult, body)
        self._add("DELETE", f"{release}/yank", self.unyank, answers.YankResult, write)
        self._add("DELETE", release, self.remove, answers.RemovalResult, write)
        self._add("PUT", f"{of_index}/projects/{{name}}/status", self.set_status, answers.StatusResult, body)
        self._add("POST", f"{of_index}/remove", self.remove_several, answers.RemovalResult, body)
        self._add("POST", f"{of_index}/promote", self.promote, answers.PromotionResult, body)
        self._add("POST", f"{of_index}/restore", self.restore, answers.RestorationResult, body)
        self._add("GET", "/tokens", self.tokens, answers.TokenList, read)
        self._add("POST", "/tokens", self.make_token, answers.MadeToken, body, status=201)
        self._add("DELETE", "/tokens/{name}", self.revoke_token, answers.RevokedToken, write)

    def _add(
        self,
        method: str,
        path: str,
        act: Callable[..., Any],
        model: type[BaseModel],
        statuses: tuple[int, ...],
        *,
        status: int = 200,
    ) -> None:
        """Add a route, with every status that can come of it."""
        may_be_open = method == "GET" and not path.startswith("/tokens")
        security: list[dict[str, list[str]]] = [{"basic": []}, {"bearer": []}, *([{}] if may_be_open else [])]
        told: dict[int | str, dict[str, Any]] = {
            each: {"description": MEANINGS[each], "model": answers.Problem, "content": {MEDIA_TYPE: {}}} for each in statuses
        }
        self.app.add_api_route(
            f"{BASE}{path}",
            act,
            methods=[method],
            status_code=status,
            responses={status: {"model": model, "description": "Done."}, **told},
            response_model=None,
            operation_id=act.__name__,
            openapi_extra={"security": security},
        )

    def table(self) -> Iterator[tuple[re.Pattern[str], str, frozenset[str], bool]]:
        """Of each route the paths that it is for, its method, the names in its query, and whether it takes a body."""
        for route in self.app.routes:
            if isinstance(route, APIRoute):
                query = frozenset(each.alias for each in route.dependant.query_params)
                for method in route.methods or ():
                    yield route.path_regex, method, query, route.body_field is not None

    async def indexes(self, request: Request) -> Response:
        """Show the indexes that may be read."""
        return _told(self._reading.indexes(_caller(request).indexes))

    async def index(self, request: Request, index: Index) -> Response:
        """Show one index, with its bases."""
        around = [*self._reading.below(index), *self._reading.above(index)]
        return _told(await self._reading.index(index, await self._callers.readable(_caller(request).asking, around)))

    async def projects(
        self,
        request: Request,
        index: Index,
        after: Annotated[str, Query(max_length=200, description="Names behind this one: `next` of the page before.")] = "",
        limit: Limit = 100,
    ) -> Response:
        """Show the projects of an index and their versions, in the order of their names."""
        found = await self._reading.projects(index, after, limit)
        return _told(found, self._next(request, found, {"limit": str(limit)}, "after"))

    async def project(self, request: Request, index: Index, name: Name) -> Response:
        """Show a project as installers read it, and what was removed of it."""
        del request
        return _told(await self._reading.project(index, _name(name)))

    async def release(self, request: Request, index: Index, name: Name, version: Version) -> Response:
        """Show one version of a project as installers read it."""
        del request
        return _told(await self._reading.project(index, _name(name), _version(version)))

    async def log(
        self,
        request: Request,
        index: Index,
        project: Annotated[str | None, Query(min_length=1, max_length=200, description="Only what changed a project.")] = None,
        version: Annotated[
            str | None, Query(min_length=1, max_length=200, description="Only what changed this version.")
        ] = None,
        before: Annotated[str | None, Query(min_length=1, max_length=60, description="`next` of the page before.")] = None,
        limit: Limit = 100,
    ) -> Response:
        """Show who changed what, when and why, newest first."""
        if version is not None and project is None:
            raise UsageError("A version is one of a project.", "Say `project`, too.")
        name, spelled = None if project is None else _name(project), None if version is None else _version(version)
        found = await self._reading.log(index, name, spelled, before, limit)
        query = {"project": name, "version": spelled, "limit": str(limit)}
        return _told(found, self._next(request, found, query, "before"))

    async def yank(
        self, request: Request, index: Index, name: Name, version: Version, body: Yank | None = None, file: File = None
    ) -> Response:
        """Tell installers not to choose a release, or a file of it, any more (PEP 592)."""
        reason = "" if body is None else body.reason
        return await self._yank(request, index, name, version, file, reason)

    async def unyank(self, request: Request, index: Index, name: Name, version: Version, file: File = None) -> Response:
        """Take a yank back."""
        return await self._yank(request, index, name, version, file, None)

    async def _yank(
        self, request: Request, index: str, name: str, version: str, file: str | None, reason: str | None
    ) -> Response:
        uploader = self._uploader(request, index)
        return _told(await self._writing.yank(index, uploader, _name(name), _version(version), file, reason))

    async def remove(
        self,
        request: Request,
        index: Index,
        name: Name,
        version: Version,
        file: File = None,
        reason: Annotated[str, Query(max_length=2000, description="Why; the log shows it.")] = "",
        dry_run: Annotated[bool, Query(description="Say what would leave, and remove nothing.")] = False,
    ) -> Response:
        """Delete a release, or a file of it, for ever. The names stay taken: only the same bytes may come back."""
        uploader = self._uploader(request, index)
        wanted = WantedRemoval(project=_name(name), version=_version(version), filename=file)
        return _told(await self._writing.remove(index, uploader, [wanted], reason, dry_run=dry_run))

    async def remove_several(self, request: Request, index: Index, body: Removal) -> Response:
        """Delete releases, or files of them, for ever with one commit, all or none. What left before is no error."""
        uploader = self._uploader(request, index)
        wanted = [
            WantedRemoval(project=_name(each.project), version=_version(each.version), filename=each.file)
            for each in body.releases
        ]
        return _told(await self._writing.remove(index, uploader, wanted, body.reason, dry_run=body.dry_run))

    async def set_status(self, request: Request, index: Index, name: Name, body: ProjectStatus) -> Response:
        """Say how a project is kept (PEP 792)."""
        status = Status(marker=body.status, reason=body.reason or None)
        return _told(await self._writing.set_status(index, self._uploader(request, index), _name(name), status))

    async def promote(self, request: Request, index: Index, body: Promotion) -> Response:
        """Take releases of another index into this one, all or none. No bytes move."""
        uploader = self._uploader(request, index)
        wanted = [
            Wanted(project=_name(each.project), version=_version(each.version), extras=frozenset(map(_name, each.extras)))
            for each in body.releases
        ]
        refused = await self._callers.refusal(_caller(request).asking, body.source)
        if refused is not None:
            return AnswerResponse(problem_like(refused))
        self._reading.snapshot(body.source)
        found = await self._writing.promote(
            index, uploader, wanted, body.source, with_dependencies=body.with_dependencies, dry_run=body.dry_run
        )
        return _told(found)

    async def restore(self, request: Request, index: Index, body: Restoration) -> Response:
        """Bring an index, or some projects of it, back to a moment, with one new commit."""
        projects = [_name(each) for each in body.projects]
        uploader = self._uploader(request, index)
        return _told(await self._writing.restore(index, uploader, body.to, projects, dry_run=body.dry_run))

    async def tokens(self, request: Request) -> Response:
        """Show the token that asks, and those that it made."""
        return _told(await self._tokens.list(_token(request)))

    async def make_token(self, request: Request, body: WantedToken) -> Response:
        """Make a token that may no more than the one that asks, and ends with it."""
        new = NewToken(
            name=body.name,
            scope=body.scope,
            expires=body.expires,
            indexes=body.indexes or (),
            projects=body.projects or (),
            owner=body.owner,
            note=body.note,
        )
        return _told(await self._tokens.make(_token(request), new), status=201)

    async def revoke_token(
        self, request: Request, name: Annotated[str, Path(max_length=100, description="The name of a token.")]
    ) -> Response:
        """End the token that asks, or one that it made."""
        return _told(await self._tokens.revoke(_token(request), name))

    def _uploader(self, request: Request, index: str) -> Uploader:
        """Who writes to an index that is there. Raises NoIndexError, and StorageError where it was never seen."""
        uploader = _caller(request).uploader
        if uploader is None:
            raise TypeError("a request that writes came in without anybody who may")
        self._reading.snapshot(index)
        return uploader

    def _next(self, request: Request, found: Mapping[str, Json], query: Mapping[str, str | None], key: str) -> str | None:
        """The address of what comes next, if there is more."""
        if found["next"] is None:
            return None
        given = {name: value for name, value in query.items() if value is not None}
        return f"{self._root}{request.url.path}?{urlencode({**given, key: found['next']})}"


def _caller(request: Request) -> Caller:
    caller: Caller = request.scope[CALLER]
    return caller


def _token(request: Request) -> Token:
    token = _caller(request).token
    if token is None:
        raise TypeError("a request about tokens came in without one")
    return token


def _name(text: str) -> str:
    name = normalize(text)
    if not is_name(name):
        raise UsageError(f"{plain(text)!r} is not the name of a project.", "Write a name as in my-project.")
    return name


def _version(text: str) -> str:
    version = version_of(text)
    if version is None:
        raise UsageError(f"{plain(text)!r} is not a version.", "Write it as in 1.0.")
    return str(version)


def _told(found: Mapping[str, Json], following: str | None = None, *, status: int = 200) -> Response:
    headers = [] if following is None else [("link", f'<{following}>; rel="next"')]
    return AnswerResponse(uncached(status, json.dumps(found).encode() + b"\n", "application/json", headers))
