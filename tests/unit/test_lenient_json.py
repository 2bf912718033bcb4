"""JSON decoding of documents with excessive depth, invalid text and long integers."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from appstack.k8s import lenient_json
from appstack.k8s.lenient_json import end_of_value, loads, sanitize

STRINGS = ["", "a", '"', "\\", '\\"', "[", "]}", '{"a":', "é", "\n", "\u2028", "\\u005b"]


def nested(levels: int, *, within: Any = 1) -> Any:
    """Return a value nested that many levels deep, in lists and objects alternately."""
    for level in range(levels):
        within = [within, "["] if level % 2 else {"}": 0, "a": within, "z": [level]}
    return within


def random_value(chance: random.Random, levels: int) -> Any:
    """Return a random JSON value of at most `levels` levels."""
    if not levels or chance.random() < 0.2:
        return chance.choice([None, True, 0, -1.5, 10**30, *STRINGS])
    if chance.random() < 0.5:
        return [random_value(chance, levels - 1) for _ in range(chance.randrange(4))]
    return {chance.choice(STRINGS): random_value(chance, levels - 1) for _ in range(chance.randrange(4))}


def pruned(value: Any, levels: int = 100) -> Any:
    """Return the value with null in place of everything below a level."""
    if not isinstance(value, list | dict):
        return value
    if not levels:
        return None
    if isinstance(value, list):
        return [pruned(item, levels - 1) for item in value]
    return {key: pruned(item, levels - 1) for key, item in value.items()}


@pytest.mark.parametrize("seed", range(50))
def test_valid_document_is_decoded_unchanged(seed: int) -> None:
    value = random_value(random.Random(seed), 12)
    text = json.dumps(value, ensure_ascii=bool(seed % 2), indent=seed % 3 or None).encode()

    assert value == loads(text)
    assert (value, text) == sanitize(text)


@pytest.mark.parametrize("seed", range(20))
def test_end_of_a_value_is_found_within_other_text(seed: int) -> None:
    value = {"a": random_value(random.Random(seed), 12), "}": ["]", '\\"}']}
    text = json.dumps(value, ensure_ascii=bool(seed % 2)).encode()

    assert len(text) + 3 == end_of_value(b"[1," + text + b',{"b": 2}]', 3)


def test_value_without_an_end_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="unexpected end"):
        end_of_value(b'{"a": [1, {"b": "}"}', 0)


@pytest.mark.parametrize("levels", [210, 400])
@pytest.mark.parametrize("seed", range(10))
def test_levels_below_the_hundredth_become_null(levels: int, seed: int) -> None:
    chance = random.Random(seed)
    siblings = [random_value(chance, 12), nested(99), nested(100), random_value(chance, 12)]
    value = [nested(levels, within=random_value(chance, 6)), *siblings, nested(levels), "the end"]
    text = json.dumps(value).encode()

    assert pruned(value) == loads(text)
    assert pruned(value) == json.loads(sanitize(text)[1])


@pytest.mark.parametrize("levels", [200, 201, 1_000, 9_999, 300_000])
def test_document_of_any_depth_is_decoded(levels: int) -> None:
    text = b'{"a":' + b"[" * levels + b"]" * levels + b',"b":[1]}'

    assert [1] == loads(text)["b"]
    assert [1] == json.loads(sanitize(text)[1])["b"]


@pytest.mark.parametrize("text", [b"", b"{", b'{"a":', b"]", b'"', b"<html>", b"[" * 300, b"]" * 300])
def test_invalid_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        loads(text)
    assert (None, text) == sanitize(text), "the caller's decoder reports the error"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": "\\ud800"}', {"a": "?"}),
        (b'{"\\udfff": ["\\ud83d\\ude00"]}', {"?": ["\U0001f600"]}),
        (b'{"a\xff": "\xe9\xc3\xa9"}', {"a\ufffd": "\ufffdé"}),
        (b'{"a": [' + b"9" * 300 + b", " + b"9" * 5_000 + b"]}", {"a": [10**300 - 1, 0]}),
    ],
)
def test_undecodable_text_and_long_integers_are_replaced(text: bytes, value: Any) -> None:
    assert value == loads(text)
    assert value == json.loads(sanitize(text)[1])


@pytest.mark.parametrize("text", [b'\\"' * 100_000, b'{"a": "' + b'\\"' * 100_000, b'{"a": "' + b"\\" * 99_999])
def test_unterminated_string_is_scanned_in_linear_time(text: bytes) -> None:
    tokens = list(lenient_json._TOKEN.finditer(text.decode()))

    assert len(text) == tokens[-1].end(), "without this token, the scan restarts at each quotation mark: for minutes"
    with pytest.raises(ValueError, match=r"."):
        loads(text)
