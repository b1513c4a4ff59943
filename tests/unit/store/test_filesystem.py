from pathlib import Path

import pytest

from imcaxy.errors import SettingsError
from imcaxy.store.filesystem import file_system, make_directory, refuse_network

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
30 22 0:30 / /srv/shared rw,relatime shared:2 - nfs4 nas:/export rw
31 22 0:31 / /srv/with\040space rw - cifs //nas/share rw
32 22 0:32 / /srv/shared/local rw - xfs /dev/vdb rw
33 22 0:33 / /srv/twice rw - ext4 /dev/vdc rw
34 22 0:34 / /srv/twice rw - fuse.sshfs host: rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/data", "ext4"),
        ("/srv/shared", "nfs4"),
        ("/srv/shared/data/deep", "nfs4"),
        ("/srv/sharedness", "ext4"),
        ("/srv/shared/local/data", "xfs"),
        ("/srv/with space/data", "cifs"),
        ("/srv/twice/data", "fuse.sshfs"),
    ],
)
def test_file_system_is_that_of_the_closest_mount(path: str, kind: str) -> None:
    assert file_system(path, MOUNTS) == kind


def test_file_system_of_nothing_is_unknown() -> None:
    assert file_system("/srv", "") == ""


def test_mount_point_that_is_no_utf_8_is_read(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_bytes(b"1 0 0:1 / /srv/\xff\xfe rw - nfs4 nas:/export rw\n")
    refuse_network(tmp_path, mounts)
    assert file_system("/srv/\udcff\udcfe", mounts.read_text("utf-8", "surrogateescape")) == "nfs4"


def test_network_file_system_is_refused_by_the_settings_name(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / {tmp_path.resolve()} rw - nfs4 nas:/export rw\n")
    with pytest.raises(SettingsError, match="IMCAXY_DATA_DIR") as raised:
        refuse_network(tmp_path, mounts)
    assert raised.value.value == str(tmp_path)


def test_local_file_system_passes(tmp_path: Path) -> None:
    refuse_network(tmp_path)


def test_no_list_of_mounts_passes(tmp_path: Path) -> None:
    refuse_network(tmp_path, tmp_path / "absent")


def test_directory_below_a_file_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="IMCAXY_DATA_DIR"):
        make_directory(tmp_path / "file" / "data")
