"""The Dockerfile and the recipe for clusters without conda do what they say, in a root of their own.

That is the machine's own root beneath an overlay that goes with the test: what is installed or written there is nowhere
else. It stands for the image that the Dockerfile begins with, and for a login node.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from sweeps.cluster import obstacle

pytestmark = [pytest.mark.system, pytest.mark.slow]

HOME = Path(__file__).parents[1]
USER = 12345
PATH = f"{sys.base_prefix}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STUDY = """
wandb: {group: boxed}
figures: [loss]
data: {dataset_name: complex_TBP_planar_2_train, test: []}
parameters: {width: 4, depth: 1, steps_strategy: 20, feature_layer: sph_4D_rinv}
"""

LOGIN_NODE = """
import pathlib, subprocess, time
from cluster import Cluster

home = pathlib.Path("/slurm")
home.mkdir()
with Cluster(home) as environment:
    subprocess.run(["bash", "recipe.sh"], env=environment, check=True)
    while subprocess.run(["squeue", "--noheader"], env=environment, capture_output=True).stdout:
        time.sleep(0.5)
    print(*pathlib.Path("/shared/runs").glob("heads/*/figures/*"), flush=True)
    status = "/shared/keplearn/.venv/bin/keplearn sweep status heads --runs /shared/runs"
    subprocess.run(f"{status} | head -1", env=environment, check=True, shell=True)
"""


class Root:
    """A root over the machine's, in a namespace of mounts that ends with each command's processes."""

    def __init__(self, layers: Path, outside: Path):
        self.layers, self.outside = layers, outside

    def run(self, script: str, *, user: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the shell in it; ``/work`` is the directory outside."""
        layers = self.layers
        mounts = f"""
            set -e
            mount -t overlay overlay -o lowerdir=/,upperdir={layers}/upper,workdir={layers}/work {layers}/root
            mkdir -p {layers}/root/work
            for place in dev proc sys; do mount --rbind /$place {layers}/root/$place; done
            mount --bind {self.outside} {layers}/root/work
            exec chroot --userspec={user}:{user} {layers}/root bash -euc "$0"
        """
        return subprocess.run(
            ["unshare", "--mount", "bash", "-c", textwrap.dedent(mounts), script],
            env=os.environ | {"PATH": PATH} | environment, capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip


@pytest.fixture
def root(tmp_path):
    """A root that users may enter; skipped where no file system may be mounted."""
    layers, outside = tmp_path / "layers", tmp_path / "outside"
    layers.mkdir()
    outside.mkdir()
    # A file system of its own: the layers of an overlay may not lie within one another.
    mounted = subprocess.run(["mount", "-t", "tmpfs", "keplearn", layers], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    for name in ("upper", "work", "root"):
        (layers / name).mkdir()
    made = Root(layers, outside)
    try:
        # Python may lie in the home of root, which an image's does not.
        entered = made.run("chmod o+x /root && git config --system --add safe.directory '*'")
        if entered.returncode:
            pytest.skip(f"no root of its own can be made here: {entered.stderr.strip()}")
        yield made
    finally:
        subprocess.run(["umount", "--lazy", layers], check=False)


def instructions() -> list[tuple[str, str]]:
    text = (HOME / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return [
        (word, rest) for word, _, rest in (line.partition(" ") for line in lines if line[:1] not in ("", "#"))
    ]


def test_the_image_is_built_and_trains_as_any_user(root):
    """Each instruction is carried out as Docker would; what is beyond COPY's files is not there."""
    place, environment, entry = "/", {}, []
    for word, rest in instructions():
        if word == "FROM":
            assert rest == "python:3.11-slim"
        elif word == "WORKDIR":
            place = rest
        elif word == "ENV":
            name, _, value = rest.partition("=")
            environment[name] = value
        elif word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                wanted = f"{place}/{target.removesuffix('/').removeprefix('.')}".rstrip("/")
                where = HOME / source
                into = root.layers / "upper" / wanted.lstrip("/")
                into.mkdir(parents=True, exist_ok=True)
                if where.is_dir():
                    shutil.copytree(where, into, dirs_exist_ok=True)
                else:
                    shutil.copy(where, into)
        elif word == "RUN":
            done = root.run(f"mkdir -p {place}; cd {place}; {rest}", **environment)
            assert done.returncode == 0, done.stderr
        elif word == "ENTRYPOINT":
            entry = json.loads(rest)
        else:
            pytest.fail(f"{word} is no instruction that is tried here")
    (root.outside / "boxed.yaml").write_text(STUDY)
    os.chown(root.outside, USER, USER)
    done = root.run(
        f"cd {place}; exec {shlex.join(entry)} sweep boxed.yaml", user=USER, HOME="/", **environment
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "1 finished, 0 failed" in done.stdout
    (figure,) = root.outside.glob("runs/boxed/*/figures/loss.png")
    assert figure.stat().st_uid == USER
    assert len(list(root.outside.glob(".keplearn/*"))) > 2  # programs, for the next container


def test_the_recipe_for_a_cluster_without_conda_trains_on_a_real_slurm(root):
    """From a clone of what is committed to runs that a job has trained, line by line."""
    if reason := obstacle():
        pytest.skip(reason)
    source = root.outside / "keplearn.git"
    cloned = subprocess.run(
        ["git", "clone", "--quiet", "--bare", HOME, source], capture_output=True, text=True
    )
    if cloned.returncode:
        pytest.skip(f"keplearn's directory is no repository here: {cloned.stderr.strip()}")
    page = (HOME / "docs" / "clusters.md").read_text(encoding="utf-8")
    recipe = re.search(r"<!-- recipe.*?```sh\n(.*?)```", page, re.DOTALL)
    assert recipe is not None
    (root.outside / "heads.yaml").write_text(STUDY.replace("boxed", "heads"))
    shutil.copy(HOME / "tests" / "sweeps" / "cluster.py", root.outside)
    (root.outside / "recipe.sh").write_text(f"set -eu\n{recipe[1]}")
    (root.outside / "login_node.py").write_text(LOGIN_NODE)
    done = root.run("cd /work; exec python3 login_node.py", SOURCE="/work/keplearn.git", USER="someone")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "submitted job" in done.stdout
    assert "heads: 1 runs: 1 finished" in done.stdout.splitlines()[-1]
    assert "loss.png" in done.stdout
