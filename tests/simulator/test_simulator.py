"""The simulator of GitHub against GitHub itself: its description of the API, recorded real exchanges, independent clients."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import github
import httpx
import pytest
from github import Auth, Github

from tests.simulator import Hub, Repo, plumbing, schema
from tests.simulator.openapi import Description
from tests.simulator.rest_releases import mangled

if TYPE_CHECKING:
    from collections.abc import Iterator

ORG = "octokit-fixture-org"
NOT_REPLAYED = {
    "get-archive": "wharf never asks for an archive of the source",
    "errors": "labels are no matter of wharf's; the form of its error body is compared in `release-assets-conflict`",
    "branch-protection": "rules are set by the simulator's own attributes; test_remote_branch.py has what they do to a push",
    "paginate-issues": "issues are no matter of wharf's; the form of the Link header is compared with that of releases below",
    **dict.fromkeys(
        (
            *("add-and-remove-repository-collaborator", "add-labels-to-issue", "create-status", "get-organization", "labels"),
            *("lock-issue", "mark-notifications-as-read", "markdown", "project-cards", "search-issues"),
        ),
        "no matter of wharf's",
    ),
}


def _place(variable: str) -> Path:
    """A GitHub file that is not part of this repository (docs/testing.md)."""
    if os.environ.get(variable):
        return Path(os.environ[variable])
    if os.environ.get("CI"):
        pytest.fail(f"{variable} is not set")
    pytest.skip(f"{variable} is not set: docs/testing.md says how the file is had")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture(scope="module")
def description() -> Description:
    return Description(_place("WHARF_GITHUB_OPENAPI"))


@pytest.fixture(scope="module")
def recorded() -> dict[str, list[dict[str, Any]]]:
    found = json.loads(_place("WHARF_GITHUB_RECORDED").read_text())["scenarios"]
    return {name: scenario["normalized"] for name, scenario in found.items()}


class Asker:
    """Sends requests and holds each answer against the description."""

    def __init__(self, hub: Hub, token: str | None, description: Description) -> None:
        self._description = description
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=f"{hub.url}/api/v3", headers=headers)
        self.asked: set[str] = set()

    def __call__(self, method: str, path: str, status: int, body: Any = None, **more: Any) -> Any:
        content = more.pop("content", None)
        answer = self._client.request(method, path, json=body if content is None else None, content=content, **more)
        assert answer.status_code == status, answer.text
        plain = answer.request.url.path.removeprefix("/api/v3").replace("/api/uploads", "")
        kind = answer.headers.get("content-type", "")
        assert self._description.problems(method, plain, status, kind, answer.content) == []
        self.asked.add(f"{method} {self._description.template(plain)}")
        return answer.json() if "json" in kind and answer.content else answer

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()


def test_every_answer_is_one_that_github_describes(hub: Hub, description: Description) -> None:
    repo = hub.create("acme/pkgs")
    with Asker(hub, hub.token("alice", {"acme/pkgs": "admin"}), description) as ask:
        _walk(ask, repo)
        assert len(ask.asked) > 25


def _walk(ask: Asker, repo: Repo) -> None:
    at = "/repos/acme/pkgs"
    for path in ("/meta", "/rate_limit", "/user", at, f"{at}/branches/main", f"{at}/contents/README.md", f"{at}/releases"):
        ask("GET", path, 200)
    tip = ask("GET", f"{at}/git/ref/heads/main", 200)["object"]["sha"]
    blob = ask("POST", f"{at}/git/blobs", 201, {"content": base64.b64encode(b"x").decode(), "encoding": "base64"})["sha"]
    entry = {"path": "wharf.toml", "mode": "100644", "type": "blob", "sha": blob}
    tree = ask("POST", f"{at}/git/trees", 201, {"tree": [entry]})["sha"]
    commit = ask("POST", f"{at}/git/commits", 201, {"message": "begin", "tree": tree, "parents": []})["sha"]
    ask("POST", f"{at}/git/refs", 201, {"ref": "refs/heads/wharf/main", "sha": commit})
    ask("POST", f"{at}/git/refs", 422, {"ref": "refs/heads/wharf/main", "sha": commit})
    ask("GET", f"{at}/git/matching-refs/heads/wharf", 200)
    ask("GET", f"{at}/git/commits/{commit}", 200)
    ask("PUT", f"{at}/contents/NEW.md", 201, {"message": "new", "content": "eA=="})

    draft = ask("POST", f"{at}/releases", 201, {"tag_name": "demo-1.0", "draft": True, "target_commitish": tip})
    upload = draft["upload_url"].partition("{")[0]
    asset = ask("POST", f"{upload}?name=a.whl", 201, content=b"bytes")
    assert asset["digest"] == f"sha256:{hashlib.sha256(b'bytes').hexdigest()}"
    ask("POST", f"{upload}?name=a.whl", 422, content=b"bytes")
    ask("GET", f"{at}/releases/tags/demo-1.0", 404)
    done = ask("PATCH", f"{at}/releases/{draft['id']}", 200, {"draft": False, "make_latest": "false"})
    assert repo.git_dir.joinpath("refs/tags/demo-1.0").read_text().strip() == tip
    for path in (f"releases/{done['id']}", f"releases/{done['id']}/assets", f"releases/assets/{asset['id']}", "releases"):
        ask("GET", f"{at}/{path}", 200)
    ask("GET", f"{at}/releases/tags/demo-1.0", 200)
    ask("GET", f"{at}/releases/assets/{asset['id']}", 302, headers={"accept": "application/octet-stream"})
    ask("POST", f"{at}/releases", 422, {"tag_name": "demo-1.0"})
    ask("PATCH", f"{at}/releases/assets/{asset['id']}", 200, {"name": "b.whl"})
    ask("DELETE", f"{at}/releases/assets/{asset['id']}", 204)
    ask("GET", f"{at}/releases/assets/{asset['id']}", 404)
    ask("DELETE", f"{at}/releases/{done['id']}", 204)
    ask("PATCH", f"{at}/git/refs/heads/wharf/main", 422, {"sha": tip})
    ask("DELETE", f"{at}/git/refs/heads/wharf/main", 204)
    ask("GET", f"{at}/git/ref/heads/wharf/main", 404)
    ask("GET", f"{at}/immutable-releases", 404)
    ask("PUT", f"{at}/immutable-releases", 204)
    ask("GET", f"{at}/immutable-releases", 200)
    ask("POST", "/user/repos", 201, {"name": "own", "private": True, "auto_init": True})
    ask("POST", "/user/repos", 422, {"name": "own"})


def test_refusals_are_those_that_github_describes(hub: Hub, description: Description) -> None:
    repo = hub.create("acme/pkgs")
    hub.create("acme/empty", auto_init=False)
    at = "/repos/acme/pkgs"
    for token, status, path in (
        ("ghp_wrong", 401, at),
        (None, 404, at),
        (hub.token("eve", {}), 404, f"{at}/git/ref/heads/main"),
        (hub.token("bot", {"acme/pkgs": "read"}, kind="actions"), 403, "/user"),
        (hub.token("bob", {"acme/empty": "read"}), 409, "/repos/acme/empty/git/matching-refs/heads"),
    ):
        with Asker(hub, token, description) as ask:
            ask("GET", path, status)
    with Asker(hub, hub.token("bob", {"acme/pkgs": "read"}), description) as reader:
        _refused(hub, repo, reader)


def _refused(hub: Hub, repo: Repo, reader: Asker) -> None:
    at = "/repos/acme/pkgs"
    reader("POST", f"{at}/releases", 404, {"tag_name": "x", "draft": True})
    etag = httpx.get(f"{hub.url}/api/v3{at}", headers=dict(reader._client.headers)).headers["etag"]
    reader("GET", at, 304, headers={"if-none-match": etag})
    repo.rename("acme/other")
    reader("GET", at, 301)
    hub.fault("GET /api/v3/repos", "secondary")
    reader("GET", "/repos/acme/other", 403)
    hub.fault("GET /api/v3/repos", "502")
    reader("GET", "/repos/acme/other", 502)


def _shape(value: Any) -> Any:
    """Types and keys, which is what can be compared between a recording and something alive."""
    if isinstance(value, dict):
        return {key: _shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shape(value[0])] if value else []
    return type(value).__name__


def _missing(real: Any, ours: Any, path: str = "") -> list[str]:
    """What a recorded body has, and ours has not, or not of that type; what may be null in one of them is no difference."""
    if isinstance(real, dict) and isinstance(ours, dict):
        return [
            line
            for key, value in real.items()
            for line in ([f"{path}/{key}"] if key not in ours else _missing(value, ours[key], f"{path}/{key}"))
        ]
    if isinstance(real, list) and isinstance(ours, list):
        return _missing(real[0], ours[0], f"{path}/0") if real and ours else []
    return [] if "NoneType" in {real, ours} or real == ours else [f"{path}: {ours}, not {real}"]


# What GitHub tells in these old recordings of things that a package index has no part in, or does not tell any more.
ASIDE = {
    "request_id", "temp_clone_token", "allow_squash_merge", "allow_merge_commit", "allow_rebase_merge", "allow_auto_merge",
    "delete_branch_on_merge", "allow_update_branch", "use_squash_pr_title_as_default", "squash_merge_commit_message",
    "squash_merge_commit_title", "merge_commit_message", "merge_commit_title", "security_and_analysis", "allow_forking",
    "web_commit_signoff_required", "custom_properties", "verification", "mentions_count", "user_view_type",
}  # fmt: skip


def _prepare(hub: Hub, name: str) -> str:
    """The state in which a recording was made; a token."""
    slug = f"{ORG}/{'hello-world' if name in {'get-content', 'get-repository'} else name}"
    repo = hub.create(slug, private=False)
    token = hub.token("octokit-fixture-user-a", {slug: "admin"})
    if name.startswith("release-assets"):
        headers = {"authorization": f"Bearer {token}"}
        made = httpx.post(
            f"{hub.url}/api/v3/repos/{slug}/releases", headers=headers, json={"tag_name": "v1.0.0", "name": "v1.0.0"}
        )
        assert made.status_code == 201
        if name == "release-assets-conflict":
            upload = made.json()["upload_url"].partition("{")[0]
            assert httpx.post(f"{upload}?name=test-upload.txt", headers=headers, content=b"x").status_code == 201
    assert repo.slug == slug
    return token


class Replay:
    """Sends recorded requests, with the ids of now in the place of those of then."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        self.token = _prepare(hub, name)
        self.ids: dict[str, str] = {}

    def send(self, exchange: dict[str, Any]) -> httpx.Response:
        path = exchange["path"]
        for kind, prefix in (("release", "/releases/"), ("asset", "/releases/assets/"), ("repo", "/repositories/")):
            for old, new in [(old, new) for (of, old), new in self._ids(kind)]:
                path = path.replace(f"{prefix}{old}", f"{prefix}{new}")
        upload = exchange["method"] == "post" and "/assets?" in path
        repo = self.hub.find(f"{ORG}/git-refs")
        sha = {"sha": repo.git_dir.joinpath("refs/heads/main").read_text().strip()} if repo else {}
        body = exchange["body"]
        content = body.encode() if isinstance(body, str) else json.dumps({**body, **(sha if "sha" in body else {})}).encode()
        return httpx.request(
            exchange["method"].upper(),
            f"{self.hub.url}/api/{'uploads' if upload else 'v3'}{path}",
            headers={"accept": exchange["reqheaders"].get("accept", "*/*"), "authorization": f"token {self.token}"},
            content=content,
        )

    def _ids(self, kind: str) -> list[tuple[tuple[str, str], str]]:
        return [((kind, old.partition(":")[2]), new) for old, new in self.ids.items() if old.startswith(f"{kind}:")]

    def learn(self, exchange: dict[str, Any], answer: httpx.Response) -> None:
        """Which id of then stands for which of now."""
        real = exchange["response"]
        ours = answer.json() if answer.content and "json" in answer.headers.get("content-type", "") else None
        for one, other in zip(_objects(real), _objects(ours), strict=False):
            kind = "asset" if "browser_download_url" in one else "release" if "upload_url" in one else "repo"
            self.ids[f"{kind}:{one.get('id')}"] = str(other.get("id"))
        if isinstance(real, dict) and "/repositories/" in str(real.get("url")) and isinstance(ours, dict):
            self.ids[f"repo:{real['url'].rpartition('/')[2]}"] = ours["url"].rpartition("/")[2]


