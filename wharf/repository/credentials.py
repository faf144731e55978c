"""The token for a repository: found where the person keeps it, and sent to no host but the one that it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import NotAllowedError, UsageError
from wharf.repository import app_credential, token_program
from wharf.repository_address import GITHUB, Address, parse
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.github.app_jwt import App
    from wharf.repository.settings import Settings
    from wharf.repository.settings_file import NamedApp

_GENERAL = ("GH_TOKEN", "GITHUB_TOKEN")
_ENTERPRISE = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")
_PATIENCE = 10  # seconds that another program has to find a token


@dataclass(frozen=True, slots=True)
class Credential:
    """A token, or an app that gets tokens, and in a few words where it was found. `warning` is about how it is kept."""

    token: Secret | App
    source: str
    warning: str = ""


def find(settings: Settings, environ: Mapping[str, str]) -> Credential | None:
    """The token for the repository that the settings name; None if there is none, or the repository is a folder.

    `WHARF_TOKEN`; a GitHub App (see `app_credential`); `GH_TOKEN` and `GITHUB_TOKEN` or those for an Enterprise Server; what
    `gh` and what git's credential helper have for exactly that host. Raises UsageError if only a file of the working tree
    names the host: whoever wrote that file would get the token.
    """
    address = settings.place
    if not isinstance(address, Address):
        return None
    if not settings.trusted:
        raise UsageError(
            f"{settings.source} names a repository on {address.host}; no token is sent to a host that only a file here names.",
            f"If it is yours, say so yourself: export WHARF_REPO={address.web}",
        )
    if environ.get("WHARF_TOKEN"):
        return _credential(environ["WHARF_TOKEN"], "WHARF_TOKEN")
    app = app_credential.find(settings, address, environ)
    if app is not None:
        return Credential(app[0], f"the app {app[0].id} ({app[0].source})", app[1])
    for name in _fitting(address, environ):
        if environ.get(name):
            return _credential(environ[name], name)
    return _from_gh(address, environ) or _from_git(address, environ)


def ignored(address: Address, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that hold a token, and are not used for a repository as they are for other hosts."""
    fitting = _fitting(address, environ)
    return tuple(name for name in (*_GENERAL, *_ENTERPRISE) if environ.get(name) and name not in fitting)


def tokens_left_out(address: Address, environ: Mapping[str, str], app: NamedApp | None = None) -> str:
    """The same in words, with the app of the person's file if it is for another host; empty if there is nothing."""
    names = ignored(address, environ)
    fitting = f"; for this one it is {_ENTERPRISE[0]} or WHARF_TOKEN" if address.host != GITHUB else ""
    told = [f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} for other hosts{fitting}"] if names else []
    if app is not None and app.host != address.host:
        told.append(f"'app' in {app.source} is for {app.host}, the host of that file's 'repo' (github.com if it has none)")
    return "; ".join(told)


def _fitting(address: Address, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The variables whose token belongs to a host, as `gh` has it ("gh help environment")."""
    named = environ.get("GH_HOST", "").lower()
    tenant = address.host.endswith(".ghe.com")  # of github.com: the token may be for either
    general = address.host == _host_of_actions(environ) or (tenant and named == address.host)
    enterprise = address.host != GITHUB and not tenant and named in {"", address.host}
    return (*(_ENTERPRISE if enterprise else ()), *(_GENERAL if general else ()))


def _host_of_actions(environ: Mapping[str, str]) -> str:
    """The host that GH_TOKEN and GITHUB_TOKEN are for: that of the Actions job, else github.com."""
    server = environ.get("GITHUB_SERVER_URL") if environ.get("GITHUB_ACTIONS") == "true" else None
    if not server:
        return GITHUB
    job = parse(f"{server.rstrip('/')}/owner/name")
    return job.host if job else ""


def _from_gh(address: Address, environ: Mapping[str, str]) -> Credential | None:
    out = token_program.ask(["gh", "auth", "token", "--hostname", address.host], environ, patience=_PATIENCE)
    return _credential(out, f"gh auth token --hostname {address.host}") if out else None


def _from_git(address: Address, environ: Mapping[str, str]) -> Credential | None:
    question = f"protocol={address.scheme}\nhost={address.host}\n\n"
    command = ["git", "-c", "credential.interactive=false", "credential", "fill"]
    out = token_program.ask(command, environ, question, patience=_PATIENCE)
    found = dict(line.partition("=")[::2] for line in (out or "").split("\n"))
    # An answer for another host than the helper was asked about is not used.
    if not found.get("password") or found.get("host", address.host) != address.host:
        return None
    return _credential(found["password"], "git's credential helper")


def _credential(value: str, source: str) -> Credential:
    token = value.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise NotAllowedError(
            f"What {source} gives is not a token: it is empty, or has a character that no token has.", "Set it again."
        )
    return Credential(Secret(token), source)
