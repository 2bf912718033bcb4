"""The images of examples and tests: built where they can't be pulled, and loaded onto the nodes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.cluster import archive, debian, kind, programs, shell, state

FOLDER = state.ROOT / "tools/images"
LOADED = state.CLUSTER / "loaded.json"
PYTHON_BASE = "appstack-python-base:bookworm"
METRICS_SERVER = f"registry.k8s.io/metrics-server/metrics-server:{programs.version(programs.SOURCES['metrics-server'])}"
KEY_LABEL = "dev.appstack.key"


@dataclass(frozen=True)
class Recipe:
    """The recipe of one image."""

    image: str
    folder: str = ""
    """Folder below tools/images; empty for busybox, which needs no Dockerfile."""
    packages: Sequence[str] = ()
    """Debian packages of the root file system that is the BASE of the Dockerfile."""
    base: str = ""
    """Another image as BASE, instead of packages."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    programs: Sequence[str] = ()
    """Programs that the Dockerfile copies, from folders below tools/images or from tools/programs."""
    public: bool = True
    """Whether a registry has the image under this name; if so it is built only where no registry is reachable."""
    on_nodes: bool = True
    """Whether the image is loaded onto the nodes of every cluster."""


RECIPES = (
    Recipe(debian.BUSYBOX, packages=("busybox-static",)),
    Recipe("nginx:1.22.1", "nginx", packages=("nginx",)),
    # Debian follows the patch releases of 10.11, as the public tag does.
    Recipe("mariadb:10.11", "mariadb", packages=("mariadb-server-core", "mariadb-client-core")),
    Recipe("gcr.io/google-containers/cadvisor:v0.36.0", "cadvisor", base=debian.BUSYBOX, programs=("cadvisor",)),
    *(
        Recipe(
            f"appstack.dev/demo-backend:{version}",
            "demo-backend",
            base=debian.BUSYBOX,
            arguments={"VERSION": version},
            programs=("demo-backend",),
            public=False,
        )
        for version in ("1.0.0", "1.1.0")
    ),
    Recipe("appstack.dev/demo-backend:1.0.0-bare", "demo-backend-bare", programs=("demo-backend",), public=False),
    Recipe("appstack.dev/user-usvc:1.0.0", "user-usvc", base=debian.BUSYBOX, programs=("user-usvc",), public=False),
    Recipe(
        "appstack.dev/load-client:1.0.0", "load-client", base=debian.BUSYBOX, programs=("load-client",), public=False
    ),
    Recipe(METRICS_SERVER, "metrics-server", programs=("metrics-server",), on_nodes=False),
    Recipe(PYTHON_BASE, "python", packages=("python3", "ca-certificates"), on_nodes=False),
)


def key(recipe: Recipe) -> str:
    """Return a hash of the image's inputs; versions of Debian packages are not among them."""
    folders = [FOLDER / name for name in (recipe.folder, *recipe.programs) if name]
    files = sorted({path for folder in folders for path in folder.rglob("*") if path.is_file()})
    names = [str(path.relative_to(FOLDER)) for path in files]
    pins = [programs.key(programs.source_of(name)) for name in recipe.programs if not _is_own(name)]
    parts = [recipe.image, *recipe.packages, recipe.base, json.dumps(dict(recipe.arguments)), *names, *pins]
    if recipe.base:
        parts.append(key(recipe_of(recipe.base)))
    return state.fingerprint(*parts, *files)


def _is_own(program: str) -> bool:
    return (FOLDER / program / "go.mod").exists()


def recipe_of(image: str) -> Recipe:
    return next(recipe for recipe in RECIPES if recipe.image == image)


def ensure(env: Mapping[str, str], *, registry: bool) -> None:
    """Build the images that can't be pulled, and load them onto the nodes."""
    for recipe in RECIPES:
        if not (recipe.public and registry) and recipe.on_nodes:
            build(recipe, env)
    load({r.image: key(r) for r in RECIPES if r.on_nodes and not (r.public and registry)}, env)


