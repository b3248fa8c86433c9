"""Judge the judge from the command line: what differs from mutants.json, and how long it took."""

import sys
import time
from fnmatch import fnmatchcase

from tests.conformance.mutants import mutant
from tests.conformance.mutants.judge import Judge


def main(patterns: list[str]) -> int:
    """`patterns`: mutants by id, all if empty."""
    begun, wrong = time.monotonic(), 0
    mutants = [one for one in mutant.read() if not patterns or any(fnmatchcase(one.id, p) for p in patterns)]
    with Judge() as judge:
        right = judge.right()
        for name, why in right.failed.items():
            wrong += 1
            print(f"right is failed by {name}:\n{why}", flush=True)
        print(f"right: {len(right.played)} runs, {time.monotonic() - begun:.0f} s", flush=True)
        runs = 0
        for one, verdict in judge.mutants(mutants, right):
            runs += len(verdict.played)
            if verdict.failed_by != one.failed_by:
                wrong += 1
                print(f"{one.id}: {one.fault}")
                for case in sorted(one.failed_by - verdict.failed_by):
                    print(f"  not failed by {case}")
                for name in sorted(name for name in verdict.failed if name.partition("@")[0] not in one.failed_by):
                    print(f"  also failed by {name}: {verdict.failed[name][:300]}", flush=True)
                if not verdict.failed:
                    print(f"  failed by none of {len(verdict.played)} cases", flush=True)
    print(f"{len(mutants)} mutants: {runs} runs; {wrong} differ; {time.monotonic() - begun:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
