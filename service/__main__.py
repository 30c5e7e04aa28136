"""`python -m service` is the command `sentiment`."""

from service.cli import main

if __name__ == "__main__":
    main()
