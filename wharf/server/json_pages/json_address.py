"""The addresses of JSON pages: `/pypi/<name>/json`, `/pypi/<name>/<version>/json` and `/<name>/json`, below an index. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote

from wharf.index.index_name import NOT_TO_BE_MADE
from wharf.model import is_name, normalize
from wharf.server.http import answer

if TYPE_CHECKING:
    from wharf.server.http.answer import Answer

BELOW: Final = r"/(?:pypi/[^/]+(?:/[^/]+)?|[^/]+)/json/?"
"""What may be the address of a JSON page, as a regular expression."""

_ADDRESS = re.compile(r"/(?:pypi/([^/]+)(?:/([^/]+))?|([^/]+))/json(/?)")


class JsonAddress(NamedTuple):
    """What is asked for: a project by its (normal) name, or one version, as it was spelled."""

    name: str
    version: str | None = None


def parse_json_address(path: str) -> JsonAddress | Answer | None:
    """What a path below an index names; a redirect to where the page is; None: it is no address of a JSON page.

    The short address is for no name that another address begins with.
    """
    found = _ADDRESS.fullmatch(path)
    if found is None:
        return None
    of_project, version, short, slash = found.groups()
    given = of_project or short
    name = normalize(given)
    if not is_name(name) or (short is not None and name in NOT_TO_BE_MADE):
        return None
    if given == name and not slash:
        return JsonAddress(name, version)
    rest = f"{name}/json" if version is None else f"{name}/{quote(version)}/json"
    return answer.redirect("../" * (rest.count("/") + len(slash)) + rest)
