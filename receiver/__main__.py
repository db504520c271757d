"""``python -m receiver`` and the installed ``casebell`` are the same."""

from receiver.cli import casebell


def main() -> None:
    casebell(prog_name="casebell")


if __name__ == "__main__":
    main()
