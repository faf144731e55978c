"""Hints for errors of files and disks: what to do, by what really went wrong. Pure."""

from __future__ import annotations

import errno
import os
import re
from typing import Final

CACHE: Final = "name another folder for the cache: `export XDG_CACHE_HOME=FOLDER`"
"""How the cache gets another place."""

_WORDS = (  # of the system, as programs such as git repeat them in English
    (re.compile("No space left|Out of diskspace"), errno.ENOSPC),
    (re.compile("Disk quota"), errno.EDQUOT),
    (re.compile("Read-only file system"), errno.EROFS),
    (re.compile("Too many open files"), errno.EMFILE),
    (re.compile("Permission denied|insufficient permission|Operation not permitted"), errno.EACCES),
)


_POOR: Final = "Its file system cannot lock files, sync folders, or the like: use a local disk"


def hint(error: OSError, elsewhere: str = "") -> str:
    """What to do about a file or folder that cannot be used. `elsewhere` says how another one is named."""
    ways = {
        errno.ENOSPC: "Free some room there",
        errno.EDQUOT: "Free some of your quota there",
        errno.EROFS: "It is on a file system that is mounted read-only: mount it for writing",
        errno.EACCES: "Check who owns it, and its rights",
        errno.EPERM: "Check who owns it, and its rights",
        errno.EMFILE: "This process has too many files open: allow more with `ulimit -n`",
        errno.ENFILE: "Too many files are open on this machine: end what is not needed",
        errno.EIO: "The disk fails: look into the log of the system",
        errno.ENOTDIR: "A file is where a folder must be: move it away",
        errno.EEXIST: "A file is where a folder must be: move it away",
        errno.EISDIR: "A folder is where a file must be: move it away",
        errno.ENAMETOOLONG: "The path is too long: take a shorter one",
        errno.EXDEV: "Parts of it are on several file systems: put all of it on one",
        errno.ESTALE: "The share changed on its server: mount it again",
        **dict.fromkeys((errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP), _POOR),
    }
    way = ways.get(error.errno or 0, "" if elsewhere else "Check that the place is there, and that you may use it")
    text = f"{way}, or {elsewhere}" if way and elsewhere else way or elsewhere
    return f"{text[:1].upper()}{text[1:]}."


def error_in(said: str) -> OSError | None:
    """The error of the system that a program reported in words."""
    number = next((number for words, number in _WORDS if words.search(said)), None)
    return None if number is None else OSError(number, os.strerror(number))
