"""The author's nginx configuration text, as far as the generated configuration depends on it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property, lru_cache

from appstack.api.proxy import Proxy
from appstack.render.nginx_syntax import Directive, NginxSyntaxError, parse


@lru_cache(maxsize=2)  # validation and rendering parse the two texts of one AppStack
def parse_result(text: str) -> tuple[Directive, ...] | NginxSyntaxError:
    """Return the directives of a text, or the error of `parse`: each check would otherwise parse a wrong text again."""
    try:
        return parse(text)
    except NginxSyntaxError as error:
        return error


def parsed(text: str) -> tuple[Directive, ...]:
    """Return the directives of a text. Raise NginxSyntaxError as `parse` does."""
    result = parse_result(text)
    if isinstance(result, NginxSyntaxError):
        raise result.with_traceback(None)
    return result


def _directives(text: str | None) -> tuple[Directive, ...]:
    """Return the directives of a text; none if it cannot be parsed, which validation reports."""
    try:
        return parsed(text) if text else ()
    except NginxSyntaxError:
        return ()


def location_key(args: Iterable[str]) -> str:
    """Return the identity of a location: nginx refuses two with the same one in a server, with or without `^~`."""
    return " ".join(arg for arg in args if arg != "^~")


class AuthorText:
    """The directives of `httpSnippet` and `serverSnippet`."""

    def __init__(self, proxy: Proxy) -> None:
        self.http = _directives(proxy.http_snippet)
        self.server = _directives(proxy.server_snippet)

    @cached_property
    def http_names(self) -> frozenset[str]:
        """The names of the directives directly in http {}."""
        return frozenset(each.name for each in self.http)

    @cached_property
    def server_locations(self) -> frozenset[str]:
        """The keys of the locations directly in server {}."""
        return frozenset(location_key(each.args) for each in self.server if each.name == "location")

    @cached_property
    def server_headers(self) -> frozenset[tuple[str, str]]:
        """The directives directly in server {} that set a header or parameter, with its name in lower case."""
        setters = (each for each in self.server if each.args and each.name.endswith(("_set_header", "_param")))
        return frozenset((each.name, each.args[0].lower()) for each in setters)
