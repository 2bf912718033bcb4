"""Variables in the values of a compose file: `$NAME`, and `${NAME}` with a default, an error or a replacement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from appstack.errors import OperatorError
from appstack.k8s.text import truncate

_TOKEN: Final = re.compile(r"\$(?:(?P<escaped>\$)|(?P<plain>[A-Za-z_][A-Za-z0-9_]*)|(?P<brace>\{))")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR: Final = re.compile(r":?[-?+]")


class Interpolation:
    """The variables of a project, and the names of those that are not set and have no default."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.unset: dict[str, None] = {}

    def value(self, value: Any, path: str = "") -> Any:
        """Return a value with the variables in its strings replaced; keys are not interpolated."""
        if isinstance(value, dict):
            return {key: self.value(inner, f"{path}.{key}".lstrip(".")) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner, f"{path}[{index}]") for index, inner in enumerate(value)]
        return self._whole_text(value, path) if isinstance(value, str) else value

    def _whole_text(self, text: str, path: str) -> str:
        try:
            return self._text(text, path)[0]
        except RecursionError:  # defaults within defaults
            raise _error(path, truncate(text)) from None

    def _text(self, text: str, path: str, *, nested: bool = False) -> tuple[str, int]:
        """Return the interpolated text and the position of its end: of the closing brace if it is nested."""
        parts: list[str] = []
        position = 0
        while position < len(text):
            if nested and text[position] == "}":
                return "".join(parts), position
            token = _TOKEN.match(text, position)
            if token is None:
                parts.append(text[position])
                position += 1
            elif token["brace"]:
                value, position = self._braced(text, token.end(), path)
                parts.append(value)
            else:
                parts.append("$" if token["escaped"] else self._resolved(token["plain"]))
                position = token.end()
        if nested:
            raise _error(path, text)
        return "".join(parts), position

    def _braced(self, text: str, start: int, path: str) -> tuple[str, int]:
        """Return the value of `${…}` and the position after it; `start` is the position after the opening brace."""
        name = _NAME.match(text, start)
        if name is None:
            raise _error(path, text)
        operator = _OPERATOR.match(text, name.end())
        argument, end = "", name.end()
        if operator:
            argument, length = self._text(text[operator.end() :], path, nested=True)
            end = operator.end() + length
        if text[end : end + 1] != "}":
            raise _error(path, text)
        if operator is None:
            return self._resolved(name[0]), end + 1
        return self._with_operator(name[0], operator[0], argument, path), end + 1

    def _with_operator(self, name: str, operator: str, argument: str, path: str) -> str:
        value = self._variables.get(name)
        is_set = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return argument if is_set else ""
        if is_set:
            return value or ""
        if operator.endswith("?"):
            raise OperatorError(
                f"{path}: the variable {name} is required: {argument}", "Set it in the environment or in .env"
            )
        return argument

    def _resolved(self, name: str) -> str:
        if name not in self._variables:
            self.unset[name] = None
        return self._variables.get(name, "")


def _error(path: str, text: str) -> OperatorError:
    return OperatorError(
        f"{path}: invalid variable in {text!r}", "Write ${NAME}, ${NAME:-default}, or $$ for a dollar sign"
    )