def _objects(value: Any) -> list[dict[str, Any]]:
    found = value if isinstance(value, list) else [value]
    return [each for each in found if isinstance(each, dict) and "id" in each]


@pytest.mark.parametrize(
    "name",
    [
        *("release-assets", "release-assets-conflict", "git-refs", "create-file"),
        *("get-content", "get-repository", "rename-repository", "get-root"),
    ],
)
def test_a_recorded_exchange_goes_the_same_way(hub: Hub, recorded: dict[str, list[dict[str, Any]]], name: str) -> None:
    replay = Replay(hub, name)
    for exchange in recorded[name]:
        what = f"{exchange['method']} {exchange['path']}"
        answer = replay.send(exchange)
        assert answer.status_code == exchange["status"], f"{what}: {answer.text}"
        for header in ("link", "location", "x-ratelimit-limit", "x-ratelimit-resource"):
            assert (header in answer.headers) == (header in exchange["headers"]), f"{what}: {header}"
        kind = exchange["headers"].get("content-type", "").partition(";")[0]
        assert answer.headers.get("content-type", "").partition(";")[0] == kind or exchange["status"] == 204, what
        if "json" in kind and exchange["response"]:
            lines = _missing(_shape(exchange["response"]), _shape(answer.json()))
            assert [line for line in lines if not set(line.partition(":")[0].split("/")) & ASIDE] == [], what
            if exchange["status"] >= 400:
                assert [_kept(each) for each in answer.json()["errors"]] == [
                    _kept(each) for each in exchange["response"]["errors"]
                ]
                assert answer.json()["message"] == exchange["response"]["message"]
        replay.learn(exchange, answer)


