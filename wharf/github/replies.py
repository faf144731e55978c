"""GitHub's answers as values, and what is wrong where one is a refusal. Pure.

"Troubleshooting the REST API" has the meaning of the statuses: a private repository that a token may not see is 404.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import AWAY, GraphQLError, NotAllowedError, NotFoundError, RejectedError, StorageError, WharfError
from wharf.text_formats import toml_and_json
from wharf.transport.lost_connection import Cause, cause_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.model import Json


_LIMITED = frozenset({"RATE_LIMITED", "RATE_LIMIT"})  # both have been seen
_REMEDIES = {
    Cause.CLOCK: "Check the clock of this machine. If it is right, the certificate of the host is out of date.",
    Cause.PROXY: "Check the proxy that HTTPS_PROXY or git's http.proxy names: it may be down, or may not let you through.",
    Cause.NAME: "Check the network, and the spelling of the host name.",
    Cause.CERTIFICATE: "If an authority of your own signed its certificate, name it twice: "
    "`export SSL_CERT_FILE=FILE`, and `git config --global http.sslCAInfo FILE`.",
    Cause.OTHER: "Check the network, and whether GitHub is up.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer: its headers' names are in lower case, `data` is the JSON body, or None."""

    status: int
    headers: Mapping[str, str]
    data: Json = None

    @property
    def message(self) -> str:
        """GitHub's own words, in one line and not too many of them."""
        text = self.data.get("message") if isinstance(self.data, dict) else None
        words = str(text) if isinstance(text, str) else f"status {self.status}"
        details = "; ".join(_detail(each) for each in self._errors())
        return plain(f"{words} ({details})" if details else words)

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """Code and field of each of its errors."""
        found = [each for each in self._errors() if isinstance(each, dict)]
        return tuple((str(each.get("code", "")), str(each.get("field", ""))) for each in found)

    def _errors(self) -> list[Json]:
        errors = self.data.get("errors") if isinstance(self.data, dict) else None
        return errors[:5] if isinstance(errors, list) else []


def plain(text: str) -> str:
    """A server's words for a message of wharf: one line, not too long, and nothing that a terminal obeys."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:500]


def refusal(method: str, what: str, reply: Reply, *, token: bool) -> WharfError:
    """The error that an answer stands for. `what` names the repository and the request; `token`: whether one was sent."""
    said = reply.message.rstrip(".")
    if reply.status == 401:
        return NotAllowedError(
            f"GitHub does not know the token for {what}: {said}.",
            "It is wrong, expired or revoked: make a new one and set it.",
            doctor=True,
            unknown=True,
        )
    if reply.status == 403 or (reply.status == 404 and method not in {"GET", "HEAD"}):
        sso = reply.headers.get("x-github-sso", "")
        hint = (
            "Authorise the token for the organisation (SAML single sign-on) in its settings on GitHub."
            if sso
            else "Reading needs the permission `contents: read`, writing `contents: write` (classic tokens: `repo`), "
            "and a role in the repository that has it."
        )
        if "archived" in said.lower():
            hint = "An archived repository takes no changes: unarchive it in its settings on GitHub."
        return NotAllowedError(f"GitHub does not allow this for {what}: {said}.", hint, doctor=True)
    if reply.status == 404:
        hint = "Check the spelling; `wharf init ADDRESS` makes a repository that is not there." + (
            " If it is private: does the token reach it?" if token else " If it is private, it needs a token: set WHARF_TOKEN."
        )
        return NotFoundError(f"GitHub does not show {what}{' to this token' if token else ''}.", hint, unseen=True)
    if reply.status in {409, 413, 422}:
        return RejectedError(f"GitHub refused {what}: {said}.", "", reply.status, reply.codes, said=said)
    if reply.status in {301, 302, 307, 308}:
        return StorageError(
            f"{what[:1].upper()}{what[1:]} has another address since a moment ago.", "Run the same command again."
        )
    return StorageError(
        f"GitHub answered {reply.status} for {what}: {said}.", "If it persists, see GitHub's status page.", told=AWAY
    )


def away(said: str) -> str:
    """The hint where GitHub could not be reached, by what git or the connection said."""
    return _REMEDIES[cause_of(said)]


def limited(reply: Reply) -> str:
    """The words of a GraphQL answer that is a refusal by a limit, which comes with status 200; nothing for any other.

    "Rate limits and query limits for the GraphQL API": of the secondary ones only the words tell.
    """
    errors = reply.data.get("errors") if isinstance(reply.data, dict) else None
    for each in errors if isinstance(errors, list) else []:
        if isinstance(each, dict):
            said = plain(str(each.get("message", "")))
            if each.get("type") in _LIMITED or "secondary rate limit" in said.lower():
                return said or "rate limit"
    return ""


def graphql_data(answer: dict[str, Json], where: str) -> dict[str, Json]:
    """The data in an answer to a GraphQL query. Raises GraphQLError where there are errors beside it, or instead."""
    errors = answer.get("errors")
    if isinstance(errors, list) and errors:
        found = [each for each in errors if isinstance(each, dict)]
        said = plain("; ".join(str(each.get("message", "")) for each in found))
        types = tuple(str(each.get("type", "")) for each in found)
        raise GraphQLError(f"GitHub refused a change of {where}: {said}.", types)
    data = answer.get("data")
    return data if isinstance(data, dict) else {}


def body_json(headers: Mapping[str, str], body: bytes) -> Json:
    """The value of a JSON body; None for any other, or a broken one."""
    if "json" not in headers.get("content-type", "") or not body:
        return None
    try:
        return toml_and_json.json_value(body)
    except ValueError:
        return None


def _detail(error: Json) -> str:
    if not isinstance(error, dict):
        return str(error)
    if error.get("message"):
        return str(error["message"])
    return " ".join(str(error[key]) for key in ("field", "code") if error.get(key))
