"""One instance with the real proxy in front."""

from imcaxy.grammar.ladder import Ladder
from imcaxy.grammar.variant import LOG_START
from imcaxy.proxy.base import Asked, Served
from imcaxy.proxy.fallback import Fallback
from imcaxy.proxy.planning import ImagePlan, Rules
from imcaxy.proxy.proxy import ImageProxy
from tests.fakes.instance import Instance

URL = "url=http://host/a.png"


class World(Instance):
    """Asks its proxy; `commits` are those whose invalidations were answered."""

    def __init__(
        self, *, fallback: bool = False, timeout: float = 30.0, ladder: Ladder | None = None
    ) -> None:
        super().__init__()
        self.commits: set[str] = set()
        self.proxy = ImageProxy(
            self.parts,
            self.jobs,
            self,
            Fallback(self.downloads, lambda: LOG_START, self.clock) if fallback else None,
            Rules(
                auto_formats=("avif", "webp"),
                save_data_quality_step=20,
                ladder=ladder,
                request_timeout=timeout,
            ),
        )

    def was_answered(self, commit: str) -> bool:
        return commit in self.commits

    async def answered(self, commit: str) -> bool:
        return commit in self.commits

    def plan(self, query: str) -> ImagePlan:
        return self.proxy.plan(Asked("resize", query, "image/webp", False, False))

    async def ask(self, query: str, *, wants_image: bool = False) -> Served:
        asked = Asked("resize", query, "image/webp", save_data=False, wants_image=wants_image)
        return await self.proxy.serve(self.proxy.plan(asked))