def build(recipe: Recipe, env: Mapping[str, str]) -> None:
    """Build an image unless the engine has it, built from the same inputs."""
    if label(recipe.image, KEY_LABEL, env) == key(recipe):
        return
    log = state.log(f"image-{recipe.image.replace('/', '-').replace(':', '-')}")
    with (
        shell.step(f"building the image {recipe.image}"),
        state.scratch("image") as scratch,
    ):
        if not recipe.folder:
            _build_busybox(recipe, scratch, env, log)
        else:
            base = _import_base(recipe, env, log) if recipe.packages else recipe.base
            _build_dockerfile(recipe, base, scratch / "context", env, log)


def label(image: str, name: str, env: Mapping[str, str]) -> str:
    """Return the value of an image's label; empty without such a label or image."""
    template = f'{{{{index .Config.Labels "{name}"}}}}'
    return shell.attempt(["docker", "image", "inspect", "--format", template, image], env=env).out.strip()


def _build_busybox(recipe: Recipe, scratch: Path, env: Mapping[str, str], log: Path) -> None:
    tree, file = scratch / "tree", scratch / "busybox.tar"
    debian.busybox(tree, log)
    archive.write(file, [archive.Image(recipe.image, tree=tree, command=["sh"], labels={KEY_LABEL: key(recipe)})])
    shell.run(["docker", "load", "--input", file], env=env, log=log)


def _import_base(recipe: Recipe, env: Mapping[str, str], log: Path) -> str:
    base = f"appstack-base:{recipe.folder}"
    with debian.root_file_system(recipe.packages, log) as root:
        debian.pack(root, ["docker", "import", "-", base], env)
    return base


def _build_dockerfile(recipe: Recipe, base: str, context: Path, env: Mapping[str, str], log: Path) -> None:
    shutil.copytree(FOLDER / recipe.folder, context)
    for name in recipe.programs:
        built = programs.ensure_own(FOLDER / name) if _is_own(name) else programs.ensure([name])[name]
        shutil.copy(built, context)
    arguments = {"BASE": base, **recipe.arguments}
    build_context(recipe.image, context, env, log, arguments=arguments, labels={KEY_LABEL: key(recipe)})


def build_context(
    image: str,
    context: Path,
    env: Mapping[str, str],
    log: Path,
    *,
    arguments: Mapping[str, str],
    labels: Mapping[str, str],
) -> None:
    """Run `docker build` without network; every input is in the context."""
    options = [
        *(option for name, value in arguments.items() for option in ("--build-arg", f"{name}={value}")),
        *(option for name, value in labels.items() for option in ("--label", f"{name}={value}")),
    ]
    # BuildKit would add an attestation: a second manifest that makes containerd's import fail.
    plain = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    command = ["docker", "build", "--network", "none", *options, "--tag", image, str(context)]
    shell.run(command, env={**env, **plain}, log=log)


def load(images: Mapping[str, str], env: Mapping[str, str]) -> None:
    """Load images onto the nodes unless these have them; a key for each image identifies its content."""
    loaded: dict[str, str] = json.loads(LOADED.read_text()) if LOADED.exists() else {}
    wanted = [image for image, content_key in images.items() if loaded.get(image) != content_key]
    if not wanted:
        return
    with (
        shell.step(f"loading {', '.join(wanted)} onto the nodes"),
        state.scratch("load") as scratch,
    ):
        file = scratch / "images.tar"
        shell.run(["docker", "save", "--output", file, *wanted], env=env)
        arguments = ["load", "image-archive", str(file), "--name", kind.CLUSTER]
        shell.run([programs.path("kind"), *arguments], env=env, log=state.log("load"))
    LOADED.write_text(json.dumps({**loaded, **{image: images[image] for image in wanted}}, indent=2))
