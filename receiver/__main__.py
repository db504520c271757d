"""The entry point of ``python -m receiver`` and of the installed command ``casebell``."""

from receiver.cli import casebell


def main() -> None:
    casebell(prog_name="casebell")


if __name__ == "__main__":
    main()
