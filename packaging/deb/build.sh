#!/bin/sh
# Packs dist/cni as dist/cni-veth_<version>_<architecture>.deb, by dpkg-deb; the same dist/cni gives the same bytes.
#
# The package holds dist/cni in /usr/lib/cni-veth, and its scripts run install.sh from there: so an upgrade swaps links at
# once, as everywhere, while dpkg would remove the old program before the new one is in place; and a loopback of
# another package is kept aside and not in conflict.
set -eu
umask 022
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
architecture=$(dpkg --print-architecture)
package=cni-veth_${version}_$architecture.deb
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-315532800}"

libc=$(packaging/glibc.sh)

rm -rf build/deb
mkdir -p build/deb/DEBIAN build/deb/usr/lib/cni-veth build/deb/usr/share/doc/cni-veth
cp -RP dist/cni/bin dist/cni/cni-veth-* dist/cni/install.sh dist/cni/service.sh build/deb/usr/lib/cni-veth/
cp README.md CHANGELOG.md build/deb/usr/share/doc/cni-veth/
cp LICENSE build/deb/usr/share/doc/cni-veth/copyright
cp packaging/deb/postinst packaging/deb/prerm build/deb/DEBIAN/
chmod 0755 build/deb/DEBIAN/postinst build/deb/DEBIAN/prerm
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@LIBC@/$libc/" \
    -e "s/@SIZE@/$(du -sk build/deb/usr | cut -f 1)/" packaging/deb/control >build/deb/DEBIAN/control
dpkg-deb --root-owner-group -Zxz -z1 --build build/deb "dist/$package" >/dev/null
rm -rf build/deb
echo "deb: dist/$package" >&2
