"""The identity of the holder of a Lease, and the detection of holders that have ended."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from appstack.leaderelection.identity import HolderIdentity


@pytest.mark.parametrize(
    ("sentence", "holder", "is_dead"),
    [
        ("an earlier process with our PID", lambda own: HolderIdentity(own.host, own.boot, own.pid, "0"), True),
        ("our parent, which runs", lambda own: HolderIdentity(own.host, own.boot, os.getppid(), "0"), False),
        ("a PID without a process", lambda own: HolderIdentity(own.host, own.boot, 2**22 + 1, "0"), True),
        ("another boot of this machine", lambda own: HolderIdentity(own.host, "another", 2**22 + 1, "0"), False),
        ("another machine", lambda own: HolderIdentity("another", own.boot, 2**22 + 1, "0"), False),
        ("the identity of another program", lambda _: "another-program", False),
    ],
)
def test_holder_is_dead_only_if_its_process_would_be_visible(
    sentence: str, holder: Callable[[HolderIdentity], object], is_dead: bool
) -> None:
    own = HolderIdentity.current()

    assert is_dead is own.is_dead(str(holder(own))), sentence
