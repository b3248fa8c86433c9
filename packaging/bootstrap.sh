#!/bin/sh
# Readies the machine for `make PURPOSE`: system packages by apt, Python packages from requirements.lock.
# As root it installs what is missing and says so; otherwise it says what to install and exits with 1.
# usage: [PYTHON=/path/to/python3] packaging/bootstrap.sh check|build|demo|test
set -eu
purpose=${1:-}
case $purpose in
check | build | demo | test) ;;
*) echo "usage: packaging/bootstrap.sh check|build|demo|test" >&2 && exit 1 ;;
esac
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin # where a plain user's PATH lacks nft

say() { echo "bootstrap: $*" >&2; }

fail() {
    say "$*"
    exit 1
}

# The first Python that is new enough and can make .venv, or else that is new enough. A finished .venv comes first, so that
# it stays what it is; then the distribution's, which is built with profile-guided optimization: without a server, calls
# take three quarters of the time that they take with one built by pyenv.
find_python() {
    others="/usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11"
    first_python "" $(ls .venv/bin/pip >/dev/null 2>&1 && echo .venv/bin/python) ${PYTHON:-} ||
        first_python "import venv, ensurepip" $others || first_python "" $others || true
}

first_python() {
    needs=$1
    shift
    for python in "$@"; do
        if "$python" -c "$needs
import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    return 1
}

need_command() { command -v "$1" >/dev/null || missing="$missing $2"; }

need_venv() { "$python" -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3-venv"; }

# PyInstaller bundles the interpreter as a shared library, which Debian packages apart from the interpreter.
need_libpython() {
    package=$("$python" - <<'END'
import ctypes, os, sysconfig

library = sysconfig.get_config_var("INSTSONAME") or ""
directory = sysconfig.get_config_var("LIBDIR") or ""
try:
    ctypes.CDLL(library if ".so" in library and not os.path.exists(os.path.join(directory, library)) else None)
    print("" if ".so" in library else "unknown")
except OSError:
    print("libpython" + sysconfig.get_python_version() if sysconfig.get_config_var("prefix") == "/usr" else "unknown")
END
    )
    [ "$package" != unknown ] || fail "$python has no shared libpython, which PyInstaller bundles;" \
        "remove .venv and name another one, for instance: make $purpose PYTHON=/usr/bin/python3"
    missing="$missing${package:+ $package}"
}

# For the modules that the server runs as C (packaging/compile.py); zig of .venv is the compiler.
need_headers() {
    package=$("$python" - <<'END'
import os, sysconfig

if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    version = sysconfig.get_python_version()
    print(f"libpython{version}-dev" if sysconfig.get_config_var("prefix") == "/usr" else "unknown")
END
    )
    [ "$package" != unknown ] || fail "$python has no headers (Python.h), which the build needs;" \
        "remove .venv and name another one, for instance: make $purpose PYTHON=/usr/bin/python3"
    missing="$missing${package:+ $package}"
}

list_missing() {
    missing=
    python=$(find_python)
    if [ -n "$python" ]; then
        need_venv
        [ "$purpose" = check ] || {
            need_libpython
            need_headers
        }
    else
        missing=" python3 python3-venv"
    fi
    [ "$purpose" != check ] || return 0
    need_command objdump binutils
    [ "$purpose" != build ] || return 0
    need_command ip iproute2
    need_command nft nftables
    need_command ping iputils-ping
    need_command sysctl procps
    [ "$purpose" != demo ] || return 0
    need_command strace strace
    need_command systemd-socket-activate systemd
    need_command iptables iptables # for the reference portmap and firewall
    need_command containerd containerd
    need_command runc runc
    need_command podman podman
    need_command busybox busybox-static
    need_command dpkg-deb dpkg
    need_command rpmbuild rpm
    need_command curl curl # of the node's image, and of its init container outside of it
    need_command openssl openssl
    need_command mkfs.ext4 e2fsprogs
    # for Go, which fetches the peers
    [ -e /etc/ssl/certs/ca-certificates.crt ] || missing="$missing ca-certificates"
}

is_root() { [ "$(id -u)" = 0 ]; }

refuse_without_root() {
    case $purpose in demo | test) ;; *) return 0 ;; esac
    is_root && return
    [ -z "$missing" ] || say "make $purpose needs these packages (names of Debian and Ubuntu):$missing"
    fail "make $purpose makes network namespaces, which takes root: sudo make $purpose"
}

install_missing() {
    [ -n "$missing" ] || return 0
    if ! is_root || ! command -v apt-get >/dev/null; then
        say "make $purpose needs these packages (names of Debian and Ubuntu):$missing"
        fail "install them as root, for instance: apt-get install --no-install-recommends$missing"
    fi
    say "installing by apt:$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq </dev/null >&2 || say "apt-get update failed; going on with the package lists at hand"
    # shellcheck disable=SC2086
    apt-get install -qq -y -o Dpkg::Use-Pty=0 --no-install-recommends $missing </dev/null >&2 || fail "apt could not install:$missing"
}

make_venv() {
    if ! [ -x .venv/bin/pip ]; then
        say "making .venv from $python"
        rm -rf .venv
        "$python" -m venv .venv
    fi
    install_locked requirements.lock
    [ "$purpose" = check ] || install_locked packaging/launcher/zig.lock
    [ "$purpose" != test ] || install_locked packaging/test.lock
}

install_locked() {
    lock=$(sha256sum <"$1")
    stamp=.venv/$(basename "$1" .lock).sha256
    if [ "$(cat "$stamp" 2>/dev/null)" != "$lock" ]; then
        say "installing $1 into .venv"
        .venv/bin/python -m pip install -q --disable-pip-version-check --no-input \
            --only-binary :all: --require-hashes -r "$1" </dev/null >&2
        echo "$lock" >"$stamp"
    fi
}

list_missing
refuse_without_root
install_missing
list_missing # again: a Python that came just now may want its shared library
install_missing
[ -n "$python" ] || fail "Python 3.11 or newer is needed; python3 is $(python3 --version 2>&1)"
make_venv
