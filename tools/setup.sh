#!/usr/bin/env bash
# Installs what the build needs, where it is missing, on Debian 12 or Ubuntu 24.04 (as root or through sudo):
#   tools/setup.sh [--tests|--docs]      --tests: also what the tests and benchmarks need (GoogleTest, GDAL as a judge, two MPIs)
#                                        --docs: also what tools/api_docs.sh needs
set -euo pipefail

packages=(build-essential cmake ninja-build pkg-config libtiff-dev libgeotiff-dev libjpeg-dev libcli11-dev
          nlohmann-json3-dev libprotobuf-dev protobuf-compiler libpugixml-dev libstb-dev)
case "${1:-}" in
  "") ;;
  --tests) packages+=(libgtest-dev libbenchmark-dev lld gdal-bin python3-gdal python3-numpy
                      openmpi-bin libopenmpi-dev mpich libmpich-dev) ;;
  --docs) packages+=(doxygen) ;;
  *) echo "setup.sh: error: unknown argument '$1'; want nothing, --tests or --docs" >&2; exit 2 ;;
esac

if ! command -v dpkg-query apt-get >/dev/null; then
  echo "setup.sh: error: no apt-get here; install by hand what these Debian packages hold: ${packages[*]}" >&2
  exit 1
fi
missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | head -n 1 || true)
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=(env DEBIAN_FRONTEND=noninteractive)
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "setup.sh: error: packages are missing and there is neither root nor sudo: ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo "${as_root[@]}")
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
log=$root/build/setup.log
mkdir -p "$root/build"
echo "setup: installing ${missing[*]}"
if ! { "${as_root[@]}" apt-get update &&
       "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
  tail -n 20 "$log" >&2
  echo "setup.sh: error: apt-get failed; the whole of its output is in $log" >&2
  exit 1
fi
