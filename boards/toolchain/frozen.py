"""What one frozen package costs in a firmware that is built: measured by leaving it out.

The frozen content is put together once more without it, and the firmware linked once more
around it, by the commands of the build.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from system import ToolchainError, say

_OBJECT = "CMakeFiles/firmware.dir/frozen_content.c.o"
_FLAGS = "CMakeFiles/firmware.dir/flags.make"
_LINK = "CMakeFiles/firmware.dir/link.txt"


def frozen_bytes(build_dir: Path, package: str) -> int:
    """Octets that the package `package` adds to the linked firmware.

    Args:
        build_dir: a build of the rp2 port.
    """
    say(f"measuring what frozen {package} costs")
    scratch = build_dir / "without"
    scratch.mkdir(exist_ok=True)
    content = scratch / "frozen_content.c"
    content.write_text(_content(build_dir, lambda module: module != package))
    flags = _flags(build_dir)
    arguments = [*flags["C_FLAGS"], *flags["C_DEFINES"], *flags["C_INCLUDES"]]
    compiled = scratch / "frozen_content.o"
    _run(["arm-none-eabi-gcc", *arguments, "-c", str(content), "-o", str(compiled)], build_dir)
    command = (build_dir / _LINK).read_text()
    elf = scratch / "firmware.elf"
    for built, other in (
        (_OBJECT, compiled),
        ("-o firmware.elf", f"-o {elf}"),
        ("firmware.elf.map", f"{elf}.map"),
    ):
        if built not in command:
            raise ToolchainError(f"{build_dir / _LINK} does not hold {built}")
        command = command.replace(built, str(other))
    _run(["sh", "-c", command], build_dir)
    return _size(build_dir / "firmware.elf") - _size(elf)


def _content(build_dir: Path, is_wanted: Callable[[str], bool]) -> str:
    """The frozen content of some modules, as C; asked by the first part of their names."""
    content = (build_dir / "frozen_content.c").read_text()
    names = re.findall(r'^    "([\w/]+)\.py\\0"$', content, re.M)
    wanted = [f"{name}.mpy" for name in names if is_wanted(name.split("/")[0])]
    # as tools/makemanifest.py calls it
    port = re.search(
        r"^CMAKE_HOME_DIRECTORY:INTERNAL=(.*)$", (build_dir / "CMakeCache.txt").read_text(), re.M
    )
    assert port
    source = Path(port[1]).parents[1]
    tool = [sys.executable, str(source / "tools" / "mpy-tool.py"), "-f"]
    tool += ["-q", str(build_dir / "genhdr" / "qstrdefs.preprocessed.h")]
    return _run([*tool, *wanted], build_dir / "frozen_mpy")


def _flags(build_dir: Path) -> dict[str, list[str]]:
    found = {}
    for line in (build_dir / _FLAGS).read_text().splitlines():
        name, equals, value = line.partition(" = ")
        if equals:
            found[name] = shlex.split(value)
    return found


def _size(elf: Path) -> int:
    # text and data are what flash holds
    fields = _run(["arm-none-eabi-size", str(elf)], elf.parent).splitlines()[1].split()
    return int(fields[0]) + int(fields[1])


def _run(command: list[str], folder: Path) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode:
        raise ToolchainError(f"{command[0]} failed:\n  {result.stderr[-2000:]}")
    return result.stdout
