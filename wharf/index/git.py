"""The git program on one bare repository. GitPython starts the processes, and is used in this file only."""

from __future__ import annotations

import base64
import errno
import getpass
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # `Git.start` reports a missing git, not the import

from wharf.errors import UNWRITABLE, StorageError
from wharf.secret import SECRET_NAMES, Secret
from wharf.system import disk_remedies, disk_trial

try:
    import git
except ImportError as error:  # it starts git once, which reads what a person has set
    said = str(getattr(error.__cause__, "stderr", "") or error).strip().removeprefix("stderr:").strip(" '\n")
    raise StorageError(f"git does not start: {said[-300:]}.", "`git version` says the same: repair what it names.") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import IO

_SAID = 64 << 10  # bytes that are kept of what a git says on stderr
_TALK = 8 << 20  # bytes on stderr after which a git is ended
_UNWRITTEN = re.compile(r"^(?:error|fatal): .*couldn't (?:write|close) '", re.MULTILINE)  # here, and not on GitHub ("remote: ")
_EVENTS = ("reference-transaction", "pre-auto-gc", "pre-push", "post-index-change", "post-rewrite", "push-to-checkout")
_LOOKED_FOR = ("GIT_WORK_TREE", "GIT_QUARANTINE_PATH")
"""Variables that count for git even when they are empty: that of a working tree, and that of a push which a hook looks at."""
_VERSION = re.compile(rb"\d+(?:\.\d+)+")
_PROGRAMS = r"^(hook\..*\.(command|event)|gc\.recentobjectshook)$"
_CONFIG = {
    # What a person's own configuration says about hooks is about their repositories, not about this one.
    "core.hooksPath": os.devnull,
    **{f"hook.{event}.enabled": "false" for event in _EVENTS},  # git 2.55; see `without_hooks` for 2.54
    "core.fsmonitor": "false",
    "core.alternateRefsCommand": "true",  # the program of that name, which says nothing
    "core.sshCommand": "false",
    "core.gitProxy": "false",
    "core.fsync": "committed,reference",
    "core.filesRefLockTimeout": "1000",
    "core.logAllRefUpdates": "always",  # tells a branch that was lost from one that never was
    # A commit's objects stay together in one small pack: one sync instead of one an object. git merges the small packs when it
    # tidies up, and leaves those alone that have grown beyond the threshold.
    "fastimport.unpackLimit": "1",
    "gc.bigPackThreshold": "32m",
    "gc.packRefs": "false",
    "i18n.logOutputEncoding": "UTF-8",
    "log.diffMerges": "separate",  # what `-m` means: of first parents alone, what a merge changed in the index
    "log.showSignature": "false",  # it would start a program that the repository's own configuration may name
    "gpg.program": "false",
}


Process: TypeAlias = git.Git.AutoInterrupt
"""A running git, which is ended with the value."""


