import tracemalloc
from pathlib import Path

from imcaxy.server.fast_lane import LARGEST, FastLane
from imcaxy.server.policy import HttpPolicy
from imcaxy.server.ready import Reply
from tests.fakes.held import FROZEN_ID, HeldPictures

TARGET = "/imaginary/resize?width=3&type=png&url=http://host/a.png"
AUTO = "/imaginary/resize?width=3&type=auto&url=http://host/a.png"
BODY = b"picture" * 100


class World:
    def __init__(self, **policy: object) -> None:
        self.pictures = HeldPictures()
        self.application = self.pictures.application(
            lambda line: None,
            HttpPolicy(**policy),  # type: ignore[arg-type]  # named at the call
        )
        assert self.application.lane is not None
        self.lane: FastLane = self.application.lane

    async def teach(
        self, target: str, accept: str | None = None, origin: str | None = None
    ) -> None:
        """What the normal road does with a hit in memory."""
        plan = self.pictures.plan(target, accept)
        served = await self.pictures.proxy.serve(plan)
        self.lane.learn(target, self.pictures.asked(target, accept), plan, origin, served)

    def find(self, target: str, *fields: str) -> Reply | None:
        lines = (f"GET {target} HTTP/1.1", "Host: x", *fields, "", "")
        return self.lane.find("\r\n".join(lines).encode())


async def test_picture_in_memory_is_answered_with_its_bytes() -> None:
    world = World()
    world.pictures.hold(TARGET, BODY)
    assert world.find(TARGET) is None
    await world.teach(TARGET)
    reply = world.find(TARGET)
    assert reply is not None
    head, body, _, status, *_ = reply
    assert (status, body) == (200, BODY)
    assert head.startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    assert head.endswith(b"X-Request-Id: %b\r\nContent-Length: 700\r\n\r\n" % FROZEN_ID.encode())
    assert world.lane.answered == 1


async def test_request_that_names_the_tag_gets_304() -> None:
    world = World()
    world.pictures.hold(TARGET, BODY)
    await world.teach(TARGET)
    reply = world.find(TARGET, "If-None-Match: *")
    assert reply is not None
    assert (reply[3], reply[1]) == (304, b"")
    other = world.find(TARGET, 'If-None-Match: "other"')
    assert other is not None
    assert other[3] == 200


async def test_picture_that_was_dropped_is_not_answered() -> None:
    world = World()
    world.pictures.hold(TARGET, BODY)
    await world.teach(TARGET)
    world.pictures.store.apply(1, ["key"])
    assert world.find(TARGET) is None


async def test_other_copy_is_answered_only_once_it_was_laid_out() -> None:
    world = World()
    world.pictures.hold(TARGET, BODY)
    await world.teach(TARGET)
    world.pictures.hold(TARGET, b"new")
    assert world.find(TARGET) is None
    await world.teach(TARGET)
    reply = world.find(TARGET)
    assert reply is not None
    assert reply[1] == b"new"


async def test_picture_that_comes_and_goes_in_memory_is_laid_out_once_for_each_tier(
    tmp_path: Path,
) -> None:
    world = World()
    world.pictures.hold_in_file(TARGET, BODY, tmp_path / "blob")
    await world.teach(TARGET)
    opened = world.pictures.store._opened.get(world.pictures.plan(TARGET).signature)
    assert opened is not None
    world.pictures.memory.put(opened.entry, BODY)
    assert world.find(TARGET) is None
    await world.teach(TARGET)
    weight = world.lane.weight
    for tier in ("memory", "disk", "memory"):
        if tier == "disk":
            world.pictures.memory.drop(opened.entry.signature)
        else:
            world.pictures.memory.put(opened.entry, BODY)
        reply = world.find(TARGET)
        assert reply is not None
        assert reply[2].tier == tier
    assert world.lane.weight == weight


async def test_accept_chooses_the_answer_where_it_was_negotiated() -> None:
    world = World()
    world.pictures.hold(AUTO, b"webp", "image/webp")
    world.pictures.hold(AUTO, b"own", "*/*")
    await world.teach(AUTO, "image/webp")
    assert world.find(AUTO, "Accept: */*") is None
    await world.teach(AUTO, "*/*")
    bodies = [
        reply[1]
        for accept in ("image/webp", "*/*")
        if (reply := world.find(AUTO, f"Accept: {accept}")) is not None
    ]
    assert bodies == [b"webp", b"own"]


async def test_accept_does_not_matter_where_it_was_not_negotiated() -> None:
    world = World()
    world.pictures.hold(TARGET, BODY)
    await world.teach(TARGET, "image/webp")
    assert world.find(TARGET, "Accept: x/y") is not None


