"""Where the bytes of assets are: signed addresses on the second server, and the public download addresses that lead there."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from tests.simulator.answers import Answer, Request, text

if TYPE_CHECKING:
    from tests.simulator.hub import Hub
    from tests.simulator.state import Asset

LIFETIME = 300


def _signature(hub: Hub, number: str, expiry: str) -> str:
    return hmac.new(hub.key, f"{number} {expiry}".encode(), hashlib.sha256).hexdigest()


def signed(hub: Hub, asset: Asset) -> str:
    """An address that lives 300 s of the hub's clock."""
    expiry = str(int(hub.clock.now()) + LIFETIME)
    disposition = quote(f"attachment; filename={asset.name}", safe="")
    number = str(asset.id)
    return (
        f"{hub.storage_url}/release-assets/{number}?sp=r&se={expiry}&rscd={disposition}&sig={_signature(hub, number, expiry)}"
    )


def _xml(status: int, code: str, message: str) -> Answer:
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, body.encode(), {"content-type": "application/xml"})


def _range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and length of a single range; None: all of it."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if match is None or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        length = min(size, int(last))
        return size - length, length
    end = min(size - 1, int(last)) if last else size - 1
    return int(first), end - int(first) + 1


def handle(hub: Hub, request: Request) -> Answer:
    """GET and HEAD of a signed address."""
    match = re.fullmatch(r"/release-assets/(\d+)", request.path)
    if match is None or request.method not in {"GET", "HEAD"}:
        return _xml(404, "ResourceNotFound", "The specified resource does not exist.")
    if "authorization" in request.headers:
        return _xml(400, "InvalidAuthenticationInfo", "Authentication information is not given in the correct format.")
    number, expiry = match.group(1), request.query.get("se", "")
    if not hmac.compare_digest(_signature(hub, number, expiry), request.query.get("sig", "")) or int(expiry) < hub.clock.now():
        return _xml(403, "AuthenticationFailed", "Server failed to authenticate the request.")
    path = hub.root / "assets" / number
    if not path.is_file():
        return _xml(404, "BlobNotFound", "The specified blob does not exist.")
    size = path.stat().st_size
    headers = {
        "content-type": "application/octet-stream",
        "content-disposition": request.query.get("rscd", "attachment"),
        "accept-ranges": "bytes",
        "etag": f'"0x{number}"',
    }
    part = _range(request.headers.get("range"), size)
    if part is None:
        return Answer(200, (path, 0, size), headers)
    start, length = part
    if start >= size or length <= 0:
        answer = _xml(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")
        answer.headers["content-range"] = f"bytes */{size}"
        return answer
    headers["content-range"] = f"bytes {start}-{start + length - 1}/{size}"
    return Answer(206, (path, start, length), headers)


def handle_web(hub: Hub, request: Request) -> Answer:
    """`/owner/name/releases/download/tag/name`: for public repositories only, whatever token is sent."""
    match = re.fullmatch(r"/([^/]+/[^/]+)(/releases/download/(.+)/([^/]+))", request.path)
    if match is None or request.method not in {"GET", "HEAD"}:
        return text(404, "Not Found")
    slug, rest, tag, name = match.groups()
    with hub.lock:
        moved = hub.moved.get(slug.lower())
        repo = hub.repos.get(slug.lower())
        if moved is not None and not moved.private:
            return text(301, "Moved Permanently", {"location": f"{hub.url}/{moved.slug}{rest}"})
        if repo is None or repo.private:
            return text(404, "Not Found")
        for release in repo.releases:
            if release.tag_name != unquote(tag) or release.draft:
                continue
            for asset in release.assets:
                if asset.name == unquote(name) and asset.state == "uploaded":
                    asset.downloads += 1
                    return Answer(302, b"", {"location": signed(hub, asset), "cache-control": "no-cache"})
    return text(404, "Not Found")
