"""Addresses of repositories: what a person types, and every GitHub address that follows from it. Pure.

github.com has its API on another host; a GitHub Enterprise Server has all below its one name ("Getting started with the
REST API for GitHub Enterprise Server").
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, quote, urlsplit

from wharf.errors import UsageError
from wharf.secret import holds_token

GITHUB = "github.com"

_OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9_])?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(?::[0-9]{1,5})?", re.ASCII)
_SHORT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9._-]+", re.ASCII)
_NOT_HERE = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://.*|[^/\s]+@[^/\s]+:.*|github:.*|https?:.*|//[^/]*@.*|(?:[^/\s]+@)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+/[^/]+/[^/]+/?",
    re.ASCII | re.DOTALL,
)
_MEANT = re.compile(r"(?:@|//|^)([A-Za-z0-9.-]+)(?::[0-9]+/|[:/]+)([^/\s:@]+/[^/\s@]+?)(?:\.git)?/?$", re.ASCII)
_HEX = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{40}(?![0-9A-Za-z])", re.ASCII)  # an old GitHub token
_AFTER = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+@[^/]*", re.ASCII)  # owner/name@TOKEN
_AT = re.compile("@|%40")
_SCHEMES = frozenset({"http", "https", "ssh", "git", "git+https", "git+ssh"})
_SCP = re.compile(r"(?:ssh://)?git@[A-Za-z0-9.-]+(?::[0-9]+/|[:/])[A-Za-z0-9._-]+/[A-Za-z0-9._-]+/?", re.ASCII)
_REMEDY = "Write owner/name, https://HOST/owner/name, or the path of a folder."


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A repository on github.com or on a GitHub Enterprise Server. `host` is in lower case, with a port where one is given."""

    host: str = GITHUB
    owner: str
    name: str
    scheme: str = "https"

    def __str__(self) -> str:
        return self.slug if self.host == GITHUB else self.web

    @property
    def slug(self) -> str:
        """`owner/name`."""
        return f"{self.owner}/{self.name}"

    @property
    def web(self) -> str:
        """Where a browser sees it."""
        return f"{self.scheme}://{self.host}/{self.slug}"

    @property
    def git(self) -> str:
        """Where git finds it."""
        return f"{self.web}.git"

    @property
    def api(self) -> str:
        """The root of the REST API."""
        return "https://api.github.com" if self.host == GITHUB else f"{self.scheme}://{self.host}/api/v3"

    @property
    def graphql(self) -> str:
        """The GraphQL API."""
        return "https://api.github.com/graphql" if self.host == GITHUB else f"{self.scheme}://{self.host}/api/graphql"

    def download(self, tag: str, name: str) -> str:
        """Where everybody can fetch an asset, if the repository is public."""
        return f"{self.web}/releases/download/{quote(tag, safe='')}/{quote(name, safe='')}"

    def may_upload_to(self, url: str) -> bool:
        """Whether an upload_url of the API's may be followed, token in hand: on the API's host or its `uploads.` sibling."""
        if not url.isascii() or not url.isprintable() or " " in url:
            return False  # urlsplit leaves out some of these: it would judge another address than the one that is sent to
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        hosts = {"api.github.com", "uploads.github.com"} if self.host == GITHUB else {self.host, f"uploads.{self.host}"}
        return parts.scheme == self.scheme and _host(parts) in hosts  # netloc: a name before an @ is refused as well

    def moved(self, slug: str) -> Address:
        """The same host, another repository. Raises UsageError for what cannot be one."""
        owner, _, name = slug.partition("/")
        return replace(self, **_checked(owner, name, slug))


def parse(text: str) -> Address | None:
    """The repository that an address names; None if it is the path of a folder.

    Raises UsageError for what looks like a repository on a server and cannot be one, and for what holds a token.
    """
    if holds_token(text) or _HEX.search(text) or _AFTER.fullmatch(text):
        raise _with_a_secret()
    if is_short(text):
        owner, _, name = text.removesuffix("/").partition("/")
        return Address(**_checked(owner, name.removesuffix(".git"), text))
    if text.lower().startswith(("http://", "https://")):
        return _parse_url(text)
    if _NOT_HERE.fullmatch(text):
        found = _MEANT.search(text)
        spelled = f"https://{found[1]}/{found[2]}" if found and "." in found[1] else ""
        raise UsageError(
            f"{_shown(text)} is not the address of a repository here: git goes over https.",
            f"Write {spelled}; for a folder of that name write ./ before it." if spelled else _REMEDY,
        )
    return None


def is_short(text: str) -> bool:
    """Whether it has the form owner/name, which the path of a folder may have as well."""
    return _SHORT.fullmatch(text.removesuffix("/")) is not None


def _parse_url(text: str) -> Address:
    try:
        parts = urlsplit(text)
        port_fits = parts.port is None or 0 < parts.port < 65536
    except ValueError:
        raise UsageError(
            f"{_shown(text)} is not the address of a repository: its host or port is not valid.", _REMEDY
        ) from None
    if "@" in parts.netloc:
        raise _with_a_secret()
    host = GITHUB if _host(parts) == "www.github.com" else _host(parts)
    if not text.isprintable() or not port_fits or not _HOST.fullmatch(host) or parts.query or parts.fragment:
        raise UsageError(f"{_shown(text)} is not the address of a repository.", _REMEDY)
    owner, _, name = parts.path.strip("/").partition("/")
    found = _checked(owner, name.removesuffix(".git"), text)
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise UsageError(f"{_shown(text)} would carry the token in the open.", f"Write https://{host}/{owner}/{name}.")
    return Address(host=host, scheme=parts.scheme, **found)


def _host(parts: SplitResult) -> str:
    """The host in lower case, with its port unless that is the scheme's own. A name before an @ stays: it fits nowhere."""
    return parts.netloc.lower().removesuffix(":443" if parts.scheme == "https" else ":80")


def _checked(owner: str, name: str, text: str) -> dict[str, str]:
    if not _OWNER.fullmatch(owner) or not _NAME.fullmatch(name) or name in {".", ".."}:
        raise UsageError(f"{_shown(text)} is not the address of a repository.", _REMEDY)
    return {"owner": owner, "name": name}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _with_a_secret() -> UsageError:
    return UsageError(
        "The repository's address holds a user name or a token: those leak.",
        "Leave it out, and give the token as WHARF_TOKEN. For a folder of that name write ./ before it.",
    )


def _shown(text: str) -> str:
    """For a message, without the places where people put tokens: around an @, in a query, behind a #."""
    if _AT.search(text) and not _SCP.fullmatch(text):  # a slash in a password, or a second @: nothing behind the scheme is sure
        scheme, mark, _ = text.partition("://")
        text = f"{scheme}://…" if mark and scheme.lower() in _SCHEMES else "…"
    text = re.sub(r"([?#]).+", r"\1…", text, flags=re.DOTALL)
    return repr(text if len(text) <= 200 else f"{text[:200]}…")
