#!/bin/sh
# Installs cni-veth on this node from an unpacked dist/cni, or removes it. Needs only POSIX tools and sha256sum.
#
#   /opt/cni/cni-veth-<version>-<hash>/           the program, under a name that its content gives it
#   /opt/cni/bin/{cni-veth,cni-ipam,loopback}     links to its launcher; with DROPIN=1 also bridge and host-local
#   /opt/cni/bin/cni-vethd                        link to the warm server; not with SERVER=0
#   /opt/cni/bin/<name>.before-cni-veth           what had that name; uninstall puts it back
#   /usr/local/lib/systemd/system/cni-veth*       units of the server and of reconcile, where there is a systemd
#   /etc/cni/net.d/10-cni-veth.conflist           a sample, only where there is no configuration at all
#
# Each link is swapped by one rename, so that a pod being made meanwhile meets the old program or the new one; a
# running server notices and becomes the new one. The program linked until now stays, and so does one that still
# runs; older ones go.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR:-}/opt/cni
bin=$root/bin
conf=${DESTDIR:-}/etc/cni/net.d
sample=10-cni-veth.conflist

usage() {
    cat <<END
usage: [DESTDIR=DIR] [DROPIN=1|0] [SERVER=1|0] [SAMPLE=0] $0 install
       [DESTDIR=DIR] $0 uninstall

  DESTDIR=DIR  another root directory, for instance an image's; nothing is started
  DROPIN=1     also take the names bridge and host-local; 0 gives them back
  SERVER=0     without the warm server cni-vethd and without systemd units; 1 takes them back
  SAMPLE=0     without the sample where no network is configured
  Unset, DROPIN and SERVER leave a node as it is; a new one gets the server and no drop-in names.
END
}

. "$here/service.sh"

say() { echo "cni-veth: $*"; }

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

make_directory() {
    mkdir -p "$1" 2>/dev/null && [ -w "$1" ] ||
        fail "cannot write to $1: be root, or set DESTDIR to another root directory"
}

# One install or uninstall at a time; the lock is on the directory itself and ends with this process.
lock() {
    exec 9<"$root"
    if command -v flock >/dev/null; then flock 9; fi
}

content_hash() { (cd "$1" && find . ! -type d -exec sha256sum {} + | LC_ALL=C sort | sha256sum | cut -c 1-12); }

flush() { sync -f "$1" 2>/dev/null || sync; }

is_ours() { case $(readlink "$1") in ../cni-veth-*/launcher | ../cni-veth-*/cni-veth) ;; *) return 1 ;; esac; }

exists() { [ -e "$1" ] || [ -h "$1" ]; }

# The names in bin that are links to a program of ours.
our_names() {
    for link in "$bin"/*; do
        ! is_ours "$link" || basename "$link"
    done
}

# The programs of ours that a link names.
linked() { for name in $(our_names); do basename "$(dirname "$(readlink "$bin/$name")")"; done | sort -u; }

programs() { for program in "$root"/cni-veth-*/; do [ ! -d "$program" ] || basename "$program"; done; }

# A server of it, a standalone call, or a launcher that waits.
is_running() { ls -l /proc/[0-9]*/exe 2>/dev/null | grep -q "/$1/"; }

# Whether what is installed has a server to choose or to leave out: older plugins are no launchers.
has_launchers() { case $(readlink "$bin/cni-veth") in */launcher) ;; *) return 1 ;; esac; }

copy_program() {
    target=$1
    [ ! -d "$root/$target" ] || [ "$(content_hash "$root/$target")" != "${target##*-}" ] || return 0
    new=$root/.new-$target
    rm -rf "$new" "$root/.damaged-$target"
    cp -RP "$source" "$new" || fail "cannot copy the program to $new; is the disk full?"
    flush "$new"
    [ ! -e "$root/$target" ] || mv -T "$root/$target" "$root/.damaged-$target"
    mv -T "$new" "$root/$target"
    rm -rf "$root/.damaged-$target"
}

swap_link() {
    name=$1
    target=../$2/launcher
    [ "$name" != cni-vethd ] || target=../$2/cni-veth
    if exists "$bin/$name" && ! is_ours "$bin/$name"; then
        ln -f "$bin/$name" "$bin/$name.before-cni-veth" 2>/dev/null ||
            cp -Pp "$bin/$name" "$bin/$name.before-cni-veth"
        say "kept the $name that was there as $name.before-cni-veth"
    fi
    ln -sf "$target" "$bin/.new-$name"
    mv -fT "$bin/.new-$name" "$bin/$name"
}

