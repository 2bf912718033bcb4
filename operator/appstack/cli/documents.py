"""Reading and writing of YAML as kubectl does it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from appstack.errors import OperatorError
from appstack.k8s.metadata import API_VERSION, KIND
from appstack.k8s.text import CONTROLS

Document = dict[str, Any]

ADD_APPSTACK_HINT: Final = f"Add an object with apiVersion: {API_VERSION} and kind: {KIND}"

_FIRST_KEYS: Final = ("apiVersion", "kind", "metadata", "spec")
_FIRST_METADATA_KEYS: Final = ("name", "namespace", "labels", "annotations")
_LINE_WIDTH: Final = 110
_CONTROL: Final = re.compile(rf"(?![\n\t])[{CONTROLS}]")
_MAX_VALUES: Final = 1_000_000  # of a document with its aliases expanded; the largest AppStack has 10,000
_MAX_DIGITS: Final = 1000  # of a whole number; Python converts at most 4300


def load(path: str) -> list[Document]:
    """Return the objects in a file, or in standard input for `-`. Split Lists, and leave out empty documents.

    Raise OperatorError with the line of the error.
    """
    name = display_name(path)
    return objects(parse(read_text(path), name), name)


def parse(text: str, name: str, loader: type[Loader] | None = None) -> list[Any]:
    """Return the YAML documents in a text, without empty ones. Raise OperatorError with the line of the error."""
    try:
        return [document for document in yaml.load_all(text, loader or Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        raise OperatorError(f"{name}: {_describe(error)}", "Correct the YAML at this line") from None
    except yaml.YAMLError as error:
        raise OperatorError(f"{name}: {' '.join(str(error).split())}", "Correct the YAML") from None
    except RecursionError:
        raise OperatorError(f"{name} is nested too deeply", "Remove levels that no Kubernetes object has") from None


def objects(documents: Iterable[Any], name: str) -> list[Document]:
    """Return Kubernetes objects with Lists split. Raise OperatorError for anything else."""
    return [each for one in documents for each in _objects(one, name)]


def dump(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return objects as YAML, with apiVersion, kind and metadata first and multi-line strings as literal blocks.

    Control characters are escaped, as YAML does it: the text may be printed on a terminal.
    """
    text = "---\n".join(
        yaml.dump(_ordered(one), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_LINE_WIDTH)
        for one in documents
    )
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def display_name(path: str) -> str:
    """Return the name of a file in messages."""
    return "standard input" if path == "-" else path


def read_text(path: str) -> str:
    """Return the text of a file, or of standard input for `-`. Raise OperatorError if it cannot be read."""
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        position = f"byte {error.start}"
        raise OperatorError(f"{display_name(path)} is not UTF-8 text ({position})", "Pass a YAML file") from None
    except OSError as error:
        hint = "Check the path; `-` reads standard input"
        raise OperatorError(f"{display_name(path)} cannot be read: {error.strerror}", hint) from None


def _objects(document: Any, name: str) -> Iterator[Document]:
    if not isinstance(document, dict):
        raise OperatorError(
            f"{name} contains a {type(document).__name__} instead of a Kubernetes object",
            ADD_APPSTACK_HINT,
        )
    if document.get("kind") == "List" and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _objects(item, name)
    else:
        yield document


def _describe(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    line = f"line {mark.line + 1}: " if mark else ""
    parts = [part for part in (error.problem, error.context) if part]
    return f"{line}{' '.join(parts)}"


class Loader(yaml.SafeLoader):
    """YAML as kubectl reads it: no dates, no sexagesimal numbers, `0o440` is octal, duplicate keys are refused."""

    def construct_document(self, node: yaml.Node) -> Any:
        """Return a document. Raise MarkedYAMLError if its aliases expand to too many values or contain themselves."""
        _check_aliases(node)
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping. Raise MarkedYAMLError for a duplicate key, of which PyYAML would keep the last."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    problem = f"duplicate key {key.value!r}"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _check_aliases(document: yaml.Node) -> None:
    """Raise MarkedYAMLError for an alias that would expand for ever, or to more values than any object has."""
    sizes: dict[yaml.Node, int | None] = {}  # None while the values of the node are counted

    def size(node: yaml.Node) -> int:
        if node in sizes:
            counted = sizes[node]
            if counted is None:
                raise yaml.MarkedYAMLError(problem="an alias contains itself", problem_mark=node.start_mark)
            return counted
        sizes[node] = None
        match node:
            case yaml.MappingNode():
                total = 1 + sum(size(key) + size(value) for key, value in node.value)
            case yaml.SequenceNode():
                total = 1 + sum(size(item) for item in node.value)
            case _:
                total = 1
        if total > _MAX_VALUES:
            problem = f"aliases expand to more than {_MAX_VALUES:,} values"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        sizes[node] = total
        return total

    size(document)


_INT, _FLOAT, _BOOL = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool"))
_ADDED_RESOLVERS: Final = (
    (_INT, r"^[-+]?(0b[01_]+|0o?[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$", "-+0123456789"),
    (_FLOAT, r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", "-+.0123456789"),
    (_BOOL, r"^[yYnN]$", "yYnN"),
)
"""Scalars that kubectl reads differently from PyYAML: tag, pattern, first characters. The first match applies."""

_REMOVED_RESOLVERS: Final = frozenset({"tag:yaml.org,2002:timestamp", _INT})


def _resolve_as_kubectl(cls: type[Loader | _Dumper]) -> None:
    cls.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REMOVED_RESOLVERS]
        for first, resolvers in cls.yaml_implicit_resolvers.items()
    }
    for tag, pattern, first in _ADDED_RESOLVERS:
        cls.add_implicit_resolver(tag, re.compile(pattern), list(first))


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    if len(node.value) > _MAX_DIGITS:
        raise yaml.MarkedYAMLError(problem="a number has too many digits", problem_mark=node.start_mark)
    plain = yaml.ScalarNode(node.tag, node.value.replace("0o", "0", 1), node.start_mark, node.end_mark)
    return int(loader.construct_yaml_int(plain))


def _construct_bool(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    return node.value in "yY" if len(node.value) == 1 else bool(loader.construct_yaml_bool(node))


_resolve_as_kubectl(Loader)
Loader.add_constructor(_INT, _construct_int)
Loader.add_constructor(_BOOL, _construct_bool)


class _Dumper(yaml.SafeDumper):
    """YAML without anchors, with multi-line strings as literal blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True: a value that occurs twice is written twice, not as an alias."""
        return True


def _represent_str(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _CONTROL.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_resolve_as_kubectl(_Dumper)
_Dumper.add_representer(str, _represent_str)


def _ordered(document: Mapping[str, Any]) -> Document:
    ordered = _with_first(document, _FIRST_KEYS)
    if isinstance(ordered.get("metadata"), Mapping):
        ordered["metadata"] = _with_first(ordered["metadata"], _FIRST_METADATA_KEYS)
    return ordered


def _with_first(mapping: Mapping[str, Any], first: Iterable[str]) -> Document:
    return {key: mapping[key] for key in [*(k for k in first if k in mapping), *mapping] if key in mapping}
