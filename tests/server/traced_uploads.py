"""Uploads to a server, for a trace: `python -m tests.server.traced_uploads STORE FOLDER TOKEN`.

Each one that is acknowledged is marked. Before them, an upload session is begun, which stays open.
"""

from __future__ import annotations

import sys
from pathlib import Path

import httpx

from tests import traced_disk
from tests.makers import make_wheel
from tests.server.eight_uploaders import Uploads, served
from tests.server.session_client import SessionClient


def main(store: Path, folder: Path, token: str) -> None:
    folder.mkdir()
    uploads = Uploads.of(folder, each=2)
    uploads.told = traced_disk.mark
    with served(store) as (url, _):
        with httpx.Client(base_url=url, timeout=60) as client:
            sessions = SessionClient(client, ("__token__", token))
            session = sessions.staged(make_wheel(folder, "staged"), name="staged")
            together = [make_wheel(folder, "staged", tag=f"cp3{number}-none-any") for number in range(3)]
            sessions.batch(session, *together).raise_for_status()
        traced_disk.mark(session["links"]["session"].rpartition("/")[2])
        with uploads.under_way(url, token) as threads:
            for thread in threads:
                thread.join(60)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
