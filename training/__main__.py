"""python -m training."""

import sys

try:
    from training.cli import main
except ModuleNotFoundError as missing:
    sys.exit(f"training needs the extra `train` (pip install '.[train]'): no module {missing.name}")

if __name__ == "__main__":
    main()
