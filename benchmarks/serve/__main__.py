"""`python -m benchmarks.serve`."""

from benchmarks.serve.cli import main

if __name__ == "__main__":
    main()
