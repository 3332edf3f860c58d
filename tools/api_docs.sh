#!/usr/bin/env bash
# Makes pages of the public headers' comments in build/api/html, with Doxygen. A public name without a comment is an error.
#   tools/api_docs.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v doxygen >/dev/null || {
  echo "api_docs.sh: error: there is no doxygen; tools/setup.sh --docs installs it" >&2
  exit 1
}
# Those behind the list's second "#" are only included by the others.
headers=$(awk '/^#/ { parts++; next } parts == 1' cmake/public_headers.txt)
mkdir -p build/api
{ cat docs/Doxyfile; echo "INPUT = docs/api.md" $headers; } | doxygen - || {
  echo "api_docs.sh: error: names without a comment, or faults in one, are named above" >&2
  exit 1
}
echo "the pages begin at build/api/html/index.html"