async def test_origin_that_was_not_met_is_left_to_the_normal_road() -> None:
    world = World(allowed_origins=("a.example",))
    world.pictures.hold(TARGET, BODY)
    await world.teach(TARGET, None, "https://a.example")
    assert world.find(TARGET, "Origin: https://b.example") is None
    assert world.find(TARGET) is None
    reply = world.find(TARGET, "Origin: https://a.example")
    assert reply is not None
    assert b"\r\nAccess-Control-Allow-Origin: https://a.example\r\n" in reply[0]


async def test_request_keeps_its_own_id_if_it_is_a_proper_one() -> None:
    world = World()
    world.pictures.hold(TARGET, BODY)
    await world.teach(TARGET)
    mine, other = world.find(TARGET, "X-Request-Id: mine"), world.find(TARGET, "X-Request-Id: a b")
    assert mine is not None
    assert other is not None
    assert (mine[4], other[4]) == (b"mine", FROZEN_ID.encode())


async def test_version_is_answered_only_once_its_commit_was() -> None:
    world = World()
    world.pictures.hold(f"{TARGET}&v=abc", BODY)
    await world.teach(f"{TARGET}&v=abc")
    assert world.find(f"{TARGET}&v=abc") is None
    world.pictures.commits.known.add("abc")
    assert world.find(f"{TARGET}&v=abc") is None  # its head said otherwise
    await world.teach(f"{TARGET}&v=abc")
    reply = world.find(f"{TARGET}&v=abc")
    assert reply is not None
    assert b"immutable" in reply[0]


async def test_large_picture_is_left_to_the_normal_road() -> None:
    world = World()
    world.pictures.hold(TARGET, bytes(LARGEST + 1))
    await world.teach(TARGET)
    assert world.find(TARGET) is None


async def test_heads_stay_within_their_limit_and_the_first_go() -> None:
    world = World(fast_lane_limit=50_000)
    targets = [TARGET.replace("width=3", f"width={n}") for n in range(1, 40)]
    for target in targets:
        world.pictures.hold(target, BODY)
        await world.teach(target)
        assert 0 < world.lane.weight <= 50_000
    assert world.find(targets[0]) is None
    assert sum(world.find(target) is not None for target in targets) > 5


async def test_round_of_more_targets_than_there_is_room_for_finds_some_of_them() -> None:
    world = World(fast_lane_limit=50_000)
    targets = [TARGET.replace("width=3", f"width={n}") for n in range(1, 21)]
    for target in targets:
        world.pictures.hold(target, BODY)
    found = 0
    for _ in range(10):
        for target in targets:
            if world.find(target) is not None:
                found += 1
            else:
                await world.teach(target)
    assert found > 40  # of 200; about half of the targets fit
    assert world.lane.weight <= 50_000


async def test_target_that_was_let_go_and_learned_anew_is_found_by_the_same_bytes() -> None:
    world = World(fast_lane_limit=50_000)
    targets = [TARGET.replace("width=3", f"width={n}") for n in range(1, 40)]
    for target in targets:
        world.pictures.hold(target, BODY)
    await world.teach(targets[0])
    assert world.find(targets[0]) is not None
    for target in (*targets[1:] * 3, *targets[:1] * 40):
        await world.teach(target)
    assert world.find(targets[0]) is None  # the one that was let go
    assert world.find(targets[0]) is not None


async def test_heads_take_no_more_memory_than_is_counted() -> None:
    world = World(fast_lane_limit=10_000_000)
    targets = [TARGET.replace("width=3", f"width={n}") for n in range(1, 201)]
    for target in targets:
        world.pictures.hold(target, BODY)
    await world.teach(targets[0])
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0] - world.lane.weight
    for target in targets[1:]:
        await world.teach(target)
        assert world.find(target) is not None
    world.lane._met.clear()
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert taken < 1.2 * world.lane.weight


async def test_blocks_of_fields_that_all_differ_are_not_kept_for_ever() -> None:
    world = World()
    world.pictures.hold(TARGET, BODY)
    await world.teach(TARGET)
    for n in range(3000):
        assert world.find(TARGET, f"X-Forwarded-For: {n}") is not None
    assert len(world.lane._blocks) <= 1024


async def test_origins_without_number_do_not_pile_up_on_one_target() -> None:
    world = World(allowed_origins=("*.example",))
    world.pictures.hold(TARGET, BODY)
    for n in range(100):
        await world.teach(TARGET, None, f"https://{n}.example")
    assert world.lane.weight < 200_000


async def test_lane_can_be_turned_off() -> None:
    pictures = HeldPictures()
    assert pictures.application(lambda _: None, HttpPolicy(fast_lane_limit=0)).lane is None
