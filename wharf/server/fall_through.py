"""What a client is told when the index has no project of a name: where the public index is, a page without files, or 404."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import quote

from wharf.server.http.answer import text, uncached_redirect

if TYPE_CHECKING:
    from wharf.pages.page_format import Format
    from wharf.server.answer_cache import AnswerCache
    from wharf.server.http.answer import Answer
    from wharf.sources.public_index_address import PublicIndex

log = logging.getLogger("wharf")

_MISSED = 20  # names that are remembered of those that no client was sent elsewhere for
_WAY_ON = "`wharf serve --fall-through` and `wharf run --fall-through -- COMMAND` pass such names on to the public index."

_UNREAD = text(
    503,
    "The server cannot read one of the indexes of this repository, so it cannot know whether it has a project of this name.",
    (("retry-after", "5"),),
)


class FallThrough:
    """Passes names on to a public index, or to none (`public_index` None).

    - A name that any index of the repository owns or reserves is never passed on. It has a page, maybe without files, because
      uv asks the next index after 404.
    - While there is an index of which nothing was ever read, nothing is said of a name: it may be one of that index.
    - Nothing is fetched from the public index: the client is redirected to it.
    - `missed` has the names that were asked for while none is passed on, the first few of them. With `tells`, each of these is
      logged once.
    """

    def __init__(self, cache: AnswerCache, public_index: PublicIndex | None, *, tells: bool) -> None:
        self.missed: set[str] = set()
        self._cache = cache
        self._public = public_index
        self._tells = tells

    def answer(self, name: str, query: bytes, form: Format) -> Answer:
        """What is said of a (normal) name that the index has no project of: the way to the public index, or 404."""
        if self._cache.claims.has(name):
            return self._cache.empty_page(name, form)
        if self._cache.claims.unread:
            return _UNREAD
        if self._public is not None:
            return uncached_redirect(self._public.page(name, quoted(query)))
        if name not in self.missed and len(self.missed) < _MISSED:
            self.missed.add(name)
            if self._tells:
                self._tell(name)
        return self.missing(name)

    def _tell(self, name: str) -> None:
        log.warning("This index has no project %s, and it passes no name on (--fall-through is off).", name)
        if len(self.missed) == _MISSED:
            log.warning("Further names that this index does not have are not shown.")

    def missing(self, name: str = "") -> Answer:
        """There is no such project. Where a client could be sent on and is not, that is said."""
        what = f"project {name}" if name else "project of that name"
        if self._public is not None:
            return text(404, f"This index has no {what}.")
        return text(404, f"This index has no {what}, and it passes no name on (--fall-through is off). {_WAY_ON}")


def quoted(query: bytes) -> str:
    """A query as it came, in the characters of an address."""
    return quote(query, safe="=&/+%")