def _kept(error: dict[str, str]) -> dict[str, str]:
    return {key: error[key] for key in ("resource", "code", "field")}


def test_every_recording_is_replayed_or_left_out_for_a_reason(recorded: dict[str, list[dict[str, Any]]]) -> None:
    marks = test_a_recorded_exchange_goes_the_same_way.pytestmark
    replayed = set(marks[0].args[1])
    assert replayed <= set(recorded) <= {*replayed, *NOT_REPLAYED}


def _type_of(wrapped: dict[str, Any]) -> dict[str, Any]:
    while wrapped["ofType"]:
        wrapped = wrapped["ofType"]
    return wrapped


def test_what_graphql_can_be_asked_is_what_github_s_schema_has() -> None:
    """So that a query that the simulator takes is one that GitHub takes."""
    types = {each["name"]: each for each in json.loads(_place("WHARF_GITHUB_GRAPHQL").read_text())["__schema"]["types"]}
    missing = []
    for name, fields in schema.TYPES.items():
        if name.startswith("__"):
            continue  # of GraphQL itself
        real = {each["name"]: each for each in types[name]["fields"]}
        for field, kind in fields.items():
            if field.startswith("__"):
                continue
            if field not in real:
                missing.append(f"{name}.{field}")
                continue
            found = _type_of(real[field]["type"])
            assert kind == (found["name"] if found["kind"] in {"OBJECT", "INTERFACE", "UNION"} else ""), f"{name}.{field}"
            needed = {each["name"] for each in real[field]["args"] if each["type"]["kind"] == "NON_NULL"}
            assert needed == schema.NEEDED.get((name, field), set()), f"{name}.{field}"
    for name, fields in schema.INPUTS.items():
        real = {each["name"]: each["type"] for each in types[name]["inputFields"]}
        for field, kind in fields.items():
            found = _type_of(real[field])
            assert kind.removesuffix("!") == (found["name"] if found["kind"] == "INPUT_OBJECT" else ""), f"{name}.{field}"
            assert kind.endswith("!") == (real[field]["kind"] == "NON_NULL"), f"{name}.{field}"
    assert set(missing) <= {"Release.immutable"}, "which gh asks for, and the npm package does not have yet"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("query { createCommitOnBranch(input: {}) { commit { oid } } }", "undefinedField"),
        (
            'mutation { createRepository(input: {name: "x", visibility: PRIVATE, x: 1}) { repository { id } } }',
            "INVALID_VARIABLES",
        ),
        ('mutation { createRepository(input: {name: "x"}) { repository { id } } }', "INVALID_VARIABLES"),
        ("query($a: String!) { viewer { login } }", "variableNotUsed"),
        ("query { rateLimit }", "selectionMismatch"),
        ('query { repository(owner: "acme") { id } }', "missingRequiredArguments"),
    ],
)
def test_graphql_that_github_does_not_understand_is_not_carried_out(hub: Hub, query: str, code: str) -> None:
    headers = {"authorization": f"Bearer {hub.token('ada', {})}"}
    answer = httpx.post(f"{hub.url}/api/graphql", headers=headers, json={"query": query})
    assert answer.status_code == 200
    assert "data" not in answer.json()
    assert [each["extensions"]["code"] for each in answer.json()["errors"]] == [code]


