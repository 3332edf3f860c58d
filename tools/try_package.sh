#!/usr/bin/env bash
# Makes the Debian package of a build and tries it as somebody would who has nothing of this: in a Debian 12 of its own, made
# by debootstrap in a temporary folder, apt installs it, eval_superres_net enlarges a scene with the weights that came along,
# and apt removes it without leaving anything.
#   tools/try_package.sh [BUILD [MIRROR]]      as root; BUILD: build/release, built whole; MIRROR: of Debian
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$(realpath "${1:-$root/build/release}")
mirror=${2:-http://deb.debian.org/debian}

fail() { echo "try_package.sh: error: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "a system of its own is made by root only; run this with sudo"
command -v debootstrap >/dev/null || fail "there is no debootstrap; apt-get install debootstrap"
[ -x "$build/bin/eval_superres_net" ] || fail "$build/bin has no eval_superres_net; build it first"

system=$(mktemp -d)
trap 'umount "$system/proc" 2>/dev/null || true; rm -rf --one-file-system "$system"' EXIT
(cd "$build" && cpack >"$system/cpack.log") || { tail -n 5 "$system/cpack.log" >&2; fail "cpack failed"; }
package=$(sed -n 's/.*package: \(.*\.deb\) generated.*/\1/p' "$system/cpack.log")
echo "package: $package, $(($(stat -c %s "$package") >> 20)) MB"

debootstrap --variant=minbase bookworm "$system/debian" "$mirror" >"$system/debootstrap.log" 2>&1 ||
  { tail -n 5 "$system/debootstrap.log" >&2; fail "debootstrap failed"; }
mv "$system"/debian/* "$system/"
cp "$package" "$system/srv/superres.deb"
mount --bind /proc "$system/proc"
chroot "$system" bash -euo pipefail -c '
  cd /srv
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y --no-install-recommends ./superres.deb >install.log 2>&1 || { tail -n 5 install.log >&2; exit 1; }
  make_scene --out scene.tif --width 200 --height 150 --quiet
  eval_superres_net --data_path scene.tif --upsampling_factor 2 --out_path out
  [ -s out/scene.tif ]
  apt-get purge -y superres >remove.log 2>&1
  left=$(find /usr /etc /var/lib -path /var/lib/dpkg -prune -o -path /var/lib/apt -prune -o -name "*superres*" -print)
  [ -z "$left" ] || { echo "left behind: $left" >&2; exit 1; }
'
echo "installed, run and removed"
