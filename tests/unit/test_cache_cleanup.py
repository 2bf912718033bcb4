"""The cleanup of node caches, on real directories."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from pathlib import Path

import pytest

from appstack.cli import cache_cleanup
from appstack.cli.cache_cleanup import TRASH, Owners
from appstack.cli.cleanup import list_owners
from appstack.client.client import Client
from appstack.errors import ApiUnavailable
from tests.unit.api_server import FakeApiServer

TEAM, FORMER = "team_1d3f", "team_0a0a"  # a namespace that was created again
OWNERS = Owners(frozenset({TEAM}), frozenset({(TEAM, "shop")}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a cache root with caches of an AppStack, of a deleted one and of a deleted namespace."""
    for path in (f"{TEAM}/shop/data", f"{TEAM}/deleted/data", f"{FORMER}/shop/data"):
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "file").write_text("kept")
    return tmp_path


def clean_up(root: Path, *lists: Owners | Exception) -> list[str]:
    """Clean up with these answers of the API server; the last one is repeated."""
    answers = list(lists or (OWNERS,))

    async def list_of_owners() -> Owners:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return asyncio.run(cache_cleanup.clean_up(str(root), list_of_owners))


def tree(root: Path) -> set[str]:
    """Return the paths below the root, without the trash itself."""
    return {str(path.relative_to(root)) for path in root.rglob("*")} - {TRASH}


KEPT = {TEAM, f"{TEAM}/shop", f"{TEAM}/shop/data", f"{TEAM}/shop/data/file"}


def test_caches_of_deleted_stacks_and_namespaces_are_deleted(root: Path) -> None:
    assert [FORMER, f"{TEAM}/deleted"] == clean_up(root)
    assert KEPT == tree(root)
    assert [] == clean_up(root)


@pytest.mark.parametrize("answer", [0, 1])
def test_nothing_is_deleted_without_a_complete_list(root: Path, answer: int) -> None:
    before = {path: (root / path).stat().st_ino for path in tree(root)}
    with pytest.raises(ApiUnavailable):
        clean_up(root, *([OWNERS] * answer), ApiUnavailable("no answer"))

    assert before == {path: (root / path).stat().st_ino for path in tree(root)}


def test_cache_of_a_stack_that_is_created_meanwhile_is_kept(root: Path) -> None:
    inode = (root / TEAM / "deleted").stat().st_ino
    recreated = Owners(OWNERS.namespaces, OWNERS.stacks | {(TEAM, "deleted")})

    assert [FORMER] == clean_up(root, OWNERS, recreated)
    assert (root / TEAM / "deleted" / "data" / "file").read_text() == "kept"
    assert inode == (root / TEAM / "deleted").stat().st_ino, "a pod that has mounted it keeps it"


def test_new_directory_of_a_stack_that_is_created_meanwhile_wins(root: Path) -> None:
    recreated = Owners(OWNERS.namespaces, OWNERS.stacks | {(TEAM, "deleted")})

    async def list_of_owners() -> Owners:
        if (root / TEAM / "deleted").exists():
            return OWNERS
        (root / TEAM / "deleted/data").mkdir(parents=True)  # as the kubelet does for its pod
        (root / TEAM / "deleted/data/new").write_text("new")
        return recreated

    asyncio.run(cache_cleanup.clean_up(str(root), list_of_owners))

    assert ["new"] == [path.name for path in (root / TEAM / "deleted/data").iterdir()]


def test_symbolic_links_are_removed_and_not_followed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_text("kept")
    data = root / FORMER / "shop" / "data"
    (data / "link").symlink_to(outside)
    (data / "up").symlink_to(root / TEAM)
    (root / TEAM / "gone").symlink_to(outside)
    (root / "evil_0b0b").symlink_to(outside)

    clean_up(root)

    assert "kept" == (outside / "secret").read_text()
    assert KEPT | {f"{TEAM}/gone", "evil_0b0b"} == tree(root), "a link at the place of a directory is not ours"


def test_link_at_the_place_of_the_trash_is_an_error(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (root / TRASH).symlink_to(tmp_path_factory.mktemp("outside"))

    with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
        clean_up(root)


def test_other_entries_of_the_root_are_kept(root: Path) -> None:
    for name in ("lost+found", "notes", ".hidden", "UPPER_0a0a", "no-uid"):
        (root / name / "data").mkdir(parents=True)
    (root / "file_0a0a").write_text("kept")

    clean_up(root)

    assert {"lost+found", "notes", ".hidden", "UPPER_0a0a", "no-uid", "file_0a0a"} <= {
        path.name for path in root.iterdir()
    }


def test_directory_of_any_depth_and_size_is_deleted(root: Path) -> None:
    fd = os.open(root / FORMER / "shop" / "data", os.O_RDONLY)
    for _ in range(3 * sys.getrecursionlimit()):
        os.mkdir("d", dir_fd=fd)
        deeper = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
    for number in range(2_500):
        os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)

    assert [FORMER, f"{TEAM}/deleted"] == clean_up(root)
    assert KEPT == tree(root)


def test_part_that_cannot_be_deleted_does_not_stop_the_cleanup(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / FORMER / "shop/data/immutable").write_text("")
    unlink = os.unlink

    def failing(path: str, *, dir_fd: int | None = None) -> None:
        if path == "immutable":
            raise PermissionError(1, "Operation not permitted")
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", failing)
    assert [FORMER, f"{TEAM}/deleted"] == clean_up(root)
    assert not (root / TEAM / "deleted").exists()
    monkeypatch.undo()

    assert [] == clean_up(root)
    assert KEPT == tree(root)


def test_second_cleanup_at_the_same_time_does_nothing(root: Path) -> None:
    (root / TRASH).mkdir()
    fd = os.open(root / TRASH, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)

    assert [] == clean_up(root)
    assert (root / FORMER).exists()
    os.close(fd)


async def test_owners_are_all_namespaces_and_appstacks_of_the_cluster(
    api_server: FakeApiServer, client: Client
) -> None:
    api_server.page_size = 2
    for number in range(5):
        api_server.add(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"n{number}", "uid": f"u{number}"}}
        )
        meta = {"name": "shop", "namespace": f"n{number}"}
        api_server.add({"apiVersion": "appstack.dev/v1alpha1", "kind": "AppStack", "metadata": meta, "spec": {"a": 1}})

    owners = await list_owners(client)

    assert {f"n{number}_u{number}" for number in range(5)} == owners.namespaces
    assert {(folder, "shop") for folder in owners.namespaces} == owners.stacks
    assert {"application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"} == {
        request.accept for request in api_server.received("list")
    }, "specs are not read"
