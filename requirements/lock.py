"""What the image installs, each file by its SHA-256: `scripts/lock` writes it from pyproject.toml and constraints.txt, by pip.

    service.txt      all that the service needs but torch, and what builds the wheel
    torch-cpu.txt    torch's build for the CPU, which its own index has
    torch-cuda.txt   torch's build for CUDA, and what that alone needs

Versions are those of constraints.txt. Hashes are those of the files that pip takes for CPython 3.11 on each of `MACHINES`; of
torch on the first alone. Where torch's own index cannot be reached, its wheel is looked for where `PIP_FIND_LINKS` says.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
MACHINES = ("x86_64", "aarch64")
PLATFORMS = (*(f"manylinux_2_{minor}" for minor in range(28, 4, -1)), "manylinux2014", "manylinux2010", "manylinux1")
"""What glibc 2.28 runs, the newest first."""
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
OF_TORCH_ALONE = re.compile(r"torch|triton|nvidia-.*|cuda-.*")
HEADER = "# Written by scripts/lock: see lock.py beside it.\n"

Locked = dict[str, set[str]]
"""Requirements `name==version`, and the hashes of their files."""


def main() -> None:
    """Write the three files."""
    needed = found(["-c", "constraints.txt", ".[service,otel]", "hatchling"], of_registry())
    alone = [requirement for requirement in needed if OF_TORCH_ALONE.fullmatch(requirement.partition("==")[0])]
    common = [requirement for requirement in needed if requirement not in alone and not is_ours(requirement)]
    cpu = next(f"{requirement}+cpu" for requirement in alone if requirement.startswith("torch=="))
    write("service.txt", on_machines(common, of_registry()))
    write("torch-cuda.txt", on_machines(alone, of_registry(), machines=MACHINES[:1]))
    write("torch-cpu.txt", on_machines([cpu], os.environ, "--index-url", CPU_INDEX, machines=MACHINES[:1]))


def is_ours(requirement: str) -> bool:
    """Whether it is this project, which the image builds from its sources."""
    return requirement.startswith("lossgauge==")


def of_registry() -> Mapping[str, str]:
    """An environment in which pip asks the package index alone, whatever is set on this machine."""
    ours = {name: value for name, value in os.environ.items() if name not in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL")}
    return ours | {"PIP_CONFIG_FILE": os.devnull}


def on_machines(
    requirements: list[str], environment: Mapping[str, str], *options: str, machines: Iterable[str] = MACHINES
) -> Locked:
    """The hashes of some requirements on each machine."""
    locked: Locked = {requirement: set() for requirement in requirements}
    for machine in machines:
        for requirement, hashes in found([*options, *_wheels_of(machine), *requirements], environment).items():
            locked[requirement] |= hashes
    return locked


def _wheels_of(machine: str) -> list[str]:
    platforms = [f"--platform={platform}_{machine}" for platform in PLATFORMS]
    return ["--no-deps", "--only-binary=:all:", "--python-version=3.11", "--implementation=cp", *platforms]


def found(arguments: list[str], environment: Mapping[str, str]) -> Locked:
    """What pip would install, and the hash of each file."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        options = ["--no-build-isolation", "--target", f"{folder}/nothing", "--report", str(report)]
        subprocess.run([*pip, *options, *arguments], cwd=ROOT, env=environment, check=True)
        installs = json.loads(report.read_text())["install"]
    return {_requirement(one["metadata"]): _hashes(one["download_info"]) for one in installs}


def _requirement(metadata: Mapping[str, str]) -> str:
    return f"{re.sub(r'[-_.]+', '-', metadata['name']).lower()}=={metadata['version']}"


def _hashes(download: Mapping[str, Mapping[str, Mapping[str, str]]]) -> set[str]:
    sha256 = download.get("archive_info", {}).get("hashes", {}).get("sha256")
    return {sha256} if sha256 else set()


def write(name: str, locked: Locked) -> None:
    """Write a file of requirements."""
    lines = [
        " \\\n".join([requirement, *(f"    --hash=sha256:{sha256}" for sha256 in sorted(hashes))])
        for requirement, hashes in sorted(locked.items())
    ]
    (HERE / name).write_text(HEADER + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
