"""docs/asyncapi.json says of the wire what the structs do."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from chat import asyncapi, protocol
from tests.chat.test_protocol_examples import CLIENT, PAGE_FOLDER, POLL, SERVER

DOCUMENT: dict[str, Any] = json.loads((PAGE_FOLDER / "asyncapi.json").read_text())  # Any: JSON values


def test_the_document_is_current() -> None:
    assert (PAGE_FOLDER / "asyncapi.json").read_text() == asyncapi.written(), (
        "python -m chat.asyncapi > docs/asyncapi.json"
    )


def test_every_frame_is_a_message_of_it() -> None:
    frames = [("client", each) for each in get_args(protocol.ClientFrame)]
    frames += [("server", each) for each in get_args(protocol.ServerFrame)]

    names = {f"{side}.{frame.__struct_config__.tag}" for side, frame in frames} | {"client.poll"}
    assert set(DOCUMENT["components"]["messages"]) == names


def test_every_reference_leads_somewhere() -> None:
    for reference in _references(DOCUMENT):
        assert _at(reference) is not None


@pytest.mark.parametrize(
    ("side", "example"), [*(("client", each) for each in CLIENT), *(("server", each) for each in SERVER)]
)
def test_every_example_of_the_protocols_page_is_valid(side: str, example: str) -> None:
    frame = json.loads(example)
    schema = DOCUMENT["components"]["messages"][f"{side}.{frame['t']}"]["payload"]

    assert list(faults(schema, frame)) == []
    assert list(faults(schema, {"t": "dance"})) != []
    assert list(faults(schema, frame | {"t": 7})) != []


@pytest.mark.parametrize("example", POLL)
def test_the_example_of_a_poll_is_valid(example: str) -> None:
    schema = DOCUMENT["components"]["messages"]["client.poll"]["payload"]

    assert list(faults(schema, json.loads(example))) == []
    assert list(faults(schema, {"as": "admin"})) != []


TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
KNOWN = {"$ref", "anyOf", "type", "enum", "const", "properties", "required", "additionalProperties", "items"}
KNOWN |= {"minimum", "maximum", "prefixItems", "minItems", "maxItems", "title", "default", "description"}


def faults(schema: dict[str, Any], value: Any) -> Iterator[str]:  # Any: a JSON schema and JSON values
    """What is wrong with a value, by the words of JSON Schema that our document uses; another word is a fault too."""
    if unknown := set(schema) - KNOWN:
        yield f"this test knows no {sorted(unknown)}"
    if "$ref" in schema:
        yield from faults(_at(schema["$ref"]), value)
    if "anyOf" in schema and all(any(True for _ in faults(each, value)) for each in schema["anyOf"]):
        yield f"{value!r} is none of them"
    if "type" in schema and not _is(schema["type"], value):
        yield f"{value!r} is no {schema['type']}"
        return
    if ("enum" in schema and value not in schema["enum"]) or ("const" in schema and value != schema["const"]):
        yield f"{value!r} is not one of those"
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{value!r} is out of bounds"
    if isinstance(value, dict):
        yield from _members(schema, value)
    if isinstance(value, list):
        yield from _items(schema, value)


def _is(kind: str, value: object) -> bool:
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _members(schema: dict[str, Any], value: dict[str, Any]) -> Iterator[str]:
    yield from (f"{name} is missing" for name in schema.get("required", ()) if name not in value)
    for name, each in value.items():
        other = schema.get("additionalProperties", {})
        inner = schema.get("properties", {}).get(name, other if isinstance(other, dict) else {})
        yield from faults(inner, each)


def _items(schema: dict[str, Any], value: list[Any]) -> Iterator[str]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        yield f"{len(value)} is a wrong number of items"
    first = schema.get("prefixItems", [])
    for place, each in enumerate(value):
        inner = first[place] if place < len(first) else schema.get("items", {})
        yield from faults(inner if isinstance(inner, dict) else {}, each)


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from _references(each)
    elif isinstance(node, list):
        for each in node:
            yield from _references(each)


def _at(reference: str) -> dict[str, Any]:
    node: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        node = node[name]
    found: dict[str, Any] = node
    return found
