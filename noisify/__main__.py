"""Run the command: python -m noisify."""

from noisify.cli import main

if __name__ == "__main__":
    main()