def test_pages_of_a_list_are_linked_as_in_the_recording(hub: Hub, recorded: dict[str, list[dict[str, Any]]]) -> None:
    real = recorded["paginate-issues"][0]["headers"]["link"]
    hub.create("acme/pkgs")
    headers = {"authorization": f"Bearer {hub.token('alice', {'acme/pkgs': 'write'})}"}
    at = f"{hub.url}/api/v3/repos/acme/pkgs/releases"
    for number in range(7):
        httpx.post(at, headers=headers, json={"tag_name": f"t{number}", "draft": True}).raise_for_status()
    ours = httpx.get(at, headers=headers, params={"per_page": "3"}).headers["link"]
    assert [each.partition(";")[2] for each in ours.split(",")] == [each.partition(";")[2] for each in real.split(",")]
    assert "/repositories/" in ours
    assert "/repositories/" in real


def test_pygithub_publishes_a_release(hub: Hub, tmp_path: Path) -> None:
    hub.create("acme/pkgs")
    token = hub.token("alice", {"acme/pkgs": "write"})
    client = Github(auth=Auth.Token(token), base_url=f"{hub.url}/api/v3", seconds_between_requests=0, seconds_between_writes=0)
    stranger = Github(auth=Auth.Token("wrong"), base_url=f"{hub.url}/api/v3", seconds_between_requests=0)
    repo = client.get_repo("acme/pkgs")
    release = repo.create_git_release("demo-1.0", "demo-1.0", "text", draft=True, target_commitish="main")
    path = tmp_path / "demo-1.0+x.tar.gz"
    path.write_bytes(b"bytes")
    asset = release.upload_asset(str(path))
    assert (asset.name, asset.state, asset.size) == ("demo-1.0+x.tar.gz", "uploaded", 5)
    release.update_release("demo-1.0", "text", draft=False)
    assert [asset.name for asset in repo.get_release("demo-1.0").get_assets()] == ["demo-1.0+x.tar.gz"]
    assert [each.tag_name for each in repo.get_releases()] == ["demo-1.0"]
    assert repo.get_git_ref("tags/demo-1.0").object.sha == repo.get_branch("main").commit.sha
    with pytest.raises(github.UnknownObjectException):
        client.get_repo("acme/nothing")
    with pytest.raises(github.BadCredentialsException):
        stranger.get_repo("acme/pkgs")
    client.close()
    stranger.close()


