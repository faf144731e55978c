"""What the steps of the actions run: `steps.py install`, `publish`, `pages`, `check` or `prune`.

Their inputs are in the environment.

Needs nothing but Python: it is what installs wharf. Nothing of an input is ever part of a shell's text.
"""

from __future__ import annotations

import glob
import json
import os
import subprocess
import sys
import tempfile
import uuid
import zlib
from pathlib import Path
from typing import Any, NoReturn

OLDEST = (3, 11)
PIP = ("-m", "pip", "install", "--disable-pip-version-check", "--quiet")
LEFT_OUT = 7  # the exit code of a `wharf build` that wrote all but some files
WRONG = 8  # the exit code of a `wharf index check` that found errors
BRANCH = "wharf/"  # how the names of index branches begin
LISTED = 200  # releases on the page of a run
SHOWN = 10  # annotations of one kind that GitHub shows for a step


def install() -> None:
    """Install the wharf that lies beside this file into an environment of the job's own; two versions get one each.

    The next step has the token. So nothing of the working tree is run or asked: not its `venv.py`, not where PYTHON variables
    lead; and what wharf stands on is what `requirements.txt` has the hashes of, and runs no code to be installed.
    """
    if sys.version_info < OLDEST:
        fail(
            "Python", f"wharf needs Python 3.11 or later; this is {sys.version.split()[0]}.", "Run actions/setup-python before."
        )
    root = Path(__file__).resolve().parents[2]
    place = Path(os.environ["RUNNER_TEMP"], f"wharf-{zlib.crc32(os.fsencode(root)):08x}")
    python = place / "bin" / "python"
    if not (place / "ready").exists():
        print("::group::Install wharf", flush=True)
        pinned = ["--require-hashes", "--only-binary=:all:", "--requirement", str(Path(__file__).with_name("requirements.txt"))]
        with tempfile.TemporaryDirectory(dir=os.environ["RUNNER_TEMP"]) as empty:
            for words in (
                [sys.executable, "-I", "-m", "venv", "--clear", str(place)],
                [str(python), "-I", *PIP, *pinned],
                [str(python), "-I", *PIP, "--no-index", "--no-deps", "--no-build-isolation", str(root)],
            ):
                subprocess.run(words, check=True, cwd=empty, env=without_python())
        print("::endgroup::", flush=True)
        (place / "ready").touch()
    output("wharf", str(place / "bin" / "wharf"))


def publish() -> None:
    """Publish what the globs find."""
    files = found(os.environ["FILES"])
    words = ["publish", "--json"]
    words += ["--skip-existing"] if chosen("SKIP_EXISTING") else []
    words += ["--dispatch", os.environ["DISPATCH"]] if os.environ["DISPATCH"] else []
    _, done = wharf([*words, "--", *files])
    there = [*done["published"], *done["unchanged"]]
    output("commit", done["commit"] or "")
    output("files", json.dumps([each["filename"] for each in there]))
    output("addresses", json.dumps([each["address"] for each in there]))
    for each in done["skipped"]:
        annotate("warning", "Not published", f"{each['filename']} is in the index with other bytes: they stay.")
    lines = [f"### {repository()}, index {os.environ['INDEX']}", ""]
    for word in ("published", "unchanged", "skipped"):
        lines += [f"- {word}: `{each['filename']}` ({each['size']:,} bytes, sha256 `{each['sha256']}`)" for each in done[word]]
    summary([*lines, "", f"Commit `{done['commit']}`." if done["published"] else "Nothing was new."])


def pages() -> None:
    """Build the site. What cannot be linked is left out and told, and the rest goes to the readers."""
    site = os.environ["SITE"] or str(Path(os.environ["RUNNER_TEMP"], "wharf-site"))
    address = ["--address", os.environ["ADDRESS"]] if os.environ["ADDRESS"] else []
    _, done = wharf(["build", "--json", *address, "--", site], LEFT_OUT)
    output("path", done["site"])
    output("commit", done["commit"] or "")
    for each in done["left_out"]:
        annotate("warning", "Not in the site", f"{each['name']}: {each['reason']}")
    lines = [f"### The site of {repository()}, index {os.environ['INDEX']}", ""]
    lines += [
        f"{done['projects']} projects; {done['written']} pages written, {done['deleted']} deleted; commit `{done['commit']}`.",
        "",
    ]
    lines += [f"- left out: `{each['name']}`: {each['reason']}" for each in done["left_out"]]
    summary(lines)


def check() -> None:
    """Check the pull request that the run is about, or without one the index as it is.

    By its commit's id, and not by its ref: what is pushed meanwhile starts a run of its own.
    """
    base, index = os.environ["BASE"], os.environ["INDEX"]
    if base and (not base.startswith(BRANCH) or index not in {"", base.removeprefix(BRANCH)}):
        wanted = f"{BRANCH}{index or '**'}"
        fail("Not this index", f"The pull request is to {base}.", f'Let the workflow run for it alone: branches: ["{wanted}"].')
    os.environ["INDEX"] = base.removeprefix(BRANCH) or index or "main"
    words = ["index", "check", "--json", "--summary", os.environ["GITHUB_STEP_SUMMARY"]]
    words += ["--against-public-index"] if chosen("AGAINST_PUBLIC_INDEX") else []
    words += ["--", f"{base}...{os.environ['HEAD']}"] if base else []
    code, done = wharf(words, WRONG)
    kinds = {"error": ("error", "Error"), "rights": ("warning", "Change of rights"), "warning": ("warning", "Warning")}
    for level, (kind, title) in kinds.items():
        output("errors" if level == "error" else "rights" if level == "rights" else "warnings", str(done["counts"][level]))
        for each in [each for each in done["findings"] if each["level"] == level][:SHOWN]:
            annotate(kind, title, f"{each['path']}: {each['message']}")
    sys.exit(code)


