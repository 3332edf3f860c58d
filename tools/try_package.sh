#!/usr/bin/env bash
# Makes the packages of a build and tries them as somebody would who has nothing of this: in a Debian 12 of its own, made by
# debootstrap in a temporary folder. The archive is unpacked in two places and enlarges a scene, with nothing installed; apt
# installs the Debian package, it does the same, and apt removes it without leaving anything; so does pip with the wheel.
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
(cd "$build" && cpack >"$system/cpack.log" 2>&1) || { tail -n 5 "$system/cpack.log" >&2; fail "cpack failed"; }
made() { sed -n "s/.*package: \(.*\.$1\) generated.*/\1/p" "$system/cpack.log"; }
package=$(made deb)
archive=$(made tar.xz)
"$root/tools/make_wheel.py" "$build" "$system" >/dev/null
wheel=$(echo "$system"/*.whl)
for file in "$package" "$archive" "$wheel"; do echo "$(($(stat -c %s "$file") >> 20)) MB: $(basename "$file")"; done

debootstrap --variant=minbase bookworm "$system/debian" "$mirror" >"$system/debootstrap.log" 2>&1 ||
  { tail -n 5 "$system/debootstrap.log" >&2; fail "debootstrap failed"; }
mv "$wheel" "$system/debian/srv/"
mv "$system"/debian/* "$system/"
cp "$package" "$system/srv/superres.deb"
cp "$archive" "$system/srv/superres.tar.xz"
mount --bind /proc "$system/proc"
chroot "$system" bash -euo pipefail -c '
  cd /srv
  export DEBIAN_FRONTEND=noninteractive
  quietly() { "$@" >log 2>&1 || { tail -n 5 log >&2; exit 1; }; }
  # A scene with a coordinate system that only PROJ knows, and its result, which is the same for all.
  enlarges() {
    make_scene --out scene.tif --width 200 --height 150 --epsg 2154 --quiet
    eval_superres_net --data_path scene.tif --upsampling_factor 2 --out_path out --overwrite
    [ -f first.tif ] || mv out/scene.tif first.tif
    [ ! -f out/scene.tif ] || cmp out/scene.tif first.tif
    rm -r out
  }

  quietly apt-get install -y --no-install-recommends xz-utils
  for place in /opt "/srv/another place"; do
    mkdir -p "$place"
    tar -C "$place" -xf superres.tar.xz
    echo "== unpacked in $place"
    (PATH=$(echo "$place"/superres-*/bin):$PATH && eval_superres_net --version && enlarges)
    rm -r "$place"/superres-*
  done

  echo "== the Debian package"
  quietly apt-get install -y --no-install-recommends ./superres.deb
  enlarges
  for program in $(dpkg -L superres | sed -n s,^/usr/bin/,,p); do
    gzip -t /usr/share/man/man1/$program.1.gz
    bash -euc ". /usr/share/bash-completion/completions/$program && complete -p $program >/dev/null"
  done
  quietly apt-get purge -y superres
  left=$(find /usr /etc /var/lib -path /var/lib/dpkg -prune -o -path /var/lib/apt -prune -o -name "*superres*" -print)
  [ -z "$left" ] || { echo "left behind: $left" >&2; exit 1; }
  quietly apt-get autoremove --purge -y

  echo "== the wheel"
  quietly apt-get install -y --no-install-recommends python3-venv
  python3 -m venv venv
  find venv | sort >before
  quietly venv/bin/pip install --no-index superres-*.whl
  (PATH=/srv/venv/bin:$PATH && enlarges)
  quietly venv/bin/pip uninstall -y superres
  find venv | sort | diff before - >left || { echo "left behind:" >&2; cat left >&2; exit 1; }
'
echo "unpacked, installed, run and removed"
