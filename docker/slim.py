"""Makes an installed environment ready to be shipped: without tests, with bytecode.

The bytecode is never checked against its source: the image does not change, and a start
from a read-only file system must not compile.
"""

from __future__ import annotations

import compileall
import shutil
import sys
from pathlib import Path
from py_compile import PycInvalidationMode

UNUSED = (
    "*/tests",
    "numpy/*/include",
    "onnxruntime/capi/libonnxruntime.so.*",  # for programs in C: Python's module holds it all
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
)


def remove_unused(site_packages: Path) -> None:
    """Remove what serving never imports."""
    for pattern in UNUSED:
        for path in sorted(site_packages.rglob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def compile_all(site_packages: Path) -> None:
    """Write the bytecode beside the sources; a package's templates may not compile."""
    mode = PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(site_packages, quiet=2, workers=0, invalidation_mode=mode)


if __name__ == "__main__":
    for found in Path(sys.argv[1]).glob("lib/python3*/site-packages"):
        remove_unused(found)
        compile_all(found)
