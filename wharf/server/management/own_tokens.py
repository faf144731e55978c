"""The token that asks, and those that it made: shown, made, ended. None may more than the one that made it, or for longer."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from wharf.errors import ConflictError, MayNotWriteError, NotFoundError, RefusedError, StorageError, UsageError
from wharf.index import name_globs
from wharf.operations.result_documents import new_token_document, token_document
from wharf.repository.token_usage import TokenUsage
from wharf.repository.tokens import NewToken, made_by
from wharf.server.daemon_threads import DaemonThreads

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from wharf.model import Json
    from wharf.repository.tokens import Scope, Token, Tokens
    from wharf.server.web.shared_refresh import SharedRefresh

MOST: Final = 1000
"""Tokens that others made and that are good, in one list."""
MOST_OF_ONE: Final = 200
"""Those that come from one token that a command made, by any way: nobody fills the list for all."""

_SCOPES: Final[tuple[Scope, ...]] = ("read", "publish", "manage")


class OwnTokens:
    """For the event loop's thread; the list is read and written in another one."""

    def __init__(self, tokens: Tokens, refresh: SharedRefresh) -> None:
        self._tokens = tokens
        self._refresh = refresh
        self._threads = DaemonThreads("manage-tokens", 1)

    async def list(self, caller: Token) -> dict[str, Json]:
        """The token that asks, and all that it made."""
        return await self._threads.run(partial(self._list, caller))

    async def make(self, caller: Token, new: NewToken) -> dict[str, Json]:
        """Make a token. What `new` does not say is as in the one that asks. Raises MayNotWriteError for what may more."""
        made = _within(caller, new)
        return await self._threads.run(partial(self._make, made))

    async def revoke(self, caller: Token, name: str) -> dict[str, Json]:
        """End a token, and all that it made. Raises NotFoundError for one that is not the caller's."""
        await self._threads.run(partial(self._revoke, caller, name))
        await self._refresh()
        return {"revoked": name}

    def _own(self, digest: str) -> Sequence[Token]:
        """The token with that digest, and those that it made."""
        there = self._tokens.all()
        return [*(each for each in there if each.sha256 == digest), *made_by(there, {digest})]

    def _list(self, caller: Token) -> dict[str, Json]:
        try:
            used = TokenUsage(self._tokens.path_of_usage).days()
        except StorageError:
            used = {}
        return {"tokens": [token_document(each, used.get(each.sha256)) for each in self._own(caller.sha256)]}

    def _make(self, new: NewToken) -> dict[str, Json]:
        now = datetime.now(UTC)
        good = [each for each in self._tokens.all() if each.valid(now)]
        if len(made_by(good, {_first(good, new.made_by or "")})) >= MOST_OF_ONE:
            raise RefusedError(f"This token and those that it made have made {MOST_OF_ONE} others.", "End some of them.")
        if sum(each.made_by is not None for each in good) >= MOST:
            raise RefusedError(f"Tokens made {MOST} others already.", "End some of them, or use `wharf token create`.")
        try:
            secret = self._tokens.add(new)
        except ConflictError as error:
            if not any(each.name == new.name for each in self._own(new.made_by or "")):
                error.hint = "Choose another name."  # it may not end that one
            raise
        return {"token": secret.reveal(), **new_token_document(new)}

    def _revoke(self, caller: Token, name: str) -> None:
        if name not in {each.name for each in self._own(caller.sha256)}:
            raise NotFoundError(
                "The name is neither that of this token nor that of one that it made.",
                "`wharf token list` shows the tokens that it may end.",
            )
        self._tokens.revoke(name)


def _first(there: Sequence[Token], digest: str) -> str:
    """The token that no other one made, from which a token comes."""
    makers = {each.sha256: each.made_by for each in there}
    while (maker := makers.pop(digest, None)) is not None:
        digest = maker
    return digest


def _within(caller: Token, new: NewToken) -> NewToken:
    """A new token that may what `new` says, as far as the one that makes it may."""
    if (caller.indexes or caller.projects) and not new.name.startswith(f"{caller.name}."):
        # So it takes no name from others, learns of none, and nothing that is done by it looks like the deed of somebody else.
        raise UsageError(
            f"A token with limits names the tokens that it makes after itself, with {caller.name}. before the rest.",
            f"Write {caller.name}.NAME.",
        )
    if _SCOPES.index(new.scope) > _SCOPES.index(caller.scope):
        raise _too_much(f"the scope {new.scope!r}")
    if new.expires is not None and new.expires <= datetime.now(UTC):
        raise UsageError("The end of the token is over already.", "Give a later time.")
    if caller.expires is not None and new.expires is not None and new.expires > caller.expires:
        raise _too_much(f"a life beyond {caller.expires.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
    if caller.indexes is not None and (more := _beyond(new.indexes, caller.indexes)):
        raise _too_much(f"the index {more}")
    if new.scope == "read":
        if new.projects:
            raise UsageError("`projects` limits what a token writes, and this one only reads.", "Use `indexes` to limit it.")
    elif caller.projects is not None:
        wide = next((each for each in new.projects if not name_globs.is_within(each, caller.projects)), None)
        if wide is not None:
            raise _too_much(f"the projects {wide}")
    own = () if new.scope == "read" else caller.projects or ()
    return NewToken(
        name=new.name,
        scope=new.scope,
        expires=new.expires or caller.expires,
        indexes=new.indexes or caller.indexes or (),
        projects=new.projects or own,
        owner=new.owner or caller.owner,
        note=new.note,
        made_by=caller.sha256,
    )


def _beyond(wanted: Collection[str], own: Collection[str]) -> str | None:
    return next((each for each in wanted if each not in own), None)


def _too_much(what: str) -> MayNotWriteError:
    return MayNotWriteError(f"A token gives no more than it has, and this one has not {what}.", "Ask for less.")
