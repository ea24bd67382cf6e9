#!/bin/sh
# run.sh [FLAGS...] - from a fresh Debian 12 to a running agent.
#
# Installs what a build needs (apt, through sudo where not root, only what is missing), builds build/nodevitals, and
# becomes the agent, which listens on :9100 unless a flag says otherwise. Once built, it only starts. To build again:
# cmake --build build
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(dirname "$here")

if [ ! -x "$tree/build/nodevitals" ]; then
    . "$here/packages.sh"
    # shellcheck disable=SC2086 # a list of words
    nv_install $NV_BUILD_PACKAGES
    [ -e "$tree/build/CMakeCache.txt" ] ||
        cmake -S "$tree" -B "$tree/build" -G Ninja -DCMAKE_BUILD_TYPE=Release
    cmake --build "$tree/build"
fi
exec "$tree/build/nodevitals" "$@"
