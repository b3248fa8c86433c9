#!/bin/sh
# Puts what the tests are compared with and driven by into .peers/bin, once: cnitool, the reference plugins, kustomize.
# Where the machine's Go is missing or too old, PyPI brings one (peers.lock).
set -eu
cd "$(dirname "$0")/.."

cni=v1.3.0
plugins=v1.9.1
kustomize=v5.6.0
oldest_go=1.24.2 # go.mod of the plugins
versions="cnitool $cni, plugins $plugins, kustomize $kustomize"

[ "$(cat .peers/versions 2>/dev/null)" != "$versions" ] || exit 0

new_enough() {
    found=$("$1" env GOVERSION 2>/dev/null) || return 1
    [ "$(printf '%s\n' "$oldest_go" "${found#go}" | sort -V | head -n 1)" = "$oldest_go" ]
}

export CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-buildvcs=false GOBIN="$PWD/.peers/bin"
go=$(command -v go || echo .peers/go/go/bin/go)
if ! new_enough "$go"; then
    go=$PWD/.peers/go/go/bin/go
    echo "peers: installing Go into .peers/go" >&2
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-input --upgrade \
        --require-hashes -r packaging/peers.lock --target .peers/go </dev/null >&2
fi

echo "peers: building $versions with $("$go" version)" >&2
"$go" install -p 2 "github.com/containernetworking/cni/cnitool@$cni"
set --
for plugin in main/bridge main/loopback ipam/host-local ipam/static \
    meta/tuning meta/portmap meta/firewall meta/bandwidth; do
    set -- "$@" "github.com/containernetworking/plugins/plugins/$plugin@$plugins"
done
"$go" install -p 2 "$@"
"$go" install -p 2 "sigs.k8s.io/kustomize/kustomize/v5@$kustomize"
rm -rf .peers/go
echo "$versions" >.peers/versions
