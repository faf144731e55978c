"""What the settings of an index for upstreams mean, in words; and what is said of an address that does not count. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.errors import UsageError
from wharf.index.upstream_settings import THIS, UPSTREAM
from wharf.sources import branch_address

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from wharf.index.upstream_settings import UpstreamSettings

_MODES = {
    "proxy": "What an upstream has passes through the server (proxy).",
    "redirect": "Clients are sent to the upstream (redirect).",
    None: "upstream.mode is not set: no upstream is asked, unless `wharf serve` or `wharf run` has --fall-through.",
}
_OWNED = "A name that any index of the repository owns or reserves is looked for in no upstream."
_PUBLIC = "the public index"


def explained(settings: UpstreamSettings, *, on_github: bool, listed: Collection[str] = ()) -> list[str]:
    """Lines that say where names are looked for. `on_github` and `listed` as for `branch_address.refusal`."""
    lines = [_MODES[settings.mode]]
    if settings.mode is None and not settings.addresses and not settings.routes:
        return lines
    for name in (UPSTREAM, *(name for name, _ in settings.others)):
        url = settings.address(name)
        why = None if url is None else branch_address.refusal(url, on_github=on_github, listed=listed)
        lines.append(f"{name} is {url or _PUBLIC}" + ("." if why is None else f": {does_not_count(why)}"))
    lines += [f"{', '.join(route.names)}: {_places(route.sources)}." for route in settings.routes]
    other = "Other names" if settings.routes else "Every name"
    return [*lines, f"{other}: {_places((THIS, UPSTREAM))}.", _OWNED]


def does_not_count(why: str) -> str:
    """A sentence about an address on GitHub, without its beginning; `why` is what `branch_address.refusal` says."""
    return f"on GitHub it counts only with {branch_address.LISTS_IT}, because it {why}."


def check_addresses(new: Mapping[str, str], *, on_github: bool, listed: Collection[str]) -> None:
    """Raise UsageError for the first address, by its key, that does not count on the branch. The person's own list counts."""
    for key, url in new.items():
        why = branch_address.refusal(url, on_github=on_github, listed=listed)
        if why is not None:
            raise UsageError(
                f"{key} cannot be {url}: {does_not_count(why)}",
                f'If you run wharf yourself, list it in your own config.toml: [upstreams."{url}"] (docs/upstream.md). '
                "Nothing was changed.",
            )


def _places(sources: Sequence[str]) -> str:
    """The places of a route, in their order."""
    words = ["this index with its bases" if source == THIS else source for source in sources]
    return (
        ", then ".join(words) + (" (the first that has the name gives all of it)" if len(words) > 1 else "")
        if words
        else "nowhere"
    )
