"""Prints what the image needs, with onnxruntime's line replaced by the argument.

That is what pyproject.toml depends on, and what sends traces, for whoever configures them.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ONNXRUNTIME = re.compile(r"onnxruntime(?![\w-])")


def list_requirements(pyproject: Path, onnxruntime: str) -> list[str]:
    """The project's dependencies; which build of onnxruntime is the caller's choice."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["otel"]]
    others = [line for line in declared if not ONNXRUNTIME.match(line)]
    if len(others) != len(declared) - 1:
        raise SystemExit("pyproject.toml does not name onnxruntime exactly once")
    return [*others, onnxruntime]


if __name__ == "__main__":
    print(*list_requirements(Path("pyproject.toml"), sys.argv[1]), sep="\n")
