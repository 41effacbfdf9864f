"""`python -m erya` is `erya`; so torchrun can start it."""

from erya.cli.main import main

if __name__ == "__main__":
    main()
