#!/bin/sh
# Builds dist/cni-conformance, the conformance suite as one file, by PyInstaller of .venv.
set -eu
umask 022
cd "$(dirname "$0")/.."

mkdir -p build dist
exec 9>build/lock
flock 9
sources=$({
    .venv/bin/python -VV
    find conformance packaging/*conformance* requirements.lock -type f ! -name '*.pyc' -exec sha256sum {} + | LC_ALL=C sort -k 2
} | sha256sum)
[ "$(cat build/conformance.sources 2>/dev/null)" != "$sources" ] || [ ! -x dist/cni-conformance ] || exit 0

echo "build: dist/cni-conformance" >&2
export PYTHONHASHSEED=0 SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-315532800}" PYINSTALLER_CONFIG_DIR="$PWD/build/pyinstaller"
.venv/bin/python -m PyInstaller --noconfirm --clean --log-level WARN \
    --workpath build/work --distpath build/one-file packaging/conformance.spec </dev/null
mv build/one-file/cni-conformance dist/cni-conformance
echo "$sources" >build/conformance.sources
