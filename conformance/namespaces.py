"""unshare(2), setns(2) and mount(2), which Python 3.11 does not have. Only for single-threaded processes."""

import ctypes
import errno
import os
import struct
from collections.abc import Collection, Iterable
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000

_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_MNT_DETACH = 2
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _RDONLY = 442, -100, 0x8000, 1
_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """New namespaces of these kinds for this process."""
    _checked(_libc.unshare(flags), "unshare")


def enter(descriptor: int) -> None:
    """Into the network namespace that a descriptor is open on."""
    _checked(_libc.setns(descriptor, CLONE_NEWNET), "setns")


def current_net() -> int:
    """A descriptor of the network namespace that this process is in."""
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def make_mounts_private() -> None:
    """What is mounted from now on is seen in this mount namespace alone."""
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE)


def mount_tmpfs(target: str, mode: str = "0755") -> None:
    _mount("cni-conformance", target, "tmpfs", 0, f"mode={mode}")


def mount_sysfs() -> None:
    """A /sys that shows the links of the present network namespace."""
    _libc.umount2(b"/sys", _MNT_DETACH)
    _mount("sysfs", "/sys", "sysfs", 0)


def bind(source: str, target: str, recursive: bool = False) -> None:
    _mount(source, target, "", _MS_BIND | (_MS_REC if recursive else 0))


def unmount(target: str) -> None:
    _checked(_libc.umount2(target.encode(), _MNT_DETACH), f"umount {target}")


def provide(directories: Iterable[str], files: Iterable[str] = ()) -> None:
    """Let these directories and empty files exist in this mount namespace, and nowhere else.

    Where one is missing, the nearest directory above it is replaced by a tmpfs that shows the same entries.
    """
    for directory in map(Path, directories):
        if not directory.is_dir():
            above = next(parent for parent in directory.parents if parent.is_dir())
            if str(above) == "/":
                raise OSError(f"{directory} cannot be provided without changing /")
            _replace(above)
            directory.mkdir(parents=True)
    for file in map(Path, files):
        if file.parent.is_dir() and not file.exists():
            _replace(file.parent)
            file.touch()


def make_read_only(but: Iterable[str]) -> bool:
    """All that is mounted, in this mount namespace alone, but for these directories. False before Linux 5.12."""
    kept = [path for path in but if os.path.isdir(path)]
    for path in kept:
        if not os.path.ismount(path):
            bind(path, path, recursive=True)
    try:
        _set_read_only("/", True)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return False
        raise
    for path in kept:
        _set_read_only(path, False)
    return True


def free_directory(used: Collection[str]) -> str:
    """A directory that may be mounted over: an ordinary one that none of the `used` paths leads through."""
    for candidate in ("/mnt", "/media", "/srv", "/opt", "/home", "/var/tmp", "/tmp"):
        if is_free(candidate, used):
            return candidate
    raise OSError("no directory to mount a case's files over: each is used by the plugin or its environment")


def is_free(directory: str, used: Collection[str]) -> bool:
    """Whether it is an ordinary directory, no link, and none of the `used` paths leads through it."""
    resolved = [os.path.realpath(path) for path in used] + [os.path.abspath(path) for path in used]
    is_plain = os.path.isdir(directory) and not os.path.islink(directory)
    return is_plain and not any(f"{path}/".startswith(f"{directory}/") for path in resolved)


def _replace(directory: Path) -> None:
    old = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    entries = list(os.scandir(directory))
    kinds = [(e.name, e.is_symlink(), e.is_dir(follow_symlinks=False)) for e in entries]
    links = {e.name: os.readlink(e.path) for e in entries if e.is_symlink()}
    mount_tmpfs(str(directory))
    for name, is_link, is_directory in kinds:
        target = directory / name
        if is_link:
            target.symlink_to(links[name])
            continue
        if is_directory:
            target.mkdir()
        else:
            target.touch()
        bind(f"/proc/self/fd/{old}/{name}", str(target), recursive=True)
    os.close(old)


def _set_read_only(path: str, is_so: bool) -> None:
    """mount_setattr(2), everything below included."""
    attributes = struct.pack("QQQQ", _RDONLY if is_so else 0, 0 if is_so else _RDONLY, 0, 0)
    done = _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, path.encode(), _AT_RECURSIVE, attributes, len(attributes))
    _checked(done, f"mount_setattr {path}")


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    done = _libc.mount(
        source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), options.encode() or None
    )
    _checked(done, f"mount {kind or source} on {target}")


def _checked(done: int, what: str) -> None:
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
