"""Push events, signed, sent from threads that the hub waits for."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import urllib.request
import uuid
from typing import TYPE_CHECKING

from tests.simulator import shapes
from tests.simulator.plumbing import ZERO

if TYPE_CHECKING:
    from tests.simulator.hub import Hub
    from tests.simulator.state import Repo


def send(hub: Hub, repo: Repo, ref: str, old: str, new: str, login: str) -> None:
    """Tells every hook of `repo` that `ref` went from `old` to `new`."""
    if not repo.hooks:
        return
    event = {
        "ref": ref,
        "before": old,
        "after": new,
        "created": old == ZERO,
        "deleted": new == ZERO,
        "forced": False,
        "base_ref": None,
        "compare": f"{hub.url}/{repo.slug}/compare/{old[:12]}...{new[:12]}",
        "commits": [],
        "head_commit": None,
        "repository": shapes.repository(hub, repo, None),
        "pusher": {"name": login, "email": f"{login}@users.noreply.github.com"},
        "sender": shapes.user(hub, login),
    }
    body = json.dumps(event).encode()
    for url, secret in repo.hooks:
        thread = threading.Thread(target=_post, args=(url, secret, body), daemon=True)
        hub.posts.append(thread)
        thread.start()


def _post(url: str, secret: bytes, body: bytes) -> None:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/0000000",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest(),
    }
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
    except OSError:
        return  # GitHub does not care either
