"""The names of indexes, and the words that none can have, because addresses use them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

DEFAULT_INDEX: Final = "main"

WORDS_OF_ADDRESSES: Final = frozenset({"simple", "files", "legacy", "pypi", "healthz", "static", "api", "metrics"})
"""No index has ever had one of these names."""

NOT_TO_BE_MADE: Final = WORDS_OF_ADDRESSES | {
    *("namespace", "namespaces", "search", "readyz", "docs", "json", "rss", "upload", "latest"),
}
"""An index that has one of the newer words as its name is still used with --index. It has no address below its name."""

BRANCHES: Final = "refs/heads/wharf/"
REMOVED: Final = "refs/wharf/removed/"
"""Below this, the last commits of removed indexes are kept, each under the name of its index (docs/index-format.md)."""

SEEN: Final = "refs/wharf/seen/"
"""Below this, each machine keeps the last tip of an index from which it told the past (docs/past.md)."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)


class IndexNames(NamedTuple):
    """The names of the indexes of a repository, and of those that were removed."""

    there: list[str]
    removed: list[str]


def is_index_name(text: str) -> bool:
    """Whether `text` can be the name of an index: lower-case letters, digits and hyphens, and no word of addresses."""
    return bool(_NAME.fullmatch(text)) and text not in WORDS_OF_ADDRESSES


def has_address(name: str) -> bool:
    """Whether an index is served below its own name."""
    return is_index_name(name) and name not in NOT_TO_BE_MADE
