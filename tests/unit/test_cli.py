"""Output and exit codes of the `appstack` command."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from appstack.cli import documents
from appstack.cli.__main__ import COMMANDS, main
from appstack.errors import OperatorError

ROOT = Path(__file__).resolve().parents[2]
VALID = """\
apiVersion: appstack.dev/v1alpha1
kind: AppStack
metadata: {name: shop}
spec: {backend: {image: "s:1"}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stack.yaml"
    path.write_text(VALID)
    return path


def test_valid_appstack_prints_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "-f", str(file)]) == 0
    assert capsys.readouterr() == ("", "")


def test_issue_is_a_line_with_the_file_and_the_appstack(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    invalid = VALID.replace("shop", "other").replace("image:", "imagee:")
    file.write_text(f"{VALID}---\n{invalid}---\n{{apiVersion: v1, kind: Secret, metadata: {{name: key}}}}\n")

    assert main(["validate", "-f", str(file)]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"{file}: other: spec.backend.imagee: unknown field (did you mean 'image'?)",
        f"{file}: other: spec.backend.image: is required",
    ]
    assert err == f"{file}: skipped v1 Secret key\n"


CONTROLS = r"\x1B[2J\e]0;owned\a\r\x9B1m\u202E"
"""Escapes of YAML for characters that clear a terminal, set its title, go to the start of a line, or reverse text."""


@pytest.mark.parametrize(
    "text",
    [
        VALID.replace("shop", f'"{CONTROLS}"').replace("image:", f'"{CONTROLS}": 1, image:'),
        VALID + f'---\n{{apiVersion: v1, kind: "{CONTROLS}", metadata: {{name: "{CONTROLS}"}}}}\n',
        VALID.replace('"s:1"', f'"s:1", command: ["x"], env: [{{name: "{CONTROLS}"}}]'),
        f'"{CONTROLS}": &a [*a]',
        f'"{CONTROLS}": [',
    ],
)
@pytest.mark.parametrize("command", ["validate", "render", "convert"])
def test_file_of_another_user_sends_nothing_to_a_terminal(
    command: str, text: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(text)

    main([command, "-f", str(file)])

    out, err = capsys.readouterr()
    printed = err if command != "validate" else out + err
    assert {"\n"} >= {character for character in printed if not character.isprintable()}
    assert {"\n"} >= {character for character in out if not character.isprintable()}


def test_snake_case_field_name_is_unknown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(VALID.replace('"s:1"', '"s:1", working_dir: /'))

    assert main(["validate", "-f", str(file)]) == 1
    assert "did you mean 'workingDir'?" in capsys.readouterr().out


INVALID_SPEC = """
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
            "a malformed field does not hide issues of other fields",
            {},
            ["backend.imagePullPolice", "replicas", "sidecars[0].role", "volumes[0]", "proxy.upstream"],
        ),
        (
            "a malformed workload kind hides the issues that depend on it",
            {"workload": {"kind": "Deploymnt"}},
            ["backend.imagePullPolice", "workload.kind", "replicas", "sidecars[0].role"],
        ),
        (
            "a port in quotes counts as that port",
            {"backend": {"image": "s", "ports": [{"containerPort": "8000"}]}},
            ["backend.ports[0].containerPort", "replicas", "sidecars[0].role", "volumes[0]", "proxy.upstream"],
        ),
    ],
)
def test_parse_errors_and_validation_issues_are_reported_together(
    sentence: str, more: dict[str, Any], paths: list[str], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = yaml.safe_load(VALID) | {"spec": yaml.safe_load(INVALID_SPEC) | more}
    file.write_text(yaml.safe_dump(document))

    assert main(["validate", "-f", str(file)]) == 1

    reported = [line.split(": ")[1] for line in capsys.readouterr().out.splitlines()]
    assert sorted(f"spec.{path}" for path in paths) == sorted(reported), sentence


@pytest.mark.parametrize("block", ["proxy", "networkPolicy", "serviceAccount", "podDisruptionBudget"])
def test_empty_block_is_reported_once(block: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(VALID.replace('"s:1"}', f'"s:1"}}, {block}: '))

    assert main(["validate", "-f", str(file)]) == 1
    assert f"{file}: spec.{block}: is empty and is ignored (write {block}: {{}}, or remove it)\n" == (
        capsys.readouterr().out
    )


def test_empty_required_block_is_reported_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(VALID.replace('{image: "s:1"}', ""))

    assert main(["validate", "-f", str(file)]) == 1
    assert f"{file}: spec.backend: is empty (indent its fields below it)\n" == capsys.readouterr().out


def test_warning_is_printed_and_fails_only_with_strict(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(VALID.replace('"s:1"}', '"s:1"}, volumes: [{name: spare, emptyDir: {}}]'))

    assert main(["validate", "-f", str(file)]) == 0
    assert f"{file}: warning: spec.volumes[0]: " in capsys.readouterr().out
    assert main(["validate", "--strict", "-f", str(file)]) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [b\nc: d\n", "standard input: line 2: expected ',' or ']'"),
        ("a: b\nc: d\na: e\n", "standard input: line 3: duplicate key 'a'"),
        ("a: *b\n", "standard input: line 1: found undefined alias"),
        ("", "standard input contains no AppStack. Add an object with apiVersion: "),
        ("--- \n---\n", "standard input contains no AppStack. Add an object with apiVersion: "),
        ("text", "standard input contains a str instead of a Kubernetes object"),
        ("- a\n", "standard input contains a list instead of a Kubernetes object"),
        ("{apiVersion: v1, kind: Pod}", "standard input contains no AppStack. Add an object with apiVersion: "),
    ],
)
@pytest.mark.parametrize("command", ["render", "validate"])
def test_input_without_an_appstack_is_a_one_line_error(
    command: str, text: str, sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    assert main([command, "-f", "-"]) == 2
    out, err = capsys.readouterr()
    assert f"appstack: {sentence}" in err
    assert out == ""


def test_unreadable_file_is_a_one_line_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

    assert [main(["render", "-f", str(tmp_path / name)]) for name in ("absent", "", "binary")] == [2, 2, 2]
    assert [line.partition("cannot be read: ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "No such file or directory. Check the path; `-` reads standard input",
        "Is a directory. Check the path; `-` reads standard input",
        "",
    ]


def test_invalid_setting_is_reported_with_its_path(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text("healthPort: 99999\nproxyimage: x\n")

    assert main(["render", "-f", str(file), "--settings", str(settings)]) == 2
    err = capsys.readouterr().err
    assert f"{settings}: healthPort: must be less than or equal to 65535; proxyimage: unknown setting" in err


def test_render_prints_whole_objects_with_readable_strings(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(VALID.replace('"s:1"}', '"s:1"}, files: [{path: /etc/a, content: "one\\ntwo\\n"}]'))

    assert main(["render", "-f", str(file), "--namespace", "team-b"]) == 0
    out = capsys.readouterr().out
    objects = list(yaml.safe_load_all(out))
    assert [manifest["kind"] for manifest in objects] == ["ConfigMap", "Deployment"]
    assert {manifest["metadata"]["namespace"] for manifest in objects} == {"team-b"}
    assert [list(manifest)[:3] for manifest in objects] == [["apiVersion", "kind", "metadata"]] * 2
    assert ": |\n    one\n    two\n" in out


def test_render_prints_no_objects_if_one_appstack_is_invalid(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(f"{VALID}---\n{VALID.replace('image', 'imagee')}")

    assert main(["render", "-f", str(file)]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("unknown field")) == ("", 1)


def test_namespace_uid_is_part_of_a_node_cache_path(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mounted = '"s:1", volumeMounts: [{name: c, mountPath: /c}]}, volumes: [{name: c, nodeCache: {}}]'
    file.write_text(VALID.replace('"s:1"}', mounted))
    main(["render", "-f", str(file)])
    main(["render", "-f", str(file), "--namespace-uid", "1234-5678"])

    before, after = capsys.readouterr().out.split("default_1234-5678")[0], "default_NAMESPACE-UID"
    assert after in before


def test_list_is_split_into_its_items(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stacks = [yaml.safe_load(VALID.replace("shop", name)) for name in ("a", "b")]
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": stacks}))

    assert main(["render", "-f", str(file)]) == 0
    assert [manifest["metadata"]["name"] for manifest in yaml.safe_load_all(capsys.readouterr().out)] == ["a", "b"]


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
    assert documents.load(str(tmp_path / "f")) == [{"a": value}]


@pytest.mark.parametrize(
    "value",
    ["true", "1", "1e3", ".5", "0o440", "0x1", "1:30", "y", "off", "~", "a: b", "2026-11-21", "x\ny", "", "  x \n"],
)
def test_printed_yaml_is_read_back_unchanged(value: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text(documents.dump([{"a": {"b": value}}]))
    assert documents.load(str(tmp_path / "f")) == [{"a": {"b": value}}]


ALIAS_BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("case", "text", "message"),
    [
        ("exponential aliases", ALIAS_BOMB, "aliases expand to more than 1,000,000 values"),
        ("alias of itself", "a: &a [*a]\n", "line 1: an alias contains itself"),
        ("deep nesting", "a: " + "[" * 5000, "is nested too deeply"),
        ("number", "a: " + "9" * 5000, "line 1: a number has too many digits"),
    ],
)
def test_yaml_bomb_is_refused(case: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text(text)

    with pytest.raises(OperatorError, match=re.escape(message)):
        documents.load(str(tmp_path / "f"))


def test_anchors_and_aliases_are_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a: &shared {b: [1, 2]}\nc: *shared\n")

    assert documents.load(str(tmp_path / "f")) == [{"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}]


def test_crd_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crd"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["metadata"]["name"] == "appstacks.appstack.dev"


@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([command, "--help"])

    assert exit_info.value.code == 0
    assert f"usage: appstack {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", ["--help", "version"])
def test_help_and_version_import_no_models(arguments: str) -> None:
    code = f"import sys; sys.argv[1:] = [{arguments!r}]; from appstack.cli.__main__ import main"
    check = "print(sorted({'pydantic', 'kubernetes', 'kopf', 'yaml'} & sys.modules.keys()), file=sys.stderr)"
    process = subprocess.run(
        [sys.executable, "-c", f"{code}\ntry: main()\nexcept SystemExit: pass\n{check}"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert process.stderr == "[]\n"


def run(command_line: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command line in which `appstack` is this command."""
    line = f'set -o pipefail; appstack() {{ {sys.executable} -m appstack "$@"; }}; {command_line}'
    env = {**os.environ, "PYTHONPATH": str(ROOT / "operator"), "PYTHONUNBUFFERED": ""}
    return subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, check=False)


def test_closed_pipe_is_no_error() -> None:
    assert (run("appstack crd | head -1").returncode, run("appstack crd | head -1").stderr) == (0, "")


def test_full_disk_is_a_one_line_error() -> None:
    process = run("appstack crd > /dev/full")

    assert process.returncode == 2
    assert (
        process.stderr
        == "appstack: No space left on the output device. Free some space, or write the output elsewhere\n"
    )


def test_missing_cluster_is_a_one_line_error(tmp_path: Path) -> None:
    process = run(f"appstack run --kubeconfig {tmp_path}/absent")

    assert process.returncode == 2
    assert process.stderr.startswith("appstack: No cluster configured:")
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize(
    ("correct", "misspelt", "issue"),
    [
        ("kind: AppStack", "kind: Appstack", "kind: must be 'AppStack', not 'Appstack'"),
        (
            "appstack.dev/v1",
            "example.com/v1",
            "apiVersion: must be 'appstack.dev/v1alpha1', not 'example.com/v1alpha1'",
        ),
    ],
)
def test_misspelt_kind_or_group_is_reported(
    correct: str, misspelt: str, issue: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = VALID.replace(correct, misspelt)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    assert main(["validate", "-f", "-"]) == 1
    assert issue in capsys.readouterr().out


CONVERTIBLE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: backend, image: "shop:1"}]}
"""


def test_manifests_are_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "f").write_text(CONVERTIBLE)

    assert main(["convert", "-f", str(tmp_path / "f"), "-o", str(tmp_path / "out")]) == 0
    assert main(["convert", "-f", str(tmp_path / "f")]) == 0
    captured = capsys.readouterr()
    assert yaml.safe_load(captured.out)["spec"] == {"backend": {"image": "shop:1"}}
    assert captured.err.startswith("changed: Deployment/shop spec.selector: ")
    assert (tmp_path / "out/shop.yaml").read_text() == captured.out


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        (CONVERTIBLE, 0, "AppStack/shop: renders the same"),
        (CONVERTIBLE + "  rollbackTo: {revision: 1}\n", 2, "AppStack/shop: Deployment/shop spec.rollbackTo.revision: "),
        (CONVERTIBLE.replace("image: ", "imige: "), 1, ""),
        ("{apiVersion: v1, kind: Secret, metadata: {name: x}}", 1, ""),
    ],
    ids=["same", "different", "refused", "nothing to convert"],
)
def test_check_compares_with_the_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, code: int, line: str
) -> None:
    (tmp_path / "f").write_text(text)

    assert main(["convert", "-f", str(tmp_path / "f"), "--check"]) == code
    assert capsys.readouterr().out.startswith(line)


@pytest.mark.parametrize("arguments", [[], ["convert"], ["render", "--no-such-flag"]], ids=str)
def test_usage_error_exits_with_64(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)

    assert exit_info.value.code == 64


@pytest.mark.parametrize("flag", ["-f", "--from-compose"])
def test_compose_file_is_converted(tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str) -> None:
    (tmp_path / "f").write_text("services: {web: {image: 'shop:${TAG}'}, debug: {image: x, profiles: [debug]}}")
    (tmp_path / ".env").write_text("TAG=7")

    assert main(["convert", flag, str(tmp_path / "f")]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["spec"]["backend"] == {"image": "shop:7"}
    assert main(["convert", flag, str(tmp_path / "f"), "--profile", "debug", "-o", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"web.yaml", "debug.yaml"}
    assert main(["convert", flag, str(tmp_path / "f"), "--check"]) == 64
    assert main(["convert", flag, str(tmp_path / "f"), "--adopt"]) == 64


def test_commands_print_escaped_lines_only() -> None:
    modules = (ROOT / "operator/appstack/cli").glob("*.py")
    printing = {path.name for path in modules if re.search(r"(?<![\w.])print\(", path.read_text())}

    assert {"output.py", "version.py"} == printing, "use output.print_line and print_note"
