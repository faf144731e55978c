"""Which addresses are of the past: `/@<when>/…` and `/<index>@<when>/…`. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from wharf.server.http import answer

if TYPE_CHECKING:
    from wharf.server.http.answer import Answer

_PAST = re.compile(r"/([^/@]*)@([^/]*)(/.*|)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PastAddress:
    """The name of the index (empty: the one at the root), the moment as it is written, and the path below."""

    index: str
    when: str
    below: str


def parse_past_address(path: str) -> PastAddress | None:
    """What a path below the root path says; None where it is not of the past."""
    found = _PAST.fullmatch(path)
    return None if found is None else PastAddress(*found.groups())


def whole_id(address: PastAddress, commit: str, query: str) -> Answer:
    """The redirect to the address with the whole id of a commit. It is relative, so that it works behind any prefix."""
    above = "../" * address.below.count("/") or "./"
    where = f"{above}{quote(address.index)}@{commit}{quote(address.below)}"
    return answer.redirect(f"{where}?{query}" if query else where)


def no_uploads(address: PastAddress, base: str) -> Answer:
    """What is said to whoever uploads to the past. `base` is the address of the server."""
    below = f"/{address.index}" if address.index else ""
    says = f"The past of an index takes no uploads. They go to {base}{below}/legacy/."
    return answer.text(405, says, (("allow", "GET, HEAD"),))
