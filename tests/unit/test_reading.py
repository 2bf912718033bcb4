"""What is nested deeper than anybody means is cut off, and all else is read as it stands."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from appstack.k8s import lenient_json as reading
from appstack.k8s.lenient_json import read, readable

STRINGS = ["", "a", '"', "\\", '\\"', "[", "]}", '{"a":', "é", "\n", "\u2028", "\\u005b"]


def nested(levels: int, *, within: Any = 1) -> Any:
    """Return a value that many levels down, in lists and objects by turns."""
    for level in range(levels):
        within = [within, "["] if level % 2 else {"}": 0, "a": within, "z": [level]}
    return within


def anything(chance: random.Random, levels: int) -> Any:
    """Return a JSON value."""
    if not levels or chance.random() < 0.2:
        return chance.choice([None, True, 0, -1.5, 10**30, *STRINGS])
    if chance.random() < 0.5:
        return [anything(chance, levels - 1) for _ in range(chance.randrange(4))]
    return {chance.choice(STRINGS): anything(chance, levels - 1) for _ in range(chance.randrange(4))}


def cut(value: Any, levels: int = 100) -> Any:
    """Return it with nothing below that level."""
    if not isinstance(value, list | dict):
        return value
    if not levels:
        return None
    if isinstance(value, list):
        return [cut(item, levels - 1) for item in value]
    return {key: cut(item, levels - 1) for key, item in value.items()}


@pytest.mark.parametrize("seed", range(50))
def test_what_people_write_is_read_as_it_stands(seed: int) -> None:
    value = anything(random.Random(seed), 12)
    text = json.dumps(value, ensure_ascii=bool(seed % 2), indent=seed % 3 or None).encode()

    assert value == read(text)
    assert text is readable(text)


@pytest.mark.parametrize("levels", [210, 400])
@pytest.mark.parametrize("seed", range(10))
def test_what_is_too_deep_is_cut_off(levels: int, seed: int) -> None:
    chance = random.Random(seed)
    beside = [anything(chance, 12), nested(99), nested(100), anything(chance, 12)]
    value = [nested(levels, within=anything(chance, 6)), *beside, nested(levels), "the end"]
    text = json.dumps(value).encode()

    assert cut(value) == read(text)
    assert cut(value) == json.loads(readable(text))


@pytest.mark.parametrize("levels", [200, 201, 1_000, 9_999, 300_000])
def test_no_depth_is_too_much(levels: int) -> None:
    text = b'{"a":' + b"[" * levels + b"]" * levels + b',"b":[1]}'

    assert [1] == read(text)["b"]
    assert [1] == json.loads(readable(text))["b"]


@pytest.mark.parametrize("text", [b"", b"{", b'{"a":', b"]", b'"', b"<html>", b"[" * 300, b"]" * 300])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(text)
    assert text is readable(text), "who reads it says so"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": "\\ud800"}', {"a": "?"}),
        (b'{"\\udfff": ["\\ud83d\\ude00"]}', {"?": ["\U0001f600"]}),
        (b'{"a\xff": "\xe9\xc3\xa9"}', {"a\ufffd": "\ufffdé"}),
        (b'{"a": [' + b"9" * 300 + b", " + b"9" * 5_000 + b"]}", {"a": [10**300 - 1, 0]}),
    ],
)
def test_what_is_no_text_is_made_one(text: bytes, value: Any) -> None:
    assert value == read(text)
    assert value == json.loads(readable(text))


@pytest.mark.parametrize("text", [b'\\"' * 100_000, b'{"a": "' + b'\\"' * 100_000, b'{"a": "' + b"\\" * 99_999])
def test_a_text_that_ends_in_a_string_is_looked_at_once(text: bytes) -> None:
    signs = list(reading._SIGN.finditer(text.decode()))

    assert len(text) == signs[-1].end(), "else it is looked at again from each quotation mark in it: for minutes"
    with pytest.raises(ValueError, match=r"."):
        read(text)
