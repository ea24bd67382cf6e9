#!/bin/sh
# image.sh [OPTIONS] [-- OPTIONS OF THE BUILDER] - builds the container image of deploy/Containerfile, states its size.
#
#   --base=IMAGE|FOLDER  what the build runs in: an image (Debian 12 unless given) or a tree that debootstrap made
#   --binary=FILE        take this binary, built for the base's libraries, instead of building
#   --tag=NAME           name of the image; localhost/nodevitals:VERSION unless given
#   --output=FILE        write it as an OCI archive, too: `ctr -n k8s.io images import`, `podman load`, `skopeo copy`
#
# BUILDER says which program builds, options included; podman, or docker where that is missing, unless given.
set -eu
tree=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n 's/^project(nodevitals VERSION \([0-9.]*\).*/\1/p' "$tree/CMakeLists.txt")
base=docker.io/library/debian:12-slim binary='' tag=localhost/nodevitals:$version output=''

while [ $# -gt 0 ]; do
    case $1 in
    --base=*) base=${1#*=} ;;
    --binary=*) binary=${1#*=} ;;
    --tag=*) tag=${1#*=} ;;
    --output=*) output=${1#*=} ;;
    --) shift && break ;;
    *) sed -n '2,/^#$/p' "$0" | sed 's/^# \{0,1\}//' >&2 && exit 2 ;;
    esac
    shift
done

if [ -z "${BUILDER-}" ]; then
    for BUILDER in podman docker ''; do
        ! command -v "$BUILDER" >/dev/null || break
    done
    [ -n "$BUILDER" ] || { echo "image.sh: neither podman nor docker is here" >&2; exit 1; }
fi
case ${BUILDER%% *} in
*podman) set -- --ignorefile "$tree/deploy/Containerfile.dockerignore" "$@" ;; # docker finds it by its name
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
context=$tree
if [ -d "$base" ]; then
    tar -C "$base" --one-file-system -c . | $BUILDER import - localhost/nodevitals-base >/dev/null
    base=localhost/nodevitals-base
fi
if [ -n "$binary" ]; then
    context=$work/context
    mkdir "$context"
    cp -R "$tree/deploy" "$tree/LICENSE" "$context/"
    cp "$binary" "$context/nodevitals"
    set -- --build-arg BINARY=nodevitals "$@"
fi

$BUILDER build -f "$context/deploy/Containerfile" --build-arg BASE="$base" --build-arg VERSION="$version" -t "$tag" "$@" "$context"
echo "$tag: $($BUILDER image inspect --format '{{.Size}}' "$tag") bytes"
[ -z "$output" ] || case ${BUILDER%% *} in
*podman) $BUILDER save --quiet --format oci-archive -o "$output" "$tag" ;;
*) $BUILDER save -o "$output" "$tag" ;;
esac