def prune() -> None:
    """Take out of the index what its rules of retention do not keep."""
    _, done = wharf(["prune", "--json", "--dry-run" if chosen("DRY_RUN") else "--yes"])
    output("commit", done["commit"] or "")
    output("releases", str(len(done["pruned"])))
    for each in done["skipped"][:SHOWN]:
        annotate("warning", "Not pruned", f"{each['project']}: {each['problem']}")
    if done["kept"]:
        annotate("warning", "Still stored", f"The bytes of {len(done['kept'])} files are still stored: {done['reason']}.")
    lines = [f"### {repository()}, index {os.environ['INDEX']}", ""]
    lines += [f"- `{each['project']} {each['version']}`: {each['reason']}" for each in done["pruned"][:LISTED]]
    lines += [f"- and {len(done['pruned']) - LISTED} more releases"] if len(done["pruned"]) > LISTED else []
    freed, later = done["freed"], done["later"]
    lines += [
        "",
        f"{len(done['pruned'])} releases leave the index; {freed['bytes']:,} bytes are freed now, {later['bytes']:,} later.",
    ]
    summary(lines)


def found(patterns: str) -> list[str]:
    """The files that the globs name, one glob a line, each file once. A glob that names none ends the step."""
    files: dict[str, None] = {}
    for pattern in filter(None, map(str.strip, patterns.splitlines())):
        paths = glob.glob(pattern, recursive=True)  # noqa: PTH207  a Path takes no glob that is absolute
        matched = sorted(path for path in paths if Path(path).is_file())
        if not matched:
            fail(
                "Nothing to publish",
                f"No file matches {pattern} in {Path.cwd()}.",
                "Build before, or name another path in `files`.",
            )
        files.update(dict.fromkeys(matched))
    if not files:
        fail("Nothing to publish", "`files` is empty.", "Name paths or globs, one a line.")
    return list(files)


def chosen(name: str) -> bool:
    """An input that is `true` or `false`; nothing else is taken for one of them."""
    value = os.environ[name]
    if value not in {"true", "false"}:
        fail("Wrong input", f"{name.lower().replace('_', '-')} is {value!r}.", "Write true or false.")
    return value == "true"


def repository() -> str:
    """The address of the repository. A bare `owner/name` is on the server of this job."""
    named = os.environ["REPOSITORY"]
    return named if "://" in named else f"{os.environ['GITHUB_SERVER_URL']}/{named}"


def wharf(words: list[str], *fine: int) -> tuple[int, Any]:
    """Run wharf: its exit code, and its document. Any exit code but 0 and those that are `fine` ends the step."""
    if not os.environ["WHARF_TOKEN"]:
        fail("No token", f"`token` is empty, so nothing can be asked of {repository()}.", "Is the secret set, and passed on?")
    environment = without_python() | {"WHARF_REPO": repository(), "WHARF_INDEX": os.environ["INDEX"]}
    mute = uuid.uuid4().hex  # what wharf says is read by people: no line of it is a command to the runner
    print(f"::stop-commands::{mute}", flush=True)
    try:
        done = subprocess.run([os.environ["WHARF"], *words], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    finally:
        print(f"::{mute}::", flush=True)
    try:
        document = json.loads(done.stdout)
    except ValueError:
        fail("wharf", f"wharf {words[0]} ended with exit code {done.returncode} and said no more.", "See the log above.")
    if "error" in document:
        error = document["error"]
        fail(f"wharf {words[0]}: {error['code']}", error["message"], error["hint"], code=done.returncode)
    if done.returncode not in {0, *fine}:
        fail("wharf", f"wharf {words[0]} ended with exit code {done.returncode}.", "See the log above.", code=done.returncode)
    return done.returncode, document


def without_python() -> dict[str, str]:
    """The environment without what leads Python elsewhere: an earlier step can set variables for the later ones."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def output(name: str, value: str) -> None:
    """Set an output of the step."""
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        mark = uuid.uuid4().hex
        file.write(f"{name}<<{mark}\n{value}\n{mark}\n")


def summary(lines: list[str]) -> None:
    """Add to the page of the run."""
    with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("a", encoding="utf-8") as file:
        file.write("\n".join([*lines, ""]) + "\n")


def annotate(kind: str, title: str, text: str) -> None:
    """Show an annotation on the run; GitHub's page "Workflow commands" has the escapes."""
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    title = title.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A").replace(":", "%3A").replace(",", "%2C")
    print(f"::{kind} title={title}::{text}", flush=True)


def fail(title: str, text: str, hint: str, code: int = 1) -> NoReturn:
    """End the step with an annotation."""
    annotate("error", title, f"{text}\n{hint}" if hint else text)
    sys.exit(code or 1)


if __name__ == "__main__":
    {"install": install, "publish": publish, "pages": pages, "check": check, "prune": prune}[sys.argv[1]]()
