#!/bin/sh
# Builds dist/cni from the tree, by PyInstaller and zig of .venv; the same sources give the same bytes.
#
#   dist/cni/bin/{cni-veth,cni-ipam,loopback} -> ../cni-veth-<version>/launcher
#   dist/cni/bin/cni-vethd                    -> ../cni-veth-<version>/cni-veth
#   dist/cni/cni-veth-<version>/{launcher,cni-veth,_internal/,compiled/,BUILD,10-cni-veth.conflist,systemd/,LICENSE}
#   dist/cni/{install,service}.sh             install that on a node, which needs neither make nor Python
set -eu
umask 022
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

mkdir -p build
exec 9>build/lock
flock 9
sources=$({
    .venv/bin/python -VV
    sha256sum pyproject.toml requirements.lock LICENSE
    find cni cni_veth ipam packaging -type f ! -name '*.pyc' ! -path 'packaging/kubernetes/*' ! -path 'packaging/k3s/*' ! -path 'packaging/deb/*' ! -path 'packaging/rpm/*' -exec sha256sum {} + | LC_ALL=C sort -k 2
} | sha256sum)
[ "$(cat dist/cni/.sources 2>/dev/null)" != "$sources" ] || exit 0
build=${sources%% *}

echo "build: dist/cni of cni-veth $version" >&2
export PYTHONHASHSEED=0 SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-315532800}" # 1980-01-01, the first date of zip
export PYINSTALLER_CONFIG_DIR="$PWD/build/pyinstaller"
.venv/bin/python -m PyInstaller --noconfirm --clean --log-level WARN \
    --workpath build/work --distpath build/program packaging/cni-veth.spec </dev/null
for bundle in start cni_veth.plugin cni_veth.loopback ipam.plugin; do
    .venv/bin/python -I -S packaging/bundle.py build/program/cni-veth/_internal "$bundle" </dev/null
done

export ZIG_GLOBAL_CACHE_DIR="$PWD/.venv/zig" ZIG_LOCAL_CACHE_DIR="$PWD/build/zig"
rm -rf build/compiled build/c
.venv/bin/python packaging/compile.py build/compiled build/c </dev/null >build/compile.log 2>&1 || {
    cat build/compile.log >&2
    exit 1
}

# Static, because it starts six times as fast, and on a node of any C library.
.venv/bin/python -m ziglang cc -target "$(uname -m)-linux-musl" -static -O2 -s -Wall -Wextra -Werror \
    -DBUILD="\"$build\"" -o build/launcher packaging/launcher/launcher.c </dev/null

rm -rf build/cni
mkdir -p build/cni/bin
program=cni-veth-$version
mv build/program/cni-veth "build/cni/$program"
mv build/launcher build/compiled "build/cni/$program/"
echo "$build" >"build/cni/$program/BUILD"
cp LICENSE packaging/10-cni-veth.conflist "build/cni/$program/"
cp -R packaging/systemd "build/cni/$program/"
cp packaging/install.sh packaging/service.sh build/cni/
for name in cni-veth cni-ipam loopback; do
    ln -s "../$program/launcher" "build/cni/bin/$name"
done
ln -s "../$program/cni-veth" build/cni/bin/cni-vethd
chmod -R u=rwX,go=rX build/cni
echo "$sources" >build/cni/.sources
find build/cni -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

mkdir -p dist
rm -rf build/old
[ ! -e dist/cni ] || mv dist/cni build/old # what runs from it now still finds its files for a moment
mv build/cni dist/cni
rm -rf build/old
