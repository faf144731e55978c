"""REST: releases and their assets."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.simulator import plumbing, shapes, storage
from tests.simulator.answers import Answer, Context, Refusal, error, invalid, reply
from tests.simulator.state import LEVELS, Asset, Release

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ASSETS = 1000


def page(context: Context, items: Sequence[object], path: str) -> Answer:
    """One page of a list, with the Link header."""
    query = context.request.query
    size = min(100, max(1, _number(query.get("per_page"), 30)))
    number = max(1, _number(query.get("page"), 1))
    last = max(1, -(-len(items) // size))
    links = []
    for relation, target in (("prev", number - 1), ("next", number + 1), ("last", last), ("first", 1)):
        useful = number > 1 if relation in {"prev", "first"} else number < last
        if useful:
            url = f"{context.hub.api}/repositories/{context.repo.id}{path}?per_page={size}&page={target}"
            links.append(f'<{url}>; rel="{relation}"')
    headers = {"link": ", ".join(links)} if links else {}
    return reply(200, items[(number - 1) * size : number * size], headers)


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default


def _shape(context: Context, release: Release) -> dict[str, Any]:
    found = shapes.release(context.hub, context.repo, release)
    if context.repo.sparse:
        del found["immutable"], found["updated_at"]
    return found


def _visible(context: Context) -> list[Release]:
    """Drafts for those alone who may push."""
    return context.repo.visible(drafts=context.level >= LEVELS["write"])


def _find(context: Context) -> Release:
    number = int(context.args[0])
    for release in _visible(context):
        if release.id == number:
            return release
    raise Refusal(error(404))


def _find_asset(context: Context) -> tuple[Release, Asset]:
    number = int(context.args[0])
    for release in _visible(context):
        for asset in release.assets:
            if asset.id == number:
                return release, asset
    raise Refusal(error(404))


def get_all(context: Context) -> Answer:
    with context.hub.lock:
        releases = _visible(context)
        return page(context, [_shape(context, release) for release in releases], "/releases")


def get(context: Context) -> Answer:
    with context.hub.lock:
        return reply(200, _shape(context, _find(context)))


def get_by_tag(context: Context) -> Answer:
    with context.hub.lock:
        for release in context.repo.releases:
            if release.tag_name == context.args[0] and not release.draft:
                return reply(200, _shape(context, release))
    return error(404)


def get_latest(context: Context) -> Answer:
    with context.hub.lock:
        found = context.repo.latest()
        return reply(200, _shape(context, found)) if found else error(404)


def _set(context: Context, release: Release, asked: dict[str, Any]) -> None:
    release.updated_at = context.hub.clock.text()
    release.tag_name = asked.get("tag_name") or release.tag_name
    release.target_commitish = asked.get("target_commitish") or release.target_commitish
    release.name = asked.get("name", release.name)
    release.body = asked.get("body", release.body)
    release.prerelease = bool(asked.get("prerelease", release.prerelease))
    release.latest = str(asked.get("make_latest", release.latest)).lower() != "false"


def _custom(message: str, field: str | None = None) -> dict[str, str]:
    return {"resource": "Release", "code": "custom", **({"field": field} if field else {}), "message": message}


_NO_TAG = _custom("Published releases must have a valid tag")


def _publish(context: Context, release: Release) -> None:
    """Claims the tag's name, makes the tag, shows the release. Raises Refusal."""
    hub, repo = context.hub, context.repo
    tag = release.tag_name
    with hub.lock:
        owned = {each.tag_name for each in repo.releases if not each.draft and each is not release}
        if tag in repo.burned | repo.closed_tags:
            rule = "pre_receive Repository rule violations found\n\nCannot create ref due to creations being restricted.\n\n"
            burned = [_custom("tag_name was used by an immutable release", "tag_name")] if tag in repo.burned else []
            raise Refusal(error(422, errors=[_custom(rule, "pre_receive"), *burned, _NO_TAG]))
        if tag in owned | repo.publishing:
            raise Refusal(invalid("Release", "tag_name", "already_exists"))
        repo.publishing.add(tag)
    try:
        ref = f"refs/tags/{tag}"
        if plumbing.read_ref(repo.git_dir, ref) is None:
            target = plumbing.resolve(repo.git_dir, release.target_commitish)
            if target is None:
                wrong = {"resource": "Release", "code": "invalid", "field": "target_commitish"}
                raise Refusal(error(422, errors=[_custom("tag_name is not a valid tag", "tag_name"), _NO_TAG, wrong]))
            try:
                plumbing.update_ref(repo.git_dir, ref, target, plumbing.ZERO)
            except plumbing.GitError:
                if plumbing.read_ref(repo.git_dir, ref) is None:
                    entries = [_custom("tag_name is not a valid tag", "tag_name"), _NO_TAG]
                    raise Refusal(error(422, errors=entries)) from None
            hub.ref_changed(repo, ref, plumbing.ZERO, target, release.author)
        with hub.lock:
            release.draft = False
            release.immutable = repo.immutable
            release.published_at = hub.clock.text()
            release.created_at = plumbing.commit_date(repo.git_dir, ref)
            if release.immutable:
                with (repo.git_dir / "simulator-tags").open("a") as file:
                    file.write(f"{ref}\n")
    finally:
        with hub.lock:
            repo.publishing.discard(tag)


