"""What to purge: the addresses of all that changed, and why each is among them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from imcaxy_invalidator.changes import Change, Changes, Former, Kind
from imcaxy_invalidator.globs import Selection
from imcaxy_invalidator.manifest import Manifest
from imcaxy_invalidator.paths import composed, shown
from imcaxy_invalidator.places import Place, addresses


@dataclass(frozen=True, slots=True)
class Target:
    """One address to purge, and the file it is published from."""

    url: str
    path: str
    kind: Kind
    former: Former | None = None


@dataclass(slots=True)
class Plan:
    """All addresses of one run, each once; `unmapped` are files that no place publishes."""

    targets: dict[str, Target] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)  # address → path
    unmapped: list[str] = field(default_factory=list)
    counted: int = 0  # files that count

    def add(
        self,
        changes: Changes,
        selection: Selection,
        places: Sequence[Place],
        manifests: Iterable[Manifest] = (),
    ) -> None:
        """Take in what changed, as far as it counts and is published."""
        for change in changes.files:
            if selection.takes(change.path):
                self.counted += 1
                self._add_file(change, places, manifests)
        for path in changes.folders:
            if not selection.takes(path):  # then it is a file, and among the files
                self._add_folder(path, places)

    def add_moved(self, urls: Iterable[str], file: str) -> None:
        """Take in addresses that came or went with a manifest."""
        for url in urls:
            self.targets.setdefault(url, Target(url, file, "tracked"))

    def add_places(self, places: Iterable[Place]) -> None:
        """Take in all that is published in the mapped folders."""
        self.folders.update((it.folder, "/".join((*it.segments, ""))) for it in places)

    def _add_file(
        self, change: Change, places: Sequence[Place], manifests: Iterable[Manifest]
    ) -> None:
        found = addresses(change.path, places)
        named = [url for it in manifests for url in it.addresses(change.path)]
        for url in found:
            self.targets.setdefault(url, Target(url, change.path, change.kind, change.former))
        for url in named:
            # What a bundler made of the former file is not known.
            self.targets.setdefault(url, Target(url, change.path, change.kind))
        if not found and not named:
            self.unmapped.append(change.path)

    def _add_folder(self, path: str, places: Iterable[Place]) -> None:
        segments = tuple(composed(path).split("/"))
        for place in places:
            url = place.address(path)
            if url is not None:
                self.folders[f"{url}/"] = f"{path}/"
            elif place.segments[: len(segments)] == segments:
                self.folders[place.folder] = f"{path}/"

    def warnings(self) -> list[str]:
        """What the run should not pass over in silence."""
        if not self.unmapped:
            return []
        some = ", ".join(shown(it) for it in self.unmapped[:3])
        more = f" and {len(self.unmapped) - 3} more" if len(self.unmapped) > 3 else ""
        return [f"no --map publishes {some}{more}: nothing is purged for these"]
