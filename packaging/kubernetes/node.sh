#!/bin/sh
# The DaemonSet's init container: this image's cni-veth onto the node, then the node's network. Run again, it upgrades.
#
#   /host/opt/cni, /host/etc/cni, /host/run/cni-veth   the node's; another place than /host by HOST
#   /etc/cni-veth/10-cni-veth.conflist                 the cluster's network; another template by TEMPLATE
#
# An empty "ranges" in it becomes the node's pod subnets: of POD_CIDRS (with commas or spaces between them), else of the
# node's file /etc/cni/pod-cidrs, else spec.podCIDRs of the Node NODE_NAME, asked of the API server.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
host=${HOST:-/host}
template=${TEMPLATE:-/etc/cni-veth/10-cni-veth.conflist}
account=${ACCOUNT:-/var/run/secrets/kubernetes.io/serviceaccount}
conflist=$host/etc/cni/net.d/10-cni-veth.conflist
unfilled='"ranges": *\[ *\]'

fail() {
    echo "node.sh: $*" >&2
    exit 1
}

ask_api_server() {
    server=$KUBERNETES_SERVICE_HOST
    case $server in *:*) server="[$server]" ;; esac
    # The token by a file, for arguments are everybody's to read.
    printf 'header = "Authorization: Bearer %s"\n' "$(cat "$account/token")" |
        curl --config - --silent --show-error --fail --max-time 20 --retry 5 --retry-all-errors --cacert "$account/ca.crt" \
            "https://$server:${KUBERNETES_SERVICE_PORT:-443}/api/v1/nodes/$NODE_NAME" |
        tr -d ' \n' | sed -n 's/.*"podCIDRs":\[\([^]]*\)\].*/\1/p' | tr -d '"'
}

# One subnet a line.
pod_cidrs() {
    if [ -n "${POD_CIDRS:-}" ]; then
        echo "$POD_CIDRS"
    elif [ -e "$host/etc/cni/pod-cidrs" ]; then
        cat "$host/etc/cni/pod-cidrs"
    else
        ask_api_server
    fi | tr -s ', ' '\n\n' | sed '/^$/d'
}

fill() {
    if ! grep -q "$unfilled" "$template"; then
        cat "$template"
        return
    fi
    [ -n "${POD_CIDRS:-}" ] || [ -e "$host/etc/cni/pod-cidrs" ] || [ -n "${KUBERNETES_SERVICE_HOST:-}" ] ||
        fail "there is no API server to ask for the pod subnets: set POD_CIDRS," \
            "or write them to the node's /etc/cni/pod-cidrs"
    ranges=$(pod_cidrs | sed 's|.*|[{ "subnet": "&" }]|' | paste -s -d ,)
    [ -n "$ranges" ] || fail "node ${NODE_NAME:-} has no pod subnets: let the controller manager give them" \
        "(--allocate-node-cidrs), set POD_CIDRS, or write them to the node's /etc/cni/pod-cidrs"
    sed "s|$unfilled|\"ranges\": [$ranges]|" "$template"
}

# First the plugins, then the network that makes the runtime call them, each at once.
DESTDIR=$host SERVER=0 SAMPLE=0 "$here/install.sh" install
mkdir -p "$host/run/cni-veth" "$host/etc/cni/net.d"
chmod 0700 "$host/run/cni-veth" # or the server would not listen there
trap 'rm -f "$conflist.new"' EXIT
fill >"$conflist.new" # an ending that no runtime reads
"$here/bin/cni-veth" lint - <"$conflist.new" || fail "the template $template, filled in, is no network"
cmp -s "$conflist.new" "$conflist" || {
    sync -f "$conflist.new" 2>/dev/null || sync
    mv -f "$conflist.new" "$conflist"
    echo "cni-veth: $conflist is new:" && cat "$conflist"
}