@pytest.mark.slow
def test_git_clones_and_pushes(hub: Hub, tmp_path: Path) -> None:
    repo = hub.create("acme/pkgs")
    repo.protected.add("locked")
    token = hub.token("alice", {"acme/pkgs": "write"})
    login = f"http.extraHeader=Authorization: Basic {base64.b64encode(f'x-access-token:{token}'.encode()).decode()}"

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        who = [
            "-c",
            "user.name=Ada",
            "-c",
            "user.email=ada@example.org",
            "-c",
            login,
        ]
        return subprocess.run(["git", *who, *words], capture_output=True, text=True, check=False, cwd=tmp_path)

    url = f"{hub.url}/acme/pkgs.git"
    assert git("clone", "--quiet", "--depth=1", "--filter=blob:none", url, "clone").returncode == 0
    (tmp_path / "clone" / "new").write_text("x" * 2_000_000)
    for words in (
        ("add", "new"),
        ("commit", "--quiet", "-m", "new"),
        ("push", "--quiet", "origin", "HEAD:refs/heads/wharf/main"),
    ):
        done = git("-C", "clone", *words)
        assert done.returncode == 0, done.stderr
    assert repo.git_dir.joinpath("refs/heads/wharf/main").is_file()
    shallow = ("fetch", "--quiet", "--depth=1", "--filter=blob:none", url, "wharf/main")
    assert git("init", "--quiet", "--bare", "later.git").returncode == 0
    assert git("-C", "later.git", *shallow).returncode == 0
    blob = git("-C", "clone", "rev-parse", "HEAD:new").stdout.strip()
    brought = subprocess.run(
        ["git", "-c", login, "-C", "later.git", "fetch", "--quiet", "--stdin", url],
        input=f"{blob}\n", text=True, check=False, cwd=tmp_path, capture_output=True,
    )  # fmt: skip
    assert brought.returncode == 0, brought.stderr
    assert git("-C", "later.git", "cat-file", "-s", blob).stdout.strip() == "2000000"
    refused = git("-C", "clone", "push", "origin", "HEAD:refs/heads/locked")
    assert refused.returncode == 1
    assert "GH006" in refused.stderr


