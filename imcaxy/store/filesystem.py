"""Which file systems can hold the data directory."""

import os
import re
from pathlib import Path

from imcaxy.errors import SettingsError

# Locks and shared memory of these are not those of a local disk, and SQLite's log needs both.
# fuse.* is refused as a whole because sshfs, s3fs and their like come under that name; fuseblk
# (a local block device) is another type.
_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre", "fuse"}
)
_MOUNTS = Path("/proc/self/mountinfo")


def file_system(path: str, mountinfo: str) -> str:
    """The type of the file system that an absolute path lies on; "" when nothing matches.

    `mountinfo` is text as in proc_pid_mountinfo(5).
    """
    best, found = -1, ""
    for line in mountinfo.splitlines():
        left, separator, right = line.partition(" - ")
        fields = left.split()
        if not separator or len(fields) < 5 or not right:
            continue
        point = _unescaped(fields[4])
        inside = point in ("/", path) or path.startswith(f"{point}/")
        if inside and len(point) >= best:  # of two mounts at one point the later one is on top
            best, found = len(point), right.split()[0]
    return found


def _unescaped(field: str) -> str:
    r"""A path of mountinfo, where space, tab, line feed and backslash are three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda digits: chr(int(digits[1], 8)), field)


def refuse_network(directory: Path, mounts: Path = _MOUNTS) -> None:
    """Return when the directory is on a local file system, or when nobody can tell.

    Raises SettingsError that names IMCAXY_DATA_DIR.
    """
    try:
        mountinfo = mounts.read_text("utf-8", "surrogateescape")
    except OSError:
        return
    kind = file_system(os.path.realpath(directory), mountinfo)
    if kind in _NETWORK or kind.startswith("fuse."):
        raise SettingsError(
            f"IMCAXY_DATA_DIR={directory}: it is on a network file system ({kind})",
            value=str(directory),
            accepted="a directory on a local disk",
        )


def make_directory(directory: Path) -> None:
    """Make the directory and those above it; one that is there is left as it is.

    Raises SettingsError that names IMCAXY_DATA_DIR.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"IMCAXY_DATA_DIR: {directory} cannot be made: {error.strerror}",
            value=str(directory),
            accepted="a directory that the server may write to",
        ) from error
