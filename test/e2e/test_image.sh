#!/bin/sh
# The container image: deploy/image.sh builds it, it is under 25 MB, and runs as the DaemonSet runs it: with its flags
# and mounts, without a privilege, on a root file system that nothing can write to. The image's chown serves the init
# container with no capability but CHOWN.
#
# The build stage runs in this machine's own /usr, so that nothing is fetched. It takes a release build that is there
# (NODEVITALS, or the preset beside it), for a binary with sanitizers says nothing of a size; with NV_IMAGE_COMPILE=1 it
# compiles one as `deploy/image.sh` does, in a minute or two.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=${NV_SOURCE:-$(dirname "$(dirname "$here")")}
nodevitals=${NODEVITALS:-$source/build/nodevitals}
LIMIT=25000000
export LC_ALL=C

skip() {
    echo "SKIP: $1"
    exit 77
}
[ "$(id -u)" -eq 0 ] || skip "only root can run these containers"
for program in podman runc curl gcc; do
    command -v $program >/dev/null || skip "$program is not installed"
done
# Mounts and links of this test end with it.
if [ -z "${NV_UNSHARED-}" ]; then
    unshare -mn --propagation private true 2>/dev/null || skip "no mount and network namespaces here"
    NV_UNSHARED=1 exec unshare -mn --propagation private sh "$0"
fi
ip link set lo up

