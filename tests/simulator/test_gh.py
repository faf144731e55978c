"""The real `gh` beside wharf, on the simulator by HTTPS: what a person does by hand, and what each sees of the other's work."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_wheel
from tests.simulator import Hub
from wharf.errors import StorageError
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.verify import verify
from wharf.repository import credentials
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import resolve
from wharf.repository_address import parse
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE = 60  # seconds that a command has


def _tool(name: str) -> str:
    """Where a program is that the tests need: where CI is set, its absence is a failure."""
    if sys.platform == "darwin":
        pytest.skip("on macOS gh believes no certificate but those of the keychain")
    found = shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed (Debian: apt install {name})")
    return found


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that nobody has signed but itself, and its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=simulator")
    names = ("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE")
    subprocess.run(
        [_tool("openssl"), "req", "-x509", *kind, *names, "-out", path, "-keyout", path.with_name("key")],
        check=True, capture_output=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    path.write_text(path.read_text() + path.with_name("key").read_text())
    return path


@dataclass(frozen=True)
class Person:
    """Somebody who is logged in with gh, and stands in a folder."""

    hub: Hub
    program: str
    folder: Path
    environ: dict[str, str]

    def gh(self, *words: str, code: int = 0) -> str:
        """What a command says; on stderr, where it fails."""
        done = subprocess.run(
            [self.program, *words],
            env=self.environ, cwd=self.folder, capture_output=True, text=True, check=False, timeout=_PATIENCE,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == code, f"gh {' '.join(words)}: {done.stdout}\n{done.stderr}"
        return done.stderr if code else done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.gh(*words))

    def assets(self, tag: str) -> list[str]:
        return sorted(each["name"] for each in self.json("release", "view", tag, "--json", "assets")["assets"])

    def file(self, name: str, data: bytes) -> str:
        (self.folder / name).write_bytes(data)
        return name

    @contextmanager
    def wharf(self) -> Iterator[Repository]:
        """The repository as wharf opens it, with the token that gh has."""
        place = {"repo": f"{self.hub.url}/acme/pkgs", "index": "main"}
        settings = resolve(place, {}, (), data=self.folder / "data", cache=self.folder / "cache")
        with open_repository(settings, self.environ) as opened:
            yield opened


@pytest.fixture
def person(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    program = _tool("gh")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    for name in ("SSL_CERT_FILE", "GIT_SSL_CAINFO"):
        monkeypatch.setenv(name, str(certificate))
    folder = tmp_path / "work"
    folder.mkdir()
    with Hub(tmp_path / "hub", tls=context) as hub:
        hub.create("acme/pkgs")
        token = hub.token("ada", {"acme/pkgs": "admin"}, scopes="read:org, repo")
        (tmp_path / "gh").mkdir()
        host = f'"{hub.host}":\n    oauth_token: {token}\n    user: ada\n    git_protocol: https\n'
        (tmp_path / "gh" / "hosts.yml").write_text(host)
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
            "SSL_CERT_FILE": str(certificate),
            "GIT_SSL_CAINFO": str(certificate),
            "GH_CONFIG_DIR": str(tmp_path / "gh"),
            "GH_HOST": hub.host,
            "GH_REPO": f"{hub.host}/acme/pkgs",
            "GH_NO_UPDATE_NOTIFIER": "1",
            "GH_PROMPT_DISABLED": "1",
        }
        yield Person(hub, program, folder, environ)


@pytest.mark.slow
@pytest.mark.parametrize(("trusting", "who"), [("SSL_CERT_FILE", "git"), ("GIT_SSL_CAINFO", "API")])
def test_a_certificate_that_nobody_trusts_is_told_with_the_remedy(
    person: Person, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trusting: str, who: str
) -> None:
    for name in {"SSL_CERT_FILE", "GIT_SSL_CAINFO"} - {trusting}:
        monkeypatch.delenv(name)
    path = make_wheel(tmp_path, "demo", "1.0")
    with pytest.raises(StorageError, match=r"(?i)certificate") as caught, person.wharf() as repository:
        publish(repository, [Input.of(path)], actor="ada")
    assert ("git fetch" in caught.value.message) == (who == "git")
    assert "SSL_CERT_FILE" in caught.value.hint
    assert "http.sslCAInfo" in caught.value.hint


@pytest.mark.slow
def test_gh_looks_around(person: Person) -> None:
    person.gh("auth", "status")
    assert person.json("api", "user")["login"] == "ada"
    about = person.json(
        "repo", "view", f"{person.hub.host}/acme/pkgs", "--json", "nameWithOwner,isPrivate,defaultBranchRef,viewerPermission"
    )
    assert about == {
        "nameWithOwner": "acme/pkgs", "isPrivate": True, "defaultBranchRef": {"name": "main"}, "viewerPermission": "ADMIN",
    }  # fmt: skip
    head, _, body = person.gh("api", "-i", "repos/{owner}/{repo}/git/ref/heads/main").partition("\n\n")
    assert head.startswith("HTTP/1.1 200 OK")
    assert "X-Ratelimit-Remaining: " in head
    assert json.loads(body)["object"]["type"] == "commit"
    assert "HTTP 404" in person.gh("api", "repos/{owner}/{repo}/git/ref/heads/nothing", code=1)
    assert "HTTP 422" in person.gh("api", "repos/{owner}/{repo}/releases", "-f", "name=x", code=1)
    assert "Could not resolve to a Repository" in person.gh(
        "repo", "view", f"{person.hub.host}/acme/none", "--json", "name", code=1
    )
    names = '{ Release: __type(name: "Release") { fields { name } } }'  # as later versions of gh ask by themselves
    found = person.json("api", "graphql", "-f", f"query={names}")["data"]["Release"]["fields"]
    assert {"name": "tagName"} in found
    for number in range(5):
        person.gh("api", "repos/{owner}/{repo}/releases", "-f", f"tag_name=t{number}", "-F", "draft=true")
    every = person.gh("api", "--paginate", "repos/{owner}/{repo}/releases?per_page=2", "--jq", ".[].tag_name").split()
    assert every == ["t4", "t3", "t2", "t1", "t0"]
    assert [line.split("\t")[:2] for line in person.gh("release", "list", "--limit", "2").splitlines()] == [
        ["t4", "Draft"],
        ["t3", "Draft"],
    ]


@pytest.mark.slow
def test_gh_releases_by_hand(person: Person) -> None:
    tip = person.json("api", "repos/{owner}/{repo}/git/ref/heads/main")["object"]["sha"]
    person.file("demo-1.0+local.whl", b"one")
    person.file("two (2).txt", b"two")
    person.gh("release", "create", "v1", "--draft", "--target", tip, "--notes", "by hand", "demo-1.0+local.whl")
    shown = person.json("release", "view", "v1", "--json", "isDraft,publishedAt,targetCommitish")
    assert shown == {"isDraft": True, "publishedAt": None, "targetCommitish": tip}
    person.gh("api", "repos/{owner}/{repo}/git/ref/tags/v1", code=1)
    person.gh("release", "upload", "v1", "two (2).txt")
    assert person.assets("v1") == ["demo-1.0+local.whl", "two.2.txt"]
    assert "already exists" in person.gh("release", "upload", "v1", "two (2).txt", code=1)
    person.file("demo-1.0+local.whl", b"other")
    person.gh("release", "upload", "v1", "--clobber", "demo-1.0+local.whl")
    person.gh("release", "edit", "v1", "--draft=false")
    assert person.json("api", "repos/{owner}/{repo}/git/ref/tags/v1")["object"]["sha"] == tip
    assert "already exists" in person.gh("release", "create", "v1", "--notes", "", "two (2).txt", code=1)
    person.gh("release", "download", "v1", "--dir", "down")
    assert {path.name: path.read_bytes() for path in (person.folder / "down").iterdir()} == {
        "demo-1.0+local.whl": b"other",
        "two.2.txt": b"two",
    }
    storage = [call for call in person.hub.calls if call.kind == "storage"]
    assert storage
    assert not [call for call in storage if "authorization" in call.headers]
    person.gh("release", "delete", "v1", "--yes", "--cleanup-tag")
    assert person.gh("release", "list") == ""
    person.gh("api", "repos/{owner}/{repo}/git/ref/tags/v1", code=1)


@pytest.mark.slow
def test_gh_makes_repositories(person: Person) -> None:
    assert person.gh("repo", "create", "own", "--private").strip() == f"{person.hub.url}/ada/own"
    assert "already exists" in person.gh("repo", "create", "own", "--private", code=1)
    empty = person.hub.find("ada/own")
    assert empty is not None
    assert empty.private
    assert "HTTP 409" in person.gh("api", "repos/ada/own/git/ref/heads/main", code=1)
    person.gh("repo", "create", "begun", "--public", "--add-readme")
    begun = person.hub.find("ada/begun")
    assert begun is not None
    assert not begun.private
    assert person.json("api", "repos/ada/begun/contents/README.md")["size"] == len("# begun\n")


@pytest.mark.slow
def test_what_wharf_published_gh_lists_shows_and_downloads(person: Person, tmp_path: Path) -> None:
    files = [make_wheel(tmp_path, "demo", "1.0"), make_wheel(tmp_path, "demo", "1.0+local.1")]
    with person.wharf() as repository:
        done = publish(repository, [Input.of(path) for path in files], actor="ada")
    assert done.commit is not None
    listed = {line.split("\t")[2]: line.split("\t")[1] for line in person.gh("release", "list").splitlines()}
    assert listed == {"demo-1.0": "", "demo-1.0+local.1": ""}
    for tag, path in zip(sorted(listed), files, strict=True):
        assert path.name in person.assets(tag)
        person.gh("release", "download", tag, "--pattern", "*.whl", "--dir", "down")
        assert (person.folder / "down" / path.name).read_bytes() == path.read_bytes()
        shown = person.json("release", "view", tag, "--json", "isDraft,tagName,body")
        assert (shown["isDraft"], shown["tagName"]) == (False, tag)
        assert "published by wharf" in shown["body"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["draft", "published", "tag"])
def test_what_gh_released_under_our_name_is_left_alone(person: Person, tmp_path: Path, how: str) -> None:
    path = make_wheel(tmp_path, "demo", "1.0")
    person.file(path.name, b"by hand")
    if how == "tag":
        tip = person.json("api", "repos/{owner}/{repo}/git/ref/heads/main")["object"]["sha"]
        person.gh("api", "repos/{owner}/{repo}/git/refs", "-f", "ref=refs/tags/demo-1.0", "-f", f"sha={tip}")
    else:
        more = ["--draft"] if how == "draft" else []
        person.gh("release", "create", "demo-1.0", *more, "--notes", "by hand", path.name)
    with person.wharf() as repository:
        done = publish(repository, [Input.of(path)], actor="ada")
        tag = done.published[0].file.location["tag"]
        assert verify(repository).ok
    if how == "draft":  # it has no tag: the first to publish gets it
        assert tag == "demo-1.0"
        drafts = [each for each in person.json("api", "repos/{owner}/{repo}/releases") if each["draft"]]
        assert [[asset["size"] for asset in each["assets"]] for each in drafts] == [[len(b"by hand")]]
        assert "HTTP 422" in person.gh(
            "api", "-X", "PATCH", f"repos/acme/pkgs/releases/{drafts[0]['id']}", "-F", "draft=false", code=1
        )
    else:
        assert tag == "demo-1.0_2"
    if how == "published":
        person.gh("release", "download", "demo-1.0", "--dir", "mine")
        assert (person.folder / "mine" / path.name).read_bytes() == b"by hand"
        person.gh("release", "delete", "demo-1.0", "--yes", "--cleanup-tag")
        with person.wharf() as repository:
            assert verify(repository).ok, "what was by hand is no part of the index"


@pytest.mark.slow
def test_a_tag_that_was_deleted_is_told_and_put_back_by_hand(person: Person, tmp_path: Path) -> None:
    """GitHub makes a draft of a release whose tag is deleted: who may only read gets nothing from it any more."""
    path = make_wheel(tmp_path, "demo", "1.0")
    with person.wharf() as repository:
        publish(repository, [Input.of(path)], actor="ada")
    person.gh("api", "-X", "DELETE", "repos/{owner}/{repo}/git/refs/tags/demo-1.0")
    assert person.json("release", "view", "demo-1.0", "--json", "isDraft") == {"isDraft": True}
    person.hub.clock.forward(2 * 86400)
    with person.wharf() as repository:
        (problem,) = verify(repository, repair=True).problems
        assert problem.kind == "missing-bytes"
        assert "draft" in problem.detail
    person.gh("release", "edit", "demo-1.0", "--draft=false")
    with person.wharf() as repository:
        assert verify(repository).ok


@pytest.mark.slow
def test_the_token_comes_from_gh_for_its_own_host_alone(person: Person) -> None:
    def find(repo: str) -> tuple[str, str] | None:
        settings = resolve({"repo": repo}, {}, (), data=person.folder, cache=person.folder)
        found = credentials.find(settings, person.environ)
        if found is None:
            return None
        assert isinstance(found.token, Secret)
        return found.token.reveal(), found.source

    token = person.gh("auth", "token", "--hostname", person.hub.host).strip()
    assert token in person.hub.tokens
    assert find(f"{person.hub.url}/acme/pkgs") == (token, f"gh auth token --hostname {person.hub.host}")
    storage = parse(f"{person.hub.storage_url}/acme/pkgs")
    assert storage is not None
    assert find(storage.web) is None
    assert find("acme/pkgs") is None
