#!/bin/sh
# Packs dist/cni as dist/cni-veth-<version>-1.<architecture>.rpm, by rpmbuild; the same dist/cni gives the same bytes.
#
# As the Debian package it holds dist/cni in /usr/lib/cni-veth, and its scripts run install.sh from there.
set -eu
umask 022
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
glibc=$(packaging/glibc.sh)
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-315532800}"

rm -rf build/rpm
mkdir -p build/rpm dist
rpmbuild -bb --quiet --define "_topdir $PWD/build/rpm" --define "_rpmdir $PWD/build/rpm" --define "tree $PWD" \
    --define "program_version $version" --define "glibc $glibc" packaging/rpm/cni-veth.spec </dev/null
package=$(find build/rpm -name '*.rpm')
mv -f "$package" dist/
rm -rf build/rpm
echo "rpm: dist/${package##*/}" >&2