work=$(mktemp -d)
group=/nodevitals-image-$$
cleanup() {
    $podman rm -f -t 0 agent >/dev/null 2>&1 || :
    $podman image umount --all >/dev/null 2>&1 || :
    umount "$work/st/root/overlay" 2>/dev/null || :
    rm -rf "$work"
    for _ in $(seq 25); do # podman's monitor may still be on its way out
        find /sys/fs/cgroup -depth -type d -path "*$group*" -exec rmdir {} + 2>/dev/null || :
        find /sys/fs/cgroup -maxdepth 2 -path "*$group*" | grep -q . || break
        sleep 0.2
    done
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
hard=$(ulimit -Hn)
[ "$hard" != unlimited ] || hard=65536
cat >"$work/containers.conf" <<E
[containers]
default_ulimits = ["nofile=$hard:$hard", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
E
export CONTAINERS_CONF="$work/containers.conf"
podman="podman --root $work/st/root --runroot $work/st/run --tmpdir $work/st/tmp"

# An image whose /usr is to be this machine's.
mkdir -p "$work/base/usr" "$work/base/tmp" "$work/base/var" "$work/base/etc"
chmod 1777 "$work/base/tmp"
for folder in bin sbin lib lib64; do
    [ ! -e "/$folder" ] || ln -s "usr/$folder" "$work/base/$folder"
done
tar -C "$work/base" -c . | $podman import - localhost/machine >"$work/log" 2>&1 || {
    cat "$work/log"
    skip "podman does not work here"
}
$podman run --rm --network=none --cgroup-parent=$group -v /usr:/usr:ro localhost/machine /bin/true >"$work/log" 2>&1 || {
    cat "$work/log"
    skip "containers do not run here"
}

set -- --base="$work/base" --tag=localhost/nodevitals:test --output="$work/image.tar"
for binary in "$nodevitals" "${NV_BUILD:-$source/build}/../release/nodevitals" ''; do
    [ -n "$binary" ] || [ -n "${NV_IMAGE_COMPILE-}" ] || skip "there is no release build to take"
    [ -x "$binary" ] || continue
    ldd "$binary" | grep -Eq 'lib(asan|ubsan|tsan)' || break
done
[ -z "$binary" ] || set -- "$@" --binary="$binary"
BUILDER=$podman sh "$source/deploy/image.sh" "$@" -- --network=none --cgroup-parent=$group-build --volume /usr:/usr:ro \
    --volume /etc:/etc:ro --volume /var/lib/dpkg:/var/lib/dpkg:ro >"$work/log" 2>&1 || {
    tail -n 40 "$work/log"
    echo "FAILED: the image does not build"
    exit 1
}
size=$($podman image inspect --format '{{.Size}}' localhost/nodevitals:test)
echo "the image takes $size bytes, its archive $(stat -c %s "$work/image.tar")"
[ "$size" -lt $LIMIT ] || {
    $podman export "$($podman create localhost/nodevitals:test)" | tar -tv | sort -k3nr | head -n 20
    echo "FAILED: more than $LIMIT bytes"
    exit 1
}

failed=0
# is WHAT COMMAND...: one promise.
is() {
    what=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok: $what"
    else
        failed=1
        tail -n 20 "$work/log"
        echo "FAILED: $what"
    fi
}
RESTRICTED="--read-only --read-only-tmpfs=false --user 65534:65534 --cap-drop=ALL --security-opt=no-new-privileges"
HOST="-v /proc:/host/proc:ro -v /sys:/host/sys:ro -v /:/host/root:ro,rslave --pid=host"

answers() {
    for _ in $(seq 200); do
        ! curl -sf http://127.0.0.1:9100/-/ready || return 0
        sleep 0.2
    done
    $podman logs agent
    return 1
}
asked() { # the first sample may be a moment away
    for _ in $(seq 100); do
        ! $podman exec agent /usr/bin/nodevitals query 'count(node_cpu_seconds_total) > 0' || return 0
        sleep 0.2
    done
    return 1
}
metric() {
    curl -sf http://127.0.0.1:9100/metrics >"$work/metrics" && grep -E "$1" "$work/metrics"
}

label() {
    $podman image inspect --format "{{index .Labels \"org.opencontainers.image.$1\"}}" localhost/nodevitals:test
}
version=$("$nodevitals" --version | sed -n 's/.*version \([0-9.]*\).*/\1/p')
is "it says which version it is" sh -c "[ -n '$version' ] && [ '$(label version)' = '$version' ]"
is "and whose terms it is under" sh -c "[ '$(label licenses)' = Apache-2.0 ]"
is "it runs as an ordinary user unless told otherwise" \
    sh -c "[ '$($podman image inspect --format '{{.Config.User}}' localhost/nodevitals:test)' = 65534:65534 ]"

# The init container of the DaemonSet, as it is written there.
mkdir -m 755 "$work/history"
owner=$source/deploy/kubernetes/overlays/host-path/storage.yaml
as=$(sed -n '/name: owner/,/volumeMounts/s/.*runAs\(User\|Group\): \([0-9]*\).*/\2/p' "$owner" | paste -sd:)
command=$(sed -n 's/^ *command: \[\(.*\)\]/\1/p' "$owner" | tr -d "',")
hand_over() {
    # shellcheck disable=SC2086 # lists of words
    $podman run --rm --network=none --cgroup-parent=$group --read-only --user "$as" --cap-drop=ALL --cap-add=CHOWN \
        --security-opt=no-new-privileges -v "$work/history:/var/lib/nodevitals" --entrypoint "${command%% *}" \
        localhost/nodevitals:test ${command#* }
}
is "its chown hands a folder of the host to the agent, with CHOWN alone" hand_over
is "which is then the agent's" sh -c "stat -c %u:%g '$work/history' | grep -x 65534:65534"
mkdir -m 750 "$work/history/notify" && echo x >"$work/history/notify/silences" && chown -R 65534:65534 "$work/history/notify"
is "and so again when folders in it are closed to others" hand_over
rm -r "$work/history/notify"

mkdir -m 755 "$work/config" "$work/rules" "$work/token"
cp "$source/deploy/kubernetes/base/nodevitals.yml" "$work/config/"
cp "$source"/deploy/rules/*.yml "$work/rules/"
echo none >"$work/token/token"
chmod -R a+rX "$work/config" "$work/rules" "$work/token"
sed -n 's/^        - \(--[^ ]*\).*/\1/p' "$source/deploy/kubernetes/base/daemonset.yaml" >"$work/flags"
set --
while read -r flag; do # whatever is in it
    set -- "$@" "$flag"
done <"$work/flags"
# shellcheck disable=SC2086 # lists of words
is "it starts with $# flags and without a privilege, and nothing of it can be written to" \
    $podman run -d --name agent --network=host --cgroup-parent=$group $RESTRICTED --memory=160m \
    -v "$work/config:/etc/nodevitals/config:ro" -v "$work/rules:/etc/nodevitals/rules:ro" \
    -v "$work/token:/var/run/secrets/kubernetes.io/serviceaccount:ro" -v "$work/history:/var/lib/nodevitals" $HOST \
    -e HOST_IP=127.0.0.1 -e NODE_NAME=here -e KUBERNETES_SERVICE_HOST=127.0.0.1 localhost/nodevitals:test "$@"
is "it becomes ready" answers
is "it sees the host's processors" metric "^node_cpu_seconds_total\{cpu=\"$(($(nproc) - 1))\",mode=\"idle\"\} [1-9]"
is "it sees the host's file systems" metric '^node_filesystem_size_bytes\{.*mountpoint="/"\} [1-9]'
is "it knows its rules" sh -c "curl -sf http://127.0.0.1:9100/api/v1/rules | grep '\"node-filesystem\"'"
is "a kubelet that is not there is told of, and stops nothing" metric '^nodevitals_kubelet_up 0$'
is "it keeps its history" metric '^nodevitals_tsdb_write_failing 0$'
is "it is asked from within" asked
is "it stops when told to" sh -c "$podman stop -t 20 agent && [ \"\$($podman wait agent)\" = 0 ]"

# As deploy/README.md has it, but for names.
sed -n '/^    podman run -d --name nodevitals/,/[^\\]$/p' "$source/deploy/README.md" |
    sed "s,podman run,$podman run --cgroup-parent=$group,; s,localhost/nodevitals:[0-9.]*,localhost/nodevitals:test," >"$work/run.sh"
$podman rm agent >"$work/log" 2>&1 || :
sed -i 's,--name nodevitals,--name agent,' "$work/run.sh"
is "what deploy/README.md has for a host starts" sh -e "$work/run.sh"
is "and becomes ready" answers
is "with a history that is written" metric '^nodevitals_tsdb_write_failing 0$'
is "and containers of the host" metric '^container_memory_working_set_bytes\{.*id="/"'
$podman rm -f -t 5 agent >"$work/log" 2>&1 || :

root=$($podman image mount localhost/nodevitals:test)
is "a volume at its state directory is the agent's" sh -c "stat -c %u '$root/var/lib/nodevitals' | grep -x 65534"
lib=/usr/lib/$(gcc -print-multiarch)
# What is opened by name only later: every library it wants is in the image, and every function, too.
loader=$(readelf -l "$root/usr/bin/nodevitals" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
for name in libcurl-gnutls.so.4 libsystemd.so.0; do
    is "$name finds all it wants" sh -c "
        LD_BIND_NOW=1 chroot '$root' '$loader' --preload '$lib/$name' /usr/bin/nodevitals --version"
done
exit $failed
