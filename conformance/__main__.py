"""`python -m conformance`, and the console script."""

import sys


def main() -> int:
    """The exit code of cli.main; 2 where a library is missing: 1 would say that a MUST failed."""
    try:
        from conformance import cli
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("jsonschema", "referencing", "pyroute2"):
            raise
        told = f"{error.name} is missing; {sys.executable} -m pip install jsonschema pyroute2"
        print(f"cni-conformance: {told}", file=sys.stderr)
        return 2
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
