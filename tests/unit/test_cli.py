"""What the command says, and what it ends with."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from appstack.cli import documents
from appstack.cli.__main__ import WORDS, main

ROOT = Path(__file__).resolve().parents[2]
GOOD = """\
apiVersion: appstack.dev/v1alpha1
kind: AppStack
metadata: {name: shop}
spec: {backend: {image: "s:1"}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stack.yaml"
    path.write_text(GOOD)
    return path


def test_a_good_stack_is_silent(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "-f", str(file)]) == 0
    assert capsys.readouterr() == ("", "")


def test_each_fault_is_a_line_with_the_file_and_the_stack(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = GOOD.replace("shop", "other").replace("image:", "imagee:")
    file.write_text(f"{GOOD}---\n{wrong}---\n{{apiVersion: v1, kind: Secret, metadata: {{name: key}}}}\n")

    assert main(["validate", "-f", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"{file}: other: spec.backend.imagee: unknown field (did you mean 'image'?)",
        f"{file}: other: spec.backend.image: is required",
    ]
    assert err == f"{file}: skipped v1 Secret key\n"


def test_a_name_that_only_python_knows_is_refused_as_the_api_server_does(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(GOOD.replace('"s:1"', '"s:1", working_dir: /'))

    assert main(["validate", "-f", str(file)]) == 1
    assert "did you mean 'workingDir'?" in capsys.readouterr().out


WRONG = """
backend: {image: s, ports: [{containerPort: 8000}], imagePullPolice: Always}
replicas: three
sidecars: [{name: a, role: Ambasador, volumeMounts: [{name: none, mountPath: /a}]}]
proxy: {upstream: admin}
volumes: [{name: v, emptyDir: {}, nodeCache: {}}]
"""


@pytest.mark.parametrize(
    ("sentence", "more", "paths"),
    [
        (
            "a wrong word does not hide what else is wrong",
            {},
            ["backend.imagePullPolice", "replicas", "sidecars[0].role", "volumes[0]", "proxy.upstream"],
        ),
        (
            "what everything hangs on does",
            {"workload": {"kind": "Deploymnt"}},
            ["backend.imagePullPolice", "workload.kind", "replicas", "sidecars[0].role"],
        ),
        (
            "a port in quotes is the port that was meant",
            {"backend": {"image": "s", "ports": [{"containerPort": "8000"}]}},
            ["backend.ports[0].containerPort", "replicas", "sidecars[0].role", "volumes[0]", "proxy.upstream"],
        ),
    ],
)
def test_the_shape_and_the_meaning_are_told_at_once(
    sentence: str, more: dict[str, Any], paths: list[str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = yaml.safe_load(GOOD) | {"spec": yaml.safe_load(WRONG) | more}
    file.write_text(yaml.safe_dump(document))

    assert main(["validate", "-f", str(file)]) == 1

    told = [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()]
    assert sorted(f"spec.{path}" for path in paths) == sorted(told), sentence


@pytest.mark.parametrize("block", ["proxy", "networkPolicy", "serviceAccount", "podDisruptionBudget"])
def test_an_empty_block_is_told_once(block: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD.replace('"s:1"}', f'"s:1"}}, {block}: '))

    assert main(["validate", "-f", str(file)]) == 1
    assert f"{file}: spec.{block}: is empty, and counts as left out (write {block}: {{}}, or leave it out)\n" == (
        capsys.readouterr().out
    )


def test_a_required_block_that_is_empty_is_told_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD.replace('{image: "s:1"}', ""))

    assert main(["validate", "-f", str(file)]) == 1
    assert f"{file}: spec.backend: is empty (indent what belongs to it)\n" == capsys.readouterr().out


def test_a_warning_is_shown_and_fails_only_when_strict(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD.replace('"s:1"}', '"s:1"}, volumes: [{name: spare, emptyDir: {}}]'))

    assert main(["validate", "-f", str(file)]) == 0
    assert f"{file}: warning: spec.volumes[0]: " in capsys.readouterr().out
    assert main(["validate", "--strict", "-f", str(file)]) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [b\nc: d\n", "standard input: line 2: expected ',' or ']'"),
        ("a: b\nc: d\na: e\n", "standard input: line 3: the key 'a' comes twice"),
        ("a: *b\n", "standard input: line 1: found undefined alias"),
        ("", "standard input is empty"),
        ("--- \n---\n", "standard input is empty"),
        ("text", "standard input holds a str where a Kubernetes object should be"),
        ("- a\n", "standard input holds a list where a Kubernetes object should be"),
        ("{apiVersion: v1, kind: Pod}", "standard input holds no AppStack"),
    ],
)
@pytest.mark.parametrize("word", ["render", "validate"])
def test_what_is_no_appstack_is_one_sentence(
    word: str, text: str, sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    assert main([word, "-f", "-"]) == 2
    out, err = capsys.readouterr()
    assert f"appstack: {sentence}" in err
    assert out == ""


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

    assert [main(["render", "-f", str(tmp_path / name)]) for name in ("absent", "", "binary")] == [2, 2, 2]
    assert [line.partition("can't be read: ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "No such file or directory. Check the path; `-` reads standard input",
        "Is a directory. Check the path; `-` reads standard input",
        "",
    ]


def test_settings_are_checked_with_their_path(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("healthPort: 99999\nproxyimage: x\n")

    assert main(["render", "-f", str(file), "--settings", str(settings)]) == 2
    err = capsys.readouterr().err
    assert f"{settings}: healthPort: must be less than or equal to 65535; proxyimage: unknown setting" in err


def test_render_prints_whole_objects_that_read_well(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD.replace('"s:1"}', '"s:1"}, files: [{path: /etc/a, content: "one\\ntwo\\n"}]'))

    assert main(["render", "-f", str(file), "--namespace", "team-b"]) == 0
    out = capsys.readouterr().out
    objects = list(yaml.safe_load_all(out))
    assert [one["kind"] for one in objects] == ["ConfigMap", "Deployment"]
    assert {one["metadata"]["namespace"] for one in objects} == {"team-b"}
    assert [list(one)[:3] for one in objects] == [["apiVersion", "kind", "metadata"]] * 2
    assert ": |\n    one\n    two\n" in out


def test_render_prints_nothing_of_a_file_with_a_fault(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(f"{GOOD}---\n{GOOD.replace('image', 'imagee')}")

    assert main(["render", "-f", str(file)]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("unknown field")) == ("", 1)


def test_a_namespaces_uid_is_part_of_a_node_caches_path(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mounted = '"s:1", volumeMounts: [{name: c, mountPath: /c}]}, volumes: [{name: c, nodeCache: {}}]'
    file.write_text(GOOD.replace('"s:1"}', mounted))
    main(["render", "-f", str(file)])
    main(["render", "-f", str(file), "--namespace-uid", "1234-5678"])

    before, after = capsys.readouterr().out.split("default_1234-5678")[0], "default_NAMESPACE-UID"
    assert after in before


def test_a_list_is_taken_apart(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stacks = [yaml.safe_load(GOOD.replace("shop", name)) for name in ("a", "b")]
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": stacks}))

    assert main(["render", "-f", str(file)]) == 0
    assert [one["metadata"]["name"] for one in yaml.safe_load_all(capsys.readouterr().out)] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-21", "2026-11-21"),
        ("8080:80", "8080:80"),
        ("0440", 0o440),
        ("0o440", 0o440),
        ("0x1f", 31),
        ("-3", -3),
        ("0", 0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("off", False),
        ("y", True),
    ],
)
def test_yaml_is_read_as_kubectl_reads_it(text: str, value: object, tmp_path: Path) -> None:
    (tmp_path / "f").write_text(f"a: {text}")
    assert documents.read(str(tmp_path / "f")) == [{"a": value}]


@pytest.mark.parametrize(
    "value",
    ["true", "1", "1e3", ".5", "0o440", "0x1", "1:30", "y", "off", "~", "a: b", "2026-11-21", "x\ny", "", "  x \n"],
)
def test_what_is_printed_reads_back_the_same(value: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text(documents.dump([{"a": {"b": value}}]))
    assert documents.read(str(tmp_path / "f")) == [{"a": {"b": value}}]


def test_the_crd_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crd"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["metadata"]["name"] == "appstacks.appstack.dev"


@pytest.mark.parametrize("word", WORDS)
def test_every_word_explains_itself(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([word, "--help"])

    assert ended.value.code == 0
    assert f"usage: appstack {word}" in capsys.readouterr().out


def run(command: str) -> subprocess.CompletedProcess[str]:
    """Run a line of shell in which `appstack` is the command."""
    line = f'set -o pipefail; appstack() {{ {sys.executable} -m appstack "$@"; }}; {command}'
    env = {**os.environ, "PYTHONPATH": str(ROOT / "operator"), "PYTHONUNBUFFERED": ""}
    return subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, check=False)


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    assert (run("appstack crd | head -1").returncode, run("appstack crd | head -1").stderr) == (0, "")


def test_a_full_disk_is_one_sentence() -> None:
    ended = run("appstack crd > /dev/full")

    assert ended.returncode == 2
    assert ended.stderr == "appstack: there is no space left to write to. Make room, or write elsewhere\n"


def test_no_cluster_is_one_sentence(tmp_path: Path) -> None:
    ended = run(f"appstack run --kubeconfig {tmp_path}/absent")

    assert ended.returncode == 2
    assert ended.stderr.startswith("appstack: No cluster to talk to:")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("right", "wrong", "issue"),
    [
        ("kind: AppStack", "kind: Appstack", "kind: must be 'AppStack', not 'Appstack'"),
        (
            "appstack.dev/v1",
            "example.com/v1",
            "apiVersion: must be 'appstack.dev/v1alpha1', not 'example.com/v1alpha1'",
        ),
    ],
)
def test_a_misspelt_appstack_is_not_passed_over(
    right: str, wrong: str, issue: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = GOOD.replace(right, wrong)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    assert main(["validate", "-f", "-"]) == 1
    assert issue in capsys.readouterr().out
