"""The round trips that no publisher of a new release can do without, made by a bare httpx client.

One after the other, 8 for a release into an index whose clone is up to date:

    git's info/refs and ls-refs   2   what the index is now; the list of releases is asked for meanwhile
    the tags, by GraphQL          1   a tag that is not ours must not be taken
    a draft                       1
    the files                     1   all at the same time
    publishing                    1
    git's info/refs, receive-pack 2   the push
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

_V2 = {"git-protocol": "version=2"}
_LS_REFS = (b"command=ls-refs\n", b"agent=bench\n", b"object-format=sha1")
_TAGS = "query($o: String!, $n: String!, $t: String!) { repository(owner: $o, name: $n) { t0: ref(qualifiedName: $t) { id } } }"
_ZERO = "0" * 40


class Chain:
    """One client of one repository of the simulator, with connections that stay open. A context manager."""

    def __init__(self, address: str, token: str) -> None:
        self._git = f"{address}.git"
        host, owner, name = address.rsplit("/", 2)
        self._slug = f"{owner}/{name}"
        self._graphql = f"{host}/api/graphql"
        self._repository = f"{host}/api/v3/repos/{self._slug}"
        self._client = httpx.Client(timeout=60)
        self._api = {"authorization": f"Bearer {token}"}
        self._basic = httpx.BasicAuth("x-access-token", token)
        self._pool = ThreadPoolExecutor(16)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._pool.shutdown()
        self._client.close()

    def release(self, files: Sequence[Path]) -> None:
        """Release files under a tag, and push a branch, of names that nothing has. Raises RuntimeError or httpx's errors."""
        tag = f"bench-{secrets.token_hex(8)}"
        listed = self._pool.submit(self._ask, "GET", f"{self._repository}/releases?per_page=100")
        tip = self._tip()
        listed.result()
        owner, _, name = self._slug.partition("/")
        variables = {"o": owner, "n": name, "t": f"refs/tags/{tag}"}
        self._ask("POST", self._graphql, json={"query": _TAGS, "variables": variables})
        body = {"tag_name": tag, "name": tag, "target_commitish": tip, "draft": True}
        draft = self._ask("POST", f"{self._repository}/releases", json=body).json()
        address = draft["upload_url"].partition("{")[0]
        list(self._pool.map(lambda file: self._upload(address, file), files))
        self._ask("PATCH", f"{self._repository}/releases/{draft['id']}", json={"draft": False, "make_latest": "false"})
        self._push(tip, tag)

    def _ask(self, method: str, url: str, **more: object) -> httpx.Response:
        answer = self._client.request(method, url, headers=self._api, **more)  # type: ignore[arg-type]  # json or content
        return answer.raise_for_status()

    def _upload(self, address: str, file: Path) -> None:
        headers = {**self._api, "content-type": "application/octet-stream"}
        data = file.read_bytes()
        self._client.post(address, params={"name": file.name}, content=data, headers=headers).raise_for_status()

    def _tip(self) -> str:
        """What a fetch that finds nothing new asks: the commit that the default branch is at."""
        url = f"{self._git}/info/refs?service=git-upload-pack"
        self._client.get(url, headers=_V2, auth=self._basic).raise_for_status()
        headers = {**_V2, "content-type": "application/x-git-upload-pack-request"}
        content = b"".join(map(_line, _LS_REFS)) + b"0001" + _line(b"ref-prefix refs/heads/main\n") + b"0000"
        answer = self._client.post(f"{self._git}/git-upload-pack", content=content, headers=headers, auth=self._basic)
        return answer.raise_for_status().content[4:44].decode()

    def _push(self, commit: str, branch: str) -> None:
        url = f"{self._git}/info/refs?service=git-receive-pack"
        self._client.get(url, auth=self._basic).raise_for_status()
        head = b"PACK" + struct.pack(">II", 2, 0)  # nothing is in it: the commit is there
        pack = head + hashlib.sha1(head, usedforsecurity=False).digest()
        update = f"{_ZERO} {commit} refs/heads/{branch}\0report-status agent=bench".encode()
        headers = {"content-type": "application/x-git-receive-pack-request"}
        answer = self._client.post(
            f"{self._git}/git-receive-pack", content=_line(update) + b"0000" + pack, headers=headers, auth=self._basic
        )
        if f"ok refs/heads/{branch}".encode() not in answer.raise_for_status().content:
            raise RuntimeError("the bare push was refused")


def _line(data: bytes) -> bytes:
    """A pkt-line (gitprotocol-common)."""
    return b"%04x%b" % (len(data) + 4, data)
