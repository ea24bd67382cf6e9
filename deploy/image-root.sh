#!/bin/sh
# image-root.sh OUT [BINARY] - the files of the container image, below OUT/root; OUT/state becomes its state directory.
#
# Runs in the build stage of deploy/Containerfile, whose file system it may change: without BINARY it installs what a
# build needs and builds. The image gets the stripped binary, chown (for the init container that gives a folder of the
# host to the agent), the libraries both are linked with, those the agent opens by name when it needs them, the
# certificates of public authorities, and the licences of all that.
#
# libcurl is linked with libraries for protocols that the agent never speaks. Those whose symbols bear no versions are
# replaced by ones of the same name that do nothing: libssh2 alone would bring libcrypto, a fifth of the image.
set -eu
[ $# -ge 1 ] || { echo "usage: image-root.sh OUT [BINARY]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
source=$(dirname "$here")
out=$1 root=$1/root

OPENED="libcurl-gnutls.so.4 libsystemd.so.0"

if [ -n "${2-}" ]; then
    binary=$2
else
    . "$here/packages.sh"
    # shellcheck disable=SC2086 # a list of words
    nv_install $NV_BUILD_PACKAGES ca-certificates
    cmake -S "$source" -B "$out/build" -G Ninja -DCMAKE_BUILD_TYPE=Release
    cmake --build "$out/build"
    binary=$out/build/nodevitals
fi

# libraries FILE...: what the loader would load for them, a path a line.
libraries() {
    for file in "$@"; do
        ldd "$file" | grep -o '/[^ ]*' || true
    done | sort -u
}

# stand_in NAME PREFIX: a library of that name whose functions, those that libcurl wants, return 0.
stand_in() {
    nm -D --undefined-only "$curl" | sed -n "s/.* \($2[A-Za-z0-9_]*\)\$/long \1(void); long \1(void) { return 0; }/p" |
        gcc -x c -shared -fPIC -Os -s -Wl,-soname,"$1" -o "$root$lib/$1" -
}

rm -rf "$root" "$out/state"
mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/usr/share/nodevitals/rules" "$root/tmp" "$out/state"
chmod 1777 "$root/tmp"
install -s -m 755 "$binary" "$root/usr/bin/nodevitals"
install -m 755 /bin/chown "$root/usr/bin/chown"

lib=/usr/lib/$(gcc -print-multiarch)
mkdir -p "$root$lib"
for folder in lib lib64; do
    mkdir -p "$root/usr/$folder"
    ln -s "usr/$folder" "$root/$folder"
done
curl=$lib/libcurl-gnutls.so.4
opened=
for name in $OPENED; do
    [ -e "$lib/$name" ] || { echo "image-root.sh: $lib/$name is missing" >&2; exit 1; }
    opened="$opened $lib/$name"
done
stand_in libssh2.so.1 libssh2_
stand_in librtmp.so.1 RTMP_
# With the stand-ins found first, what only the true ones need is not asked for.
# shellcheck disable=SC2086 # lists of words
loaded=$(LD_LIBRARY_PATH=$root$lib libraries "$binary" /bin/chown $opened | grep -vF "$root")
for file in $opened $loaded; do
    case $file in
    /lib/ld-* | /lib64/*) cp -L "$file" "$root/usr${file}" ;; # where the binary says its loader is
    *) cp -L "$file" "$root$lib/" ;;
    esac
done

cp "$source"/deploy/rules/*.yml "$root/usr/share/nodevitals/rules/"
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'root:x:0:0::/:/\nnobody:x:65534:65534::/:/\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"

# Which package each file is from, for whoever has to know whether an advisory concerns this image, and its terms. dpkg
# knows some by the name before /usr was merged, some by the one after, and complains of the other.
terms=$root/usr/share/doc
mkdir -p "$terms/nodevitals"
cp "$source/LICENSE" "$terms/nodevitals/copyright"
# shellcheck disable=SC2046 # lists of words
dpkg-query -S $(readlink -f /bin/chown $opened $loaded) /bin/chown $loaded 2>/dev/null |
    sed 's/:.*//' | sort -u >"$out/packages" || true
while read -r package; do
    dpkg-query -W -f '${Package} ${Version}\n' "$package" | head -n 1
    mkdir -p "$terms/$package"
    cp "/usr/share/doc/$package/copyright" "$terms/$package/"
done <"$out/packages" >"$terms/nodevitals/packages"
