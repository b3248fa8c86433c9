"""From an OSError to what the operator reads and can do about it."""

from __future__ import annotations

import errno

from cni.errors import IOFailure

REMEDIES = {
    errno.ENOSPC: "the filesystem is full: free blocks or inodes (df, df -i)",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the filesystem is read-only: remount it or set ipam.dataDir to another place",
    errno.EACCES: "run as root and check mode and owner of the path",
    errno.EPERM: "run as root and check the attributes of the path (lsattr)",
    errno.EMFILE: "this process has too many open files",
    errno.ENFILE: "the system has too many open files (fs.file-max)",
    errno.ENOTDIR: "a part of the path is a file: move it or set ipam.dataDir to another place",
}


def failure(what: str, path: str, error: OSError) -> IOFailure:
    """`what` as in "cannot WHAT PATH"."""
    return IOFailure(f"cannot {what} {path}: {error.strerror}", REMEDIES.get(error.errno or 0, ""))


def report(what: str, path: str, errors: list[str]) -> None:
    """Raises IOFailure (5) if there are errors; `what` as in "cannot WHAT so many leases"."""
    if errors:
        raise IOFailure(f"cannot {what} {len(errors)} leases in {path}: {errors[0]}", "\n".join(errors))
