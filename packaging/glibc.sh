#!/bin/sh
# The newest version of glibc's symbols that a file of dist/cni asks for, the static launcher aside: "2.31".
set -eu
cd "$(dirname "$0")/.."
found=$(find dist/cni/cni-veth-* -type f \( -name '*.so*' -o -name cni-veth \) -exec objdump -T {} + 2>/dev/null |
    grep -o 'GLIBC_[0-9][0-9.]*' | sort -Vu | tail -n 1 | cut -d _ -f 2)
[ -n "$found" ] || { echo "glibc.sh: no dist/cni: make build" >&2 && exit 1; }
echo "$found"
