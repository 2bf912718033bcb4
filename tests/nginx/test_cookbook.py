"""Every example of docs/proxy.md is a valid AppStack without a warning, and both versions of nginx accept it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from appstack.settings import Settings
from tests.nginx.conftest import rendered
from tests.nginx.server import Sandbox, proxy_files

PAGE = Path(__file__).parents[2] / "docs/proxy.md"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
BACKEND = {"image": "shop:1", "ports": [{"name": "http", "containerPort": 8000}]}


@pytest.mark.parametrize("text", EXAMPLES, ids=range(len(EXAMPLES)))
def test_example(tmp_path: Path, program: Path | None, text: str) -> None:
    spec: dict[str, Any] = {"backend": BACKEND, **yaml.safe_load(text)}
    manifests = rendered(spec, Settings())
    sandbox = Sandbox(tmp_path / "nginx", program)
    sandbox.write({path: content for path, content in proxy_files(manifests).items() if "/check/" not in path})

    assert "[warn]" not in sandbox.test() or spec["proxy"].get("upstreamProtocol") == "GRPC"


def test_page_has_examples() -> None:
    assert len(EXAMPLES) > 15
