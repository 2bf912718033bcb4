"""YAML as people write it and as we print it: what is wrong is one sentence with its line."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from appstack.errors import OperatorError

Document = dict[str, Any]

_FIRST: Final = ("apiVersion", "kind", "metadata", "spec")
_FIRST_OF_METADATA: Final = ("name", "namespace", "labels", "annotations")
_WIDTH: Final = 110


def read(path: str) -> list[Document]:
    """Return the documents of a file, or of standard input for `-`; lists are taken apart, empty ones left out."""
    text, name = _text(path), shown(path)
    try:
        loaded = [document for document in yaml.load_all(text, _Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        raise OperatorError(f"{name}: {_sentence(error)}", "Correct the YAML there") from None
    except yaml.YAMLError as error:
        raise OperatorError(f"{name}: {' '.join(str(error).split())}", "Correct the YAML") from None
    return [document for one in loaded for document in _whole(one, name)]


def dump(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return the YAML of documents: the keys that tell what it is first, text of several lines as it reads."""
    return "---\n".join(
        yaml.dump(_ordered(one), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH) for one in documents
    )


def shown(path: str) -> str:
    """Return the name by which messages call a file."""
    return "standard input" if path == "-" else path


def _text(path: str) -> str:
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f"byte {error.start}"
        raise OperatorError(f"{shown(path)} is not UTF-8 text ({place})", "Give a YAML file") from None
    except OSError as error:
        hint = "Check the path; `-` reads standard input"
        raise OperatorError(f"{shown(path)} can't be read: {error.strerror}", hint) from None


def _whole(document: Any, name: str) -> Iterator[Document]:
    if not isinstance(document, dict):
        kind = type(document).__name__
        raise OperatorError(
            f"{name} holds a {kind} where a Kubernetes object should be",
            "An AppStack begins with apiVersion and kind",
        )
    if document.get("kind") == "List" and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _whole(item, name)
    else:
        yield document


def _sentence(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line = f"line {mark.line + 1}: " if mark else ""
    told = [part for part in (error.problem, error.context) if part]
    return f"{line}{' '.join(told)}"


class _Loader(yaml.SafeLoader):
    """YAML as kubectl reads it: no dates, no sexagesimal numbers, `0o440` is octal, a key comes once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping; refuse a key that comes twice, of which YAML would keep the last."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    problem = f"the key {key.value!r} comes twice"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_INT, _FLOAT, _BOOL = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool"))
_AS_KUBECTL: Final = (
    (_INT, r"^[-+]?(0b[01_]+|0o?[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$", "-+0123456789"),
    (_FLOAT, r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", "-+.0123456789"),
    (_BOOL, r"^[yYnN]$", "yYnN"),
)
"""What kubectl reads otherwise than PyYAML: the type, its text, its first characters. The first that fits holds."""

_UNLIKE_KUBECTL: Final = frozenset({"tag:yaml.org,2002:timestamp", _INT})


def _as_kubectl(one: type[_Loader | _Dumper]) -> None:
    one.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _UNLIKE_KUBECTL]
        for first, resolvers in one.yaml_implicit_resolvers.items()
    }
    for tag, pattern, first in _AS_KUBECTL:
        one.add_implicit_resolver(tag, re.compile(pattern), list(first))


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    plain = yaml.ScalarNode(node.tag, node.value.replace("0o", "0", 1), node.start_mark, node.end_mark)
    return int(loader.construct_yaml_int(plain))


def _boolean(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    return node.value in "yY" if len(node.value) == 1 else bool(loader.construct_yaml_bool(node))


_as_kubectl(_Loader)
_Loader.add_constructor(_INT, _integer)
_Loader.add_constructor(_BOOL, _boolean)


class _Dumper(yaml.SafeDumper):
    """YAML without anchors, lists indented under their key, text of several lines as literal blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value that comes twice out twice."""
        return True


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_as_kubectl(_Dumper)
_Dumper.add_representer(str, _string)


def _ordered(document: Mapping[str, Any]) -> Document:
    whole = _with_first(document, _FIRST)
    if isinstance(whole.get("metadata"), Mapping):
        whole["metadata"] = _with_first(whole["metadata"], _FIRST_OF_METADATA)
    return whole


def _with_first(mapping: Mapping[str, Any], first: Iterable[str]) -> Document:
    return {key: mapping[key] for key in [*(k for k in first if k in mapping), *mapping] if key in mapping}