def post(context: Context) -> Answer:
    hub, repo, asked = context.hub, context.repo, context.request.json()
    if not asked.get("tag_name"):
        return invalid("Release", "tag_name", "missing_field")
    if not plumbing.refs(repo.git_dir):
        return error(422, errors=[_custom("Repository is empty.")])
    token = context.request.token
    assert token is not None
    release = Release(
        id=hub.next_id(),
        tag_name=asked["tag_name"],
        target_commitish=repo.default_branch,
        author=token.login,
        created_at=hub.clock.text(),
    )
    _set(context, release, asked)
    if not asked.get("draft", False):
        _publish(context, release)
    with hub.lock:
        repo.releases.append(release)
        answer = _shape(context, release)
    return reply(201, answer, {"location": answer["url"]})


def patch(context: Context) -> Answer:
    asked = context.request.json()
    with context.hub.lock:
        release = _find(context)
        renamed = asked.get("tag_name", release.tag_name) != release.tag_name
        if release.immutable and (renamed or asked.get("draft")):
            return error(422, "Cannot update an immutable release.")
        if not release.draft and renamed:
            owned = {each.tag_name for each in context.repo.releases if not each.draft}
            if asked["tag_name"] in owned | context.repo.burned:
                return invalid("Release", "tag_name", "already_exists")
        _set(context, release, asked)
    # With the fault, 200, and the release is a draft nevertheless: people have seen that.
    if release.draft and asked.get("draft") is False and "draft" not in context.request.faults:
        _publish(context, release)
    with context.hub.lock:
        if asked.get("draft"):
            release.draft = True
        return reply(200, _shape(context, release))


def delete(context: Context) -> Answer:
    """The tag stays; the name of an immutable release is burned."""
    with context.hub.lock:
        release = _find(context)
        context.repo.releases.remove(release)
        if release.immutable:
            context.repo.burned.add(release.tag_name)
    for asset in release.assets:
        asset.data.unlink(missing_ok=True)
    return Answer(204)


def get_assets(context: Context) -> Answer:
    with context.hub.lock:
        release = _find(context)
        found = [shapes.asset(context.hub, context.repo, release, asset) for asset in release.assets]
        return page(context, found, f"/releases/{release.id}/assets")


def get_asset(context: Context) -> Answer:
    """Its record, or, where `Accept` asks for the bytes, the way to them."""
    with context.hub.lock:
        release, asset = _find_asset(context)
        if "application/octet-stream" not in context.request.headers.get("accept", ""):
            return reply(200, shapes.asset(context.hub, context.repo, release, asset))
        if asset.state != "uploaded":
            return error(404)
        asset.downloads += 1
    if "redirect200" in context.request.faults:
        disposition = f"attachment; filename={quote(asset.name)}"
        headers = {"content-type": "application/octet-stream", "content-disposition": disposition}
        return Answer(200, (asset.data, 0, asset.size), headers)
    return Answer(302, b"", {"location": storage.signed(context.hub, asset), "content-type": "text/html;charset=utf-8"})


def _changeable(release: Release, deed: str) -> None:
    if release.immutable:
        raise Refusal(error(422, f"Cannot {deed} an immutable release."))


def patch_asset(context: Context) -> Answer:
    asked = context.request.json()
    with context.hub.lock:
        release, asset = _find_asset(context)
        _changeable(release, "update assets of")
        name = mangled(asked.get("name") or asset.name)
        if any(each.name == name for each in release.assets if each is not asset):
            return invalid("ReleaseAsset", "name", "already_exists")
        asset.name = name
        asset.label = asked.get("label", asset.label)
        return reply(200, shapes.asset(context.hub, context.repo, release, asset))


def delete_asset(context: Context) -> Answer:
    with context.hub.lock:
        release, asset = _find_asset(context)
        _changeable(release, "delete assets from")
        release.assets.remove(asset)
    asset.data.unlink(missing_ok=True)
    return Answer(204)


def mangled(name: str) -> str:
    """The name that GitHub gives an asset: what it does not like becomes a dot, several dots one, and none stands at an end."""
    return re.sub(r"[^A-Za-z0-9_+-]+", ".", name).strip(".")


def upload(context: Context) -> Answer:
    """The body is the file; a query's bare `+` has become a blank by now."""
    hub, request = context.hub, context.request
    name = mangled(request.query.get("name", ""))
    if not name:
        return invalid("ReleaseAsset", "name", "missing_field")
    if not request.headers.get("content-length", "").strip("0"):  # neither empty files nor such of unknown length
        return error(400, "Bad Content-Length")
    starter = "starter" in request.faults
    number = hub.next_id()
    path = hub.root / "assets" / str(number)
    with path.open("wb") as file:
        if not starter:
            shutil.copyfileobj(request.body, file, 1 << 20)
    token = request.token
    assert token is not None
    asset = Asset(
        id=number,
        name=name,
        label=request.query.get("label", ""),
        state="starter" if starter else "uploaded",
        size=0 if starter else request.size,
        digest=f"sha256:{request.sha256}" if context.repo.digests and not starter else None,
        data=path,
        content_type=request.headers.get("content-type", "application/octet-stream"),
        uploader=token.login,
        created_at=hub.clock.text(),
    )
    try:
        with hub.lock:
            release = _find(context)
            _changeable(release, "upload assets to")
            if any(each.name == name for each in release.assets):
                raise Refusal(invalid("ReleaseAsset", "name", "already_exists"))
            if len(release.assets) >= MOST_ASSETS:
                text = f"file_count limited to {MOST_ASSETS} assets per release"
                raise Refusal(invalid("ReleaseAsset", "file_count", "custom", text))
            release.assets.append(asset)
            shape = shapes.asset(hub, context.repo, release, asset)
    except Refusal:
        path.unlink()
        raise
    return error(502) if starter else reply(201, shape)