class Git:
    """The git program on one bare repository, through GitPython, with nothing of the caller's own git environment.

    `config` is more configuration for these commands, in order. `url` is the one address that they may go to; without it they
    go nowhere, whatever a configuration names: that of a folder which somebody else made could have git run programs when an
    object is missing. `token` is sent to `url` and to no other address, as which a person's own configuration may spell it
    (`insteadOf`): it reaches git by its environment only, never as an argument or in a file.
    """

    def __init__(
        self, git_dir: Path, config: Iterable[tuple[str, str]] = (), *, url: str = "", token: Secret | None = None
    ) -> None:
        self.git_dir = git_dir
        self._git = git.Git()
        self._config = (*_CONFIG.items(), *config)
        self._url = url
        # GitHub takes any user name with a token ("Authenticating to the REST API").
        pair = "" if token is None else base64.b64encode(f"x-access-token:{token.reveal()}".encode()).decode()
        self._secrets = () if token is None else (token, Secret(pair))
        # A hook or an alias that runs wharf sets some of these, and they would lead git to another repository.
        self._env: dict[str, str] = {
            "GIT_CONFIG_PARAMETERS": "",
            "GIT_OBJECT_DIRECTORY": str(git_dir / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
            "GIT_COMMON_DIR": str(git_dir),
            "GIT_NAMESPACE": "",
            "GIT_DEFAULT_HASH": "sha1",
            "GIT_DEFAULT_REF_FORMAT": "files",
            "GIT_NO_LAZY_FETCH": "0" if url else "1",
            "GIT_PAGER": "cat",
            "GIT_EDITOR": "false",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "GIT_ALLOW_PROTOCOL": urlsplit(url).scheme or "none",
            # A person who has git write a trace, maybe to send it to somebody, does not want the token in it.
            "GIT_TRACE_REDACT": "1",
            "GIT_TRACE2_CONFIG_PARAMS": "none",
            "GIT_TRACE2_ENV_VARS": "none",
            "LC_ALL": "C.UTF-8",  # what git says is read below, in English
        }

    def start(self, *words: str) -> Process:
        """A running git with pipes on all three sides, ended with the value. Raises StorageError if there is no git."""
        unset = [word for name in _LOOKED_FOR if name in os.environ for word in ("-u", name)]
        command = [*(["env", *unset] if unset else ()), "git", f"--git-dir={self.git_dir}", *words]
        try:
            if unset and shutil.which("git") is None:  # `env` would be found, and git would only seem to have died
                raise git.GitCommandNotFound(command, "")
            # Its own session: an interrupt from the terminal is wharf's to handle, also in the middle of a commit.
            process = self._git.execute(
                command, as_process=True, istream=subprocess.PIPE, env=self._environment(), start_new_session=True
            )
        except git.GitCommandNotFound as error:
            raise StorageError("The program git is not installed.", "Install git, 2.30 or later.") from error
        if not isinstance(process, Process):
            raise TypeError(f"GitPython gave {type(process).__name__} for a process")
        return process

    def _environment(self) -> dict[str, str]:
        pairs = list(self._config)
        if self._secrets:
            # For that address alone, and so above what others say of its host. An empty one drops those before.
            key = f"http.{self._url}.extraHeader"
            pairs += [(key, ""), (key, f"Authorization: Basic {self._secrets[1].reveal()}")]
        config = {
            f"GIT_CONFIG_{part}_{number}": text
            for number, pair in enumerate(pairs)
            for part, text in zip(("KEY", "VALUE"), pair, strict=True)
        }
        # git and what it starts need none of the secrets around; GitPython only adds variables, so those are emptied.
        secrets = dict.fromkeys(filter(SECRET_NAMES.search, os.environ), "")
        return {**secrets, **self._env, **config, "GIT_CONFIG_COUNT": str(len(pairs))}

    def version(self) -> tuple[int, ...]:
        """The numbers of its version, such as (2, 39, 5); empty if it says none."""
        _, out, _ = self.attempt("version")
        found = _VERSION.search(out)
        return tuple(map(int, found[0].split(b"."))) if found else ()

    def programs(self) -> list[str]:
        """The keys of the configuration that have git start programs, and that wharf cannot set to nothing."""
        _, out, _ = self.attempt("config", "--includes", "--null", "--name-only", "--get-regexp", _PROGRAMS)
        return [key for key in out.decode(errors="replace").split("\0") if key]

    def without_hooks(self) -> Git:
        """The same git, with those hooks off that the configuration names (git 2.54)."""
        names = {key[len("hook.") :].rpartition(".")[0] for key in self.programs() if key.startswith("hook.")}
        off = [(f"hook.{name}.enabled", "false") for name in sorted(names)]
        return Git(self.git_dir, (*self._config, *off), url=self._url, token=self._secrets[0] if self._secrets else None)

    def attempt(self, *words: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
        """Exit status, output, and what git said on stderr."""
        process = self.start(*words)
        listener, heard = watch_stderr(process)
        out, _ = process.communicate(stdin)
        listener.join()
        said = heard.decode(errors="replace").strip()
        for secret in self._secrets:
            said = secret.hidden_in(said)  # git repeats what a server tells it
        return process.returncode, out, said

    def run(self, *words: str, stdin: bytes = b"") -> bytes:
        """What git prints. Raises StorageError, with git's own words, if it fails."""
        status, out, err = self.attempt(*words, stdin=stdin)
        if status:
            raise self._failed(words, err)
        return out

    def see_through(self, *words: str) -> bool:
        """Whether git succeeds; it goes on if this process ends before it does. For what says little."""
        process = self.start(*words)
        popen, process.proc = process.proc, None  # or it would be ended with the value
        if popen is None:
            raise TypeError("GitPython gave no process")
        popen.communicate()
        return popen.returncode == 0

    def beginning(self, most: int, *words: str) -> tuple[bytes, bool]:
        """The first bytes that git prints, and whether that is all of it. One that prints more is ended. Raises as `run`."""
        process = self.start(*words)
        listener, heard = watch_stderr(process)
        process.stdin.close()
        out = process.stdout.read(most + 1)
        whole = len(out) <= most
        if process.proc is not None and not whole:
            process.proc.terminate()
        process.stdout.close()
        status = process.proc.wait() if process.proc is not None else None
        listener.join()
        if whole and status:
            raise self._failed(words, heard.decode(errors="replace").strip())
        return out[:most], whole

    def _failed(self, words: tuple[str, ...], err: str) -> StorageError:
        check_disk(err, self.git_dir)
        return StorageError(
            f"git {words[0]} failed in {self.git_dir}: {err[-500:]}",
            f"`git --git-dir={self.git_dir} fsck` tells whether the repository is sound.",
        )


def check_disk(said: str, place: Path, elsewhere: str = "") -> None:
    """Raise StorageError if git says that a place cannot be written to; `elsewhere` says how another one is named.

    Of the lock of a ref git does not say why. Then the disk is tried.
    """
    error = disk_remedies.error_in(said)
    unwritten = error is None and _UNWRITTEN.search(said) is not None
    if unwritten:
        error = disk_trial.refusal(place)
    if error is not None:
        raise unwritable(error, place, elsewhere)
    if unwritten:
        raise StorageError(
            f"git could not write to {place}: {said[-300:]}",
            "The disk may have been full at that moment: free some room there, and run the same command again.",
            told=UNWRITABLE,
        )


def unwritable(error: OSError, place: Path, elsewhere: str = "") -> StorageError:
    """What is said of a place that cannot be written to."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    what = f"The disk is full at {place}." if full else f"{place} cannot be written to: {error.strerror}."
    return StorageError(what, disk_remedies.hint(error, elsewhere), told=UNWRITABLE)


def watch_stderr(process: Process) -> tuple[threading.Thread, bytearray]:
    """Read what a git says on stderr, in a thread, and keep the last of it: a git that nobody reads stands still at 64 KiB."""
    heard = bytearray()
    popen = process.proc
    if popen is None or popen.stderr is None:
        raise TypeError("GitPython gave a process without its stderr")
    listener = threading.Thread(target=_listen, args=(popen.stderr, heard, process.terminate), daemon=True)
    popen.stderr = None  # the listener's alone from now on
    listener.start()
    return listener, heard


def _listen(stderr: IO[bytes], heard: bytearray, end: Callable[[], object]) -> None:
    """Keep the last of what a git says, and end one that does not stop: a server can have it repeat whatever it likes."""
    count = 0
    with stderr:
        while chunk := os.read(stderr.fileno(), 1 << 16):
            heard += chunk
            del heard[:-_SAID]
            if count <= _TALK < count + len(chunk):
                end()
            count += len(chunk)


def identity() -> str:
    """The person's name as git knows it, else the name of the account."""
    program = Git(Path(os.devnull))
    status, out, _ = program.attempt("config", "--global", "user.name")
    names = (out.decode(errors="replace").strip() if status == 0 else "", _account())
    return next((name for name in names if name and name.isprintable()), "unknown")


def _account() -> str:
    """The name of the account, or its number if it has no name, as with users that a container makes up when it starts."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the former before Python 3.13
        return f"uid {os.getuid()}"