@pytest.mark.parametrize(
    ("name", "stored"),
    [  # as people reported what GitHub had made of their names
        (
            "a5_ !#$%&'() ,-.0123456789;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{}~.txt",
            "a5_.-.0123456789.ABCDEFGHIJKLMNOPQRSTUVWXYZ._.abcdefghijklmnopqrstuvwxyz.txt",
        ),
        ("tobwen-1.1.0-1~buster_amd64.deb", "tobwen-1.1.0-1.buster_amd64.deb"),
        ("erick%%%%%!!!zhao.txt", "erick.zhao.txt"),
        ("app-(15-5)-release.apk", "app-.15-5.-release.apk"),
        ("My App 1.0.0 Setup.exe", "My.App.1.0.0.Setup.exe"),
        ("demo-1.0+cpu.whl", "demo-1.0+cpu.whl"),
    ],
)
def test_names_are_changed_as_github_changes_them(name: str, stored: str) -> None:
    assert mangled(name) == stored


def test_it_is_no_kinder_than_github(hub: Hub) -> None:
    repo = hub.create("acme/pkgs")
    at = f"{hub.url}/api/v3/repos/acme/pkgs"
    ada, bob = ({"authorization": f"Bearer {hub.token(each, {'acme/pkgs': 'write'})}"} for each in ("ada", "bob"))
    draft = httpx.post(f"{at}/releases", headers=ada, json={"tag_name": "x", "draft": True}).json()
    upload = f"{draft['upload_url'].partition('{')[0]}?name=x"
    assert httpx.post(upload, headers=ada, content=b"").status_code == 400, "nothing can be uploaded"
    assert httpx.post(upload, headers=ada, content=iter([b"bytes"])).status_code == 400, "how much it will be is said before"
    etag = httpx.get(at, headers=ada).headers["etag"]
    assert httpx.get(at, headers={**ada, "if-none-match": etag}).status_code == 304
    assert httpx.get(at, headers={**bob, "if-none-match": etag}).status_code == 200, "a validator is of one token"
    assert httpx.head(f"{at}/releases/{draft['id']}", headers=ada).status_code == 200
    reader = {"authorization": f"Bearer {hub.token('eve', {'acme/pkgs': 'read'})}"}
    assert httpx.get(f"{at}/releases/{draft['id']}", headers=reader).status_code == 404, "a draft is not for readers"
    git = f"{hub.url}/acme/pkgs.git/info/refs?service=git-upload-pack"
    assert httpx.get(git, headers=ada).status_code == 401, "git's addresses take Basic alone"
    hub.clock.forward(86400)
    done = httpx.patch(f"{at}/releases/{draft['id']}", headers=ada, json={"draft": False}).json()
    assert done["created_at"] == plumbing.commit_date(repo.git_dir, "main") < done["published_at"]
    assert httpx.delete(f"{at}/git/refs/tags/x", headers=ada).status_code == 204
    assert httpx.get(f"{at}/releases/{draft['id']}", headers=ada).json()["draft"], "without its tag it is a draft again"


