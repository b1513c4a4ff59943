"""The catalog suite over real servers of MongoDB's protocol, and what it sends over the wire."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import pymongo
import pytest
from pymongo.monitoring import (
    CommandFailedEvent,
    CommandListener,
    CommandStartedEvent,
    CommandSucceededEvent,
)

from imcaxy.clock import Clock
from imcaxy.store.catalog.base import Catalog
from imcaxy.store.catalog.mongo import MongoCatalog
from imcaxy.store.catalog.mongo_client import Database
from tests.contract import catalog_suite
from tests.contract.catalog_suite import CatalogSuite, OpenCatalog
from tests.stores import MONGO, REPLICATED, each, mongo_uri

ALLOWED = {"hello", "find", "getMore", "killCursors", "insert", "delete", "update", "aggregate"} | {
    *("count", "createIndexes", "listIndexes", "buildInfo", "endSessions"),
}
CONCERNED = {"insert": "writeConcern", "update": "writeConcern", "delete": "writeConcern"} | {
    "find": "readConcern"
}
READS = {"find", "aggregate", "count"}


class Wire(CommandListener):
    """Every command as it was sent."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, Mapping[str, Any]]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.commands.append((event.command_name, event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass


def offence(name: str, command: Mapping[str, Any], *, replicated: bool) -> str:
    """What the design (6.2, 6.14) forbids in this command; "" when it is as it must be."""
    if name not in ALLOWED or "startTransaction" in command or "autocommit" in command:
        return f"{name} is not one of the commands that every engine does right: {command}"
    for update in command.get("updates", ()):
        if fault := _update_offence(update["q"], update["u"]):
            return fault
    groups = [step["$group"] for step in command.get("pipeline", ()) if "$group" in step]
    if any(len(group) > 2 for group in groups):
        return "two accumulators in one $group"
    if any("expireAfterSeconds" in index for index in command.get("indexes", ())):
        return "a TTL index"
    if concern := CONCERNED.get(name):
        return _concern_offence(concern, command.get(concern), replicated=replicated)
    return ""


def _update_offence(chosen: Mapping[str, Any], change: Mapping[str, Any]) -> str:
    if set(chosen) != {"_id"}:
        return f"an update under a condition: {chosen}"
    value = chosen["_id"]
    if isinstance(value, Mapping) and set(value) != {"$in"}:
        return f"an update of ids that are not named: {chosen}"
    operators = {key for key in change if key.startswith("$")}
    return f"an update that reads: {change}" if operators - {"$set"} else ""


def _concern_offence(kind: str, concern: Mapping[str, Any] | None, *, replicated: bool) -> str:
    given = dict(concern or {})
    if not replicated:
        return "" if given in ({}, {"w": 1}) else f"{kind} {given} without a replica set"
    wanted = {"w": "majority", "j": True} if kind == "writeConcern" else {"level": "majority"}
    given.pop("afterClusterTime", None)
    return "" if given == wanted else f"{kind} {given} on a replica set"


@pytest.mark.parametrize("server", each(MONGO))
class TestMongoCatalog(CatalogSuite):
    @pytest.fixture
    def uri(self, server: str) -> Iterator[str]:
        uri = mongo_uri(server)
        yield uri
        client: pymongo.MongoClient[dict[str, object]] = pymongo.MongoClient(uri)
        with client:
            client.drop_database(client.get_default_database().name)

    @pytest.fixture
    def open_catalog(self, uri: str, server: str) -> Iterator[OpenCatalog]:
        """Whatever a test of the suite does, only what is allowed goes over the wire."""
        wire = Wire()
        yield lambda: MongoCatalog(Database(uri, timeout=10, listeners=[wire]), Clock())
        assert wire.commands
        found = {
            offence(name, command, replicated=server in REPLICATED)
            for name, command in wire.commands
        }
        assert found == {""}
        reads = [command for name, command in wire.commands if name in READS]
        # FerretDB leaves a connection of its own in the past where it gives up a read.
        assert {"maxTimeMS" in command for command in reads} <= {server != "ferretdb"}


def test_suite_leaves_no_operation_of_the_catalog_unwatched() -> None:
    """What the suite does not call is not seen on the wire either."""
    suite = inspect.getsource(catalog_suite)
    operations = {name for name, _ in inspect.getmembers(Catalog, inspect.iscoroutinefunction)}
    assert {"append", "add_cleared", "delete_entries", "count_hits", "hits"} <= operations
    assert {name for name in operations if f".{name}(" not in suite} == set()


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("findAndModify", {}),
        ("insert", {"startTransaction": True}),
        ("update", {"updates": [{"q": {"_id": 1}, "u": {"$inc": {"n": 1}}}]}),
        ("update", {"updates": [{"q": {"_id": 1, "n": 2}, "u": {"$set": {"n": 3}}}]}),
        ("update", {"updates": [{"q": {"_id": {"$gt": 1}}, "u": {"$set": {"n": 3}}}]}),
        ("createIndexes", {"indexes": [{"expireAfterSeconds": 1}]}),
        ("aggregate", {"pipeline": [{"$group": {"_id": None, "a": {}, "b": {}}}]}),
        ("insert", {"writeConcern": {"w": 0}}),
    ],
)
def test_forbidden_command_is_told(name: str, command: Mapping[str, Any]) -> None:
    assert offence(name, command, replicated=False)


def test_weak_concerns_on_a_replica_set_are_told() -> None:
    assert offence("insert", {}, replicated=True)
    assert offence("insert", {"writeConcern": {"w": "majority"}}, replicated=True)
    assert offence("find", {}, replicated=True)
    strong = {"writeConcern": {"w": "majority", "j": True}}
    assert not offence("insert", strong, replicated=True)
