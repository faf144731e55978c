"""workflow: the file by which a project's own repository on GitHub builds, publishes and shows itself (docs/actions.md).

It calls the workflows of wharf's own repository at the tag of this version.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wharf import __version__
from wharf.errors import ConflictError, UsageError
from wharf.index.index_name import DEFAULT_INDEX
from wharf.repository_address import GITHUB

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.operations.working_tree import WorkingTree
    from wharf.repository_address import Address

OWN: Final = "wharf-index/wharf"
"""The repository on github.com that holds the actions and workflows which others call."""
FILE: Final = ".github/workflows/wharf.yml"
"""Where the workflow stands in a working tree."""
REF: Final = f"v{__version__}"
EVENT: Final = "wharf-published"
"""The type of the repository_dispatch event that a publish sends and the site's job waits for."""
SECRET: Final = "WHARF_TOKEN"  # noqa: S105  a name

# A job's own token can start another workflow only by such an event. And Pages takes a site only from the default branch, where
# the run of the event is, and not from the run of a tag ("Managing environments for deployment").
_HEAD = """\
# Made by `wharf init --workflow`. A tag such as v1.0 is built and published{follows}.
name: wharf
on:
  push:
    tags: ["v*"]
{more}permissions: {{}}
jobs:
  publish:
    name: Publish
"""
_LISTEN = f"""\
  repository_dispatch:
    types: [{EVENT}]
  workflow_dispatch:
"""
_SITE = f"""\
  site:
    name: Site
    if: github.event_name != 'push'
    permissions:
      contents: read # of the index
      pages: write # to deploy
      id-token: write # by which Pages knows where the site comes from
    uses: {OWN}/.github/workflows/site.yml@{REF}
"""


def render(address: Address, *, index: str, own: bool, site: bool) -> bytes:
    """The file. `own`: of the tree that belongs to the repository of the index; `site`: with a site on Pages.

    Another tree publishes to the repository with its own token, and sends it the event if it has a site.
    """
    follows = ", and the site follows" if site and own else "" if own else f" to {address}"
    lines = [_HEAD.format(follows=follows, more=_LISTEN if site and own else "")]
    lines += ["    if: github.event_name == 'push'\n"] if site and own else []
    needed = "contents: write # of the releases and the index branch" if own else "contents: read # of the code that is built"
    lines += ["    permissions:\n", f"      {needed}\n"]
    lines += [f"    uses: {OWN}/.github/workflows/{'publish' if own else 'publish-elsewhere'}.yml@{REF}\n"]
    inputs = [] if own else [f"repository: {address}"]
    inputs += [f"index: {index}"] if index != DEFAULT_INDEX else []
    inputs += [f"dispatch: {EVENT}"] if site else []
    lines += ["    with:\n", *(f"      {each}\n" for each in inputs)] if inputs else []
    lines += [] if own else ["    secrets:\n", f"      token: ${{{{ secrets.{SECRET} }}}}\n"]
    if site and own:
        shown = _SITE + (f"    with:\n      index: {index}\n" if index != DEFAULT_INDEX else "")
        lines.append(shown)
    return "".join(lines).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowPlan:
    """The file that a tree is to have. `own`: the tree belongs to the repository of the index; `site` None: as that allows."""

    tree: WorkingTree
    address: Address
    index: str
    own: bool
    site: bool | None
    private: bool = False

    @property
    def path(self) -> Path:
        """Where the workflow is, or will be."""
        return self.tree.top / FILE

    @staticmethod
    def of(tree: WorkingTree, address: Address, *, index: str, site: bool | None) -> WorkflowPlan:
        """A plan. Raises UsageError for a site of another repository, which only that one can deploy."""
        own = tree.is_of(address)
        if site and not own:
            raise UsageError(
                f"{tree.top} belongs to another repository than {address}, whose site only that one can deploy.",
                f"Say it in a working tree of {address}: wharf init --workflow --site {address}; and here without --site.",
            )
        return WorkflowPlan(tree=tree, address=address, index=index, own=own, site=site)

    def settled(self, *, private: bool) -> WorkflowPlan:
        """The same, for a repository that is private or public."""
        return replace(self, private=private, site=not private if self.site is None else self.site)

    def write(self) -> bool:
        """Put the file into the tree; False: it was there. Raises ConflictError if another one is."""
        path, text = self.path, render(self.address, index=self.index, own=self.own, site=bool(self.site))
        if path.is_file() and path.read_bytes() == text:
            return False
        if os.path.lexists(path):
            raise ConflictError(
                f"{path} is there, and is not the workflow that would be written.",
                f"Fix it by hand, or delete it and run the same command again: rm {shlex.quote(str(path))}",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        return True

    def warnings(self) -> tuple[str, ...]:
        """What a person has to know before the workflow runs."""
        if self.address.host == GITHUB:
            return ()
        return (
            f"The workflow does not run on {self.address.host}: an Enterprise Server calls no workflows of {GITHUB}, and lacks "
            "what they are made of. docs/actions.md has a job that does run there.",
        )

    def lines(self) -> list[str]:
        """What the file does, and why it does not do more."""
        told = f"{self.path}: each tag v* is built and published to {self.address}"
        if not self.own:
            return [told]
        if self.site or not self.private:
            return [f"{told}, {'and the site is deployed' if self.site else 'and no site'}"]
        return [
            f"{told}; no site, as one on GitHub Pages is public",
            "  (`wharf run --fall-through -- pip install ...` and `wharf serve` are the ways to read a private index)",
        ]

    def steps(self) -> list[str]:
        """What the person has to type or do now."""
        file = shlex.quote(os.path.relpath(self.path))
        steps = []
        if self.own and self.tree.origin is None:
            steps.append(f"git remote add origin {self.address.git}")
        if not self.own:
            source = self.tree.origin[1] if self.tree.origin else ""
            steps += [
                f"make a fine-grained token with `Contents: read and write` for {self.address} alone",
                f"gh secret set {SECRET} --repo {source}",
            ]
        steps.append(f"git add {file} && git commit -m 'Publish with wharf' && git push")
        if self.own and self.site:
            steps.append(f"{self.address.web}/settings/pages: choose GitHub Actions as the source")
        return [*steps, "git tag v1.0 && git push origin v1.0"]