remove_program() {
    mv -T "$root/$1" "$root/.old-$1"
    rm -rf "$root/.old-$1"
}

install_sample() {
    for file in "$conf"/*.conf "$conf"/*.conflist "$conf"/*.json; do
        ! exists "$file" || return 0
    done
    make_directory "$conf"
    cp "$source/$sample" "$conf/$sample.new" # an ending that no runtime reads
    flush "$conf/$sample.new"
    mv -f "$conf/$sample.new" "$conf/$sample"
    say "no network was configured, so $conf/$sample is one to start from"
}

remove_sample() {
    exists "$conf/$sample" || return 0
    for program in $(programs); do
        if cmp -s "$conf/$sample" "$root/$program/$sample"; then
            rm "$conf/$sample"
            return
        fi
    done
    say "$conf/$sample was changed since, so it stays"
}

restore_name() {
    if exists "$bin/$1.before-cni-veth"; then
        mv -fT "$bin/$1.before-cni-veth" "$bin/$1"
        say "put the $1 back that was there before"
    else
        rm "$bin/$1"
    fi
}

# What this node is to have of the names that are a choice.
choose_names() {
    names="cni-veth cni-ipam loopback"
    unwanted=
    case ${DROPIN:-} in
    1) names="$names bridge host-local" ;;
    0) unwanted="bridge host-local" ;;
    esac
    server=${SERVER:-}
    if [ -z "$server" ]; then
        server=1
        ! has_launchers || is_ours "$bin/cni-vethd" || server=0
    fi
    # First, because a link of cni-veth to a launcher tells the next run that this was decided.
    if [ "$server" = 0 ]; then unwanted="$unwanted cni-vethd"; else names="cni-vethd $names"; fi
    for name in $(our_names); do # what was taken once is kept up to date
        case " $names $unwanted " in *" $name "*) ;; *) names="$names $name" ;; esac
    done
}

remove_leftovers() { rm -rf "$root"/.new-* "$root"/.old-* "$root"/.damaged-* "$bin"/.new-* "$units"/.new-cni-veth*; }

refuse_odd() {
    case $2 in '' | 0 | 1) ;; *) fail "$1=$2: is 0, 1 or left out" ;; esac
}

install() {
    refuse_odd DROPIN "${DROPIN:-}"
    refuse_odd SERVER "${SERVER:-}"
    source=$(ls -d "$here"/cni-veth-*/ 2>/dev/null) || fail "$here holds no program: run me in a built dist/cni"
    source=${source%/}
    make_directory "$bin"
    make_directory "$root"
    lock
    trap remove_leftovers EXIT # ours, and those of a run that was killed
    program=$(basename "$source")-$(content_hash "$source")
    before=$(linked)
    choose_names
    [ "$server" = 0 ] || ! has_units || make_directory "$units"
    for name in $names; do
        [ -h "$bin/$name" ] || [ ! -d "$bin/$name" ] || fail "$bin/$name is a directory; move it away first"
    done
    copy_program "$program"
    for name in $names; do
        swap_link "$name" "$program"
    done
    [ "$server" != 0 ] || remove_units
    for name in $unwanted; do
        ! is_ours "$bin/$name" || restore_name "$name"
    done
    flush "$bin"
    [ "$server" = 0 ] || place_units
    for old in $(programs); do
        case " $(echo $program $before) " in *" $old "*) continue ;; esac
        is_running "$old" || remove_program "$old"
    done
    [ "${SAMPLE:-}" = 0 ] || install_sample
    say "installed $program in $root as" $names
}

uninstall() {
    if [ ! -d "$bin" ] || [ -z "$(programs)" ]; then
        say "nothing is installed in $root"
        return
    fi
    make_directory "$bin"
    make_directory "$root"
    lock
    trap remove_leftovers EXIT # ours, and those of a run that was killed
    remove_sample
    remove_units
    for name in $(our_names); do
        restore_name "$name"
    done
    for program in $(programs); do
        waited=0
        while is_running "$program" && [ $waited -lt 10 ]; do
            sleep 1
            waited=$((waited + 1))
        done
        remove_program "$program"
    done
    say "removed from $root"
}

case ${1:-} in
install) install ;;
uninstall) uninstall ;;
--help | -h | help) usage ;;
*)
    usage >&2
    exit 1
    ;;
esac
