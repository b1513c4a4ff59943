from pathlib import Path

import pytest

from imcaxy.store.catalog.reserve import Reserve


def test_filled_reserve_takes_its_space_until_it_is_released(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 1_000_000)
    assert not reserve.held
    assert reserve.fill()
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 1_000_000
    assert reserve.fill()
    assert reserve.release()
    assert not reserve.release()
    assert not reserve.held
    assert list(tmp_path.iterdir()) == []


def test_reserve_is_not_filled_where_there_is_too_little_space(tmp_path: Path) -> None:
    class Short(Reserve):
        def _write(self, path: Path, size: int) -> None:
            super()._write(path, 0)
            raise OSError(28, "No space left on device")

    assert not Short(tmp_path / "reserve", 1000).fill()
    assert list(tmp_path.iterdir()) == []


def test_reserve_of_a_directory_that_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Reserve(tmp_path / "gone" / "reserve").fill()
