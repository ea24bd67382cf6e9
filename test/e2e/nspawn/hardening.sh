#!/bin/sh
# Inside the booted Debian: for each line below, which collectors fail and which file systems look otherwise than to an
# ordinary account without any hardening. See ../hardening.sh.
export LC_ALL=C PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LD_LIBRARY_PATH=/usr/local/lib/nodevitals
install -m 755 /out/nodevitals /usr/local/bin/nodevitals
mkdir -p /usr/local/lib/nodevitals
cp /out/lib/* /usr/local/lib/nodevitals/
install -D -m 644 /out/sysusers.conf /etc/sysusers.d/nodevitals.conf
systemd-sysusers
for folder in /tmp/inside /home/inside /srv/inside; do # what some lines hide
    mkdir -p "$folder" && mount -t tmpfs inside "$folder"
done
# perf cannot start in a container; the last ones wait for a kubelet, or follow logs.
flags=$(nodevitals --help | grep -o 'no-]collector\.[a-z_-]*' | sed 's/no-]/--/' |
    grep -Ev 'disable-defaults|perf|kube-pods|journal|kmsg' | sort -u |
    while read -r flag; do nodevitals collect "$flag" --help >/dev/null 2>&1 && echo "$flag"; done)

# pass NAME PROPERTY...: what a pass of all collectors tells under these properties, cut to what is compared.
pass() {
    name=$1
    shift
    # shellcheck disable=SC2086 # a list of flags
    systemd-run --wait --pipe -q -E LD_LIBRARY_PATH="$LD_LIBRARY_PATH" "$@" /usr/local/bin/nodevitals collect $flags \
        >"/tmp/$name.text" 2>"/tmp/$name.log" || echo "status $?" >"/tmp/$name.text"
    grep -E '^(status|node_scrape_collector_success|node_filesystem_(readonly|device_error))' "/tmp/$name.text" | sort >"/tmp/$name"
    sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "/tmp/$name.text" | sort >"/tmp/$name.families"
}
compare() { # NAME BASE SENTENCE
    printf '%-45s %4s families fewer\n' "$3" "$(comm -13 "/tmp/$1.families" "/tmp/$2.families" | wc -l)"
    comm -23 "/tmp/$1" "/tmp/$2" | sed 's/^/    /'
}

pass root -p User=root
pass plain -p User=nodevitals
compare plain root "an ordinary account, beside root"
while IFS= read -r line; do
    set --
    for property in $line; do
        set -- "$@" -p "$property"
    done
    pass tried -p User=nodevitals -p SystemCallErrorNumber=EPERM "$@"
    compare tried plain "$line"
done <<'L'
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=CAP_DAC_READ_SEARCH
DynamicUser=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectHome=yes
ProtectHome=tmpfs
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
ProtectProc=noaccess
ProcSubset=pid
PrivateDevices=yes
PrivateMounts=yes
PrivateTmp=yes
PrivateUsers=yes
PrivateIPC=yes
RestrictAddressFamilies=~AF_NETLINK
RestrictAddressFamilies=~AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallFilter=~@resources
L
