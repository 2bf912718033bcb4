"""The vocabulary of this project as data, and the search for terms that it has retired.

`python -m tests.language PATH …` prints every finding below the paths, for an author at work on them.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

IDENTIFIERS: Final = {
    "look looks looked": "reconcile, get, detect, validate",
    "tell tells told untold": "write, status write, message",
    "say says said spoken saying": "message, text, output",
    "word words": "command, token, value",
    "hands": "applier",
    "feed heard hear": "kopf source, events",
    "turn turns lane lanes teller tellers": "queue, priority, item",
    "moves territory ours theirs": "shard handover, namespace filter, own, upstream",
    "sweep swept pulse beat": "relist tracker, watch health, heartbeat",
    "intent intents": "desired state",
    "contest contests contested fights": "drift, conflict",
    "resting rests": "backing off",
    "wish wishes": "spec hash, requeue",
    "spot question questions carried gifts usual": "mount point, probe, proxied probe, default",
    "anew": "again, relist, recreate",
    "doomed bereft touched lost gone": "deleting, deleted, updated, missing, not found",
    "doubt doubtful strike strikes struck lacks lacking": "stale, failures, missing kinds",
    "whose whoever somebody someone": "owner, manager",
    "peek rehearse rehearsed": "check ownership, dry run",
    "allowance shares slots": "rate limiter, fair share, semaphore",
    "slim packed": "transform, compact",
    "alone rival rivals outlived": "conflict check, conflicting, dead",
    "crew": "replicas",
}
"""Parts of identifiers that are retired (in any case), and the terms of the field in their place."""

PHRASES: Final = {
    r"who(so)?ever|whyever|somebody|someone|anybody|everybody|nobody": "name the user, controller or object",
    r"bereft|doomed|untold": "deleted, marked as deleting, pending",
    r"well again": "re-established",
    r"\banew\b": "again, or the verb that applies: relist, recreate, restart",
    r"tell whether": "return whether",
    r"take in (that|an|a|what|whether|the|every)": "record, handle",
    r"(have|has|having|had) a look": "reconcile, check",
    r"\ba look at|one look at|looks at a stack": "a reconcile of",
    r"this is a defect of": "unhandled error in",
    r"put right": "repaired",
    r"(are|is|was|were|be) told\b": "is reported, is written, is notified",
    r"\btold of\b|\btells of\b": "reports",
    r"work before words": "status writes have lower priority",
    r"stands? by\b": "standby",
    r"(is|are) ours\b|becomes? ours|ours no longer": "is owned by this operator, is selected",
    r"\bhands it (out|on)\b": "passes it on",
}
"""Phrases that docstrings, comments, documents and log messages do not use, and what to write instead."""

VAGUE: Final = re.compile(r"\b(what|who|whose|whoever|somebody)\b", re.IGNORECASE)
MAX_VAGUE: Final = 3
"""Occurrences of vague pronouns in 1,000 words of the docstrings and comments of a package."""

MIN_WORDS: Final = 1000
"""A package with fewer words is counted as if it had this many: one occurrence is no trend."""

_PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")
_RETIRED: Final = {part: term for parts, term in IDENTIFIERS.items() for part in parts.split()}
_TEXT: Final = [(re.compile(pattern, re.IGNORECASE), term) for pattern, term in PHRASES.items()]
_LOG: Final = {"debug", "info", "warning", "error", "exception", "log"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A retired term at a line of a file, and the term that replaces it."""

    path: Path
    line: int
    term: str
    instead: str

    def __str__(self) -> str:
        """One line, as compilers print it."""
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.term!r} is retired: write {self.instead}"


def identifiers(path: Path) -> Iterator[Finding]:
    """Yield the retired parts of the identifiers that a Python file defines: functions, classes, arguments, names."""
    for node in ast.walk(ast.parse(path.read_text())):
        for name in (name for name in _defined(node) if not name.startswith("__")):
            for part in _PART.findall(name):
                if part.lower() in _RETIRED:
                    line = getattr(node, "lineno", 0)
                    yield Finding(path, line, name, _RETIRED[part.lower()])


def _defined(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
            yield name


def prose(path: Path) -> list[tuple[int, str]]:
    """Return the docstrings, comments and log messages of a Python file, or the lines of any other, with their line."""
    text = path.read_text()
    if path.suffix != ".py":
        return list(enumerate(text.splitlines(), start=1))
    found = [(token.start[0], token.string) for token in _comments(text)]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found.append((node.lineno, node.value.value))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LOG:
            found += [(node.lineno, str(one.value)) for one in node.args if isinstance(one, ast.Constant)]
    return found


def _comments(text: str) -> Iterator[tokenize.TokenInfo]:
    return (one for one in tokenize.generate_tokens(io.StringIO(text).readline) if one.type == tokenize.COMMENT)


def phrases(path: Path) -> Iterator[Finding]:
    """Yield the retired phrases in the prose of a file."""
    for line, text in prose(path):
        for pattern, term in _TEXT:
            for match in pattern.finditer(text):
                yield Finding(path, line + text[: match.start()].count("\n"), match.group(), term)


def vague(paths: list[Path]) -> tuple[int, int]:
    """Return how many vague pronouns the prose of these files has, and how many words."""
    texts = [text for path in paths for _, text in prose(path)]
    return sum(len(VAGUE.findall(text)) for text in texts), sum(len(text.split()) for text in texts)


def main(names: list[str]) -> int:
    """Print the findings below the paths; return 1 when there is one."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]
    python = [path for path in paths if path.suffix == ".py"]
    texts = [path for path in paths if path.suffix in {".md", ".tpl", ".txt", ".mk"}]
    found = [one for path in python for one in identifiers(path)]
    found += [one for path in (*python, *texts) for one in phrases(path)]
    for one in found:
        print(one)
    count, words = vague(python)
    print(f"{len(found)} findings; vague pronouns: {count} in {words} words (at most {MAX_VAGUE} in 1,000)")
    return int(bool(found) or count * 1000 > MAX_VAGUE * max(words, MIN_WORDS))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