@pytest.mark.slow
def test_a_fork_and_its_source_hand_out_each_other_s_commits_by_id_and_share_no_ref(hub: Hub, tmp_path: Path) -> None:
    source = hub.create("acme/pkgs", private=False)
    fork = hub.fork("acme/pkgs", "mallory/pkgs")
    assert plumbing.refs(fork.git_dir) == plumbing.refs(source.git_dir)
    clone = ["git", "clone", "--quiet", "--depth=1", f"{hub.url}/mallory/pkgs.git", str(tmp_path / "clone")]
    subprocess.run(clone, check=True, env=plumbing.environment())
    headers = {"authorization": f"Bearer {hub.token('mallory', {'mallory/pkgs': 'write'})}"}
    at = f"{hub.url}/api/v3/repos"
    written = {"message": "evil", "content": "eA=="}
    put = httpx.put(f"{at}/mallory/pkgs/contents/evil", headers=headers, json=written)
    commit = put.json()["commit"]["sha"]
    assert (put.status_code, httpx.get(f"{at}/acme/pkgs/git/commits/{commit}").json()["message"]) == (201, "evil")
    assert httpx.get(f"{at}/mallory/pkgs", headers=headers).json()["fork"] is True
    assert commit not in plumbing.refs(source.git_dir).values()
    fetch = ["git", "--git-dir", str(tmp_path / "clone" / ".git"), "fetch", "--quiet", f"{hub.url}/acme/pkgs.git", commit]
    subprocess.run(fetch, check=True, env=plumbing.environment())


def test_an_empty_repository_takes_no_objects_and_no_releases(hub: Hub) -> None:
    hub.create("acme/empty", auto_init=False)
    at = f"{hub.url}/api/v3/repos/acme/empty"
    headers = {"authorization": f"Bearer {hub.token('ada', {'acme/empty': 'write'})}"}
    for path in ("git/blobs", "git/trees", "git/commits", "git/refs"):
        assert httpx.post(f"{at}/{path}", headers=headers, json={}).status_code == 409, path
    assert httpx.post(f"{at}/releases", headers=headers, json={"tag_name": "x"}).status_code == 422


def test_new_contents_are_counted_together_however_they_come(hub: Hub) -> None:
    hub.create("acme/pkgs")
    hub.limits.contents_minute = 2
    headers = {"authorization": f"Bearer {hub.token('ada', {'acme/pkgs': 'write'})}"}
    made = [
        httpx.post(f"{hub.url}/api/v3/repos/acme/pkgs/releases", headers=headers, json={"tag_name": tag, "draft": True})
        for tag in ("a", "b")
    ]
    assert [each.status_code for each in made] == [201, 201]
    query = 'mutation { createRepository(input: {name: "x", visibility: PRIVATE}) { repository { id } } }'
    refused = httpx.post(f"{hub.url}/api/graphql", headers=headers, json={"query": query})
    assert (refused.status_code, int(refused.headers["retry-after"]) > 50) == (403, True)
