#!/bin/sh
# Inside the booted Debian, where prometheus-node-exporter runs on port 9100: the life of the package. Prints a sentence per
# check; status 1 where one failed.
export LC_ALL=C HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export ASAN_OPTIONS=detect_leaks=0 DEBIAN_FRONTEND=noninteractive
. /out/check.sh

install_package() { dpkg -i --force-confold "$1" </dev/null >/tmp/dpkg.out 2>&1 || { cat /tmp/dpkg.out; return 1; }; }
ours() { metrics "${1:-9100}" | grep -q '^nodevitals_'; }
theirs() { metrics | grep -q '^node_exporter_build_info.*goversion="go'; }
args() { printf 'ARGS="%s"\n' "$*" >/etc/default/nodevitals; }
is() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }; }
# In the unit's own namespace nearly all is read-only.
every_mount_is_what_it_is() {
    sed -n 's/^node_filesystem_readonly{.*mountpoint="\(.*\)"} \(.*\)$/\1 \2/p' /tmp/pass | sort >/tmp/got
    awk '{ print $5, $6 ~ /(^|,)ro(,|$)/ || $NF ~ /(^|,)ro(,|$)/ }' /proc/1/mountinfo | sort -u >/tmp/true
    comm -23 /tmp/got /tmp/true >/tmp/wrong
    [ -s /tmp/got ] && [ ! -s /tmp/wrong ] || { cat /tmp/wrong; return 1; }
}
owner() { stat -c %U:%G:%a "$1"; }

# What a sanitizer needs, in no file of the package.
mkdir -p /run/systemd/system/nodevitals.service.d
printf '[Service]\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n' >/run/systemd/system/nodevitals.service.d/test.conf
until_true 20 theirs

# ---- beside node_exporter -------------------------------------------------------------------

check "it installs though another exporter has its port" install_package /out/one.deb
check "and says so, with what to do" grep -q -e --web.listen-address=:9101 /tmp/dpkg.out
check "which leaves the other alone" theirs
check "it has an account of its own" grep -q '^nodevitals:.*:/usr/sbin/nologin$' /etc/passwd
check "it is enabled" is "$(systemctl is-enabled nodevitals)" enabled
check "its socket is not, unless asked for" is "$(systemctl is-enabled nodevitals.socket)" disabled

args --config.file=/etc/nodevitals/nodevitals.yml --web.listen-address=:9101
systemctl restart nodevitals
check "with a port of its own it lives beside the other" ours 9101
check "which goes on" theirs
cp /out/one.deb /tmp/ && dpkg-deb --fsys-tarfile /tmp/one.deb | tar -xO ./etc/default/nodevitals >/etc/default/nodevitals
systemctl restart nodevitals 2>/dev/null
check "on the same port it waits" sh -c '! systemctl is-active -q nodevitals'
systemctl disable -q --now prometheus-node-exporter
check "and takes the other's place when that one stops" until_true 30 ours

# ---- as installed ---------------------------------------------------------------------------

pid=$(show nodevitals MainPID)
metrics >/tmp/pass
check "it runs under its account" is "$(stat -c %U:%G "/proc/$pid")" nodevitals:nodevitals
check "without a capability" grep -q '^CapBnd:[[:space:]]*0*$' "/proc/$pid/status"
check "its history is its own, and its group's to read" is "$(owner /var/lib/nodevitals)" nodevitals:nodevitals:750
check "a file system is not called read-only for its own sandbox" grep -q '^node_filesystem_readonly{.*mountpoint="/run"} 0$' /tmp/pass
check "but as process 1 sees it" every_mount_is_what_it_is
check "none fails" sh -c '! grep "^node_filesystem_device_error{.*} 1$" /tmp/pass'
check "its configuration is right" nodevitals check config /etc/nodevitals/nodevitals.yml
check "rules are evaluated" sh -c 'curl -sS --max-time 10 http://127.0.0.1:9100/api/v1/rules | grep -q "\"name\":\"FilesystemFillsUp\""'
check "its command line asks it" until_true 30 nodevitals query node_load1
check "the manual page, completion, dashboards and rules are there" \
    ls /usr/share/man/man1/nodevitals.1.gz /usr/share/bash-completion/completions/nodevitals \
    /usr/share/zsh/vendor-completions/_nodevitals /usr/share/nodevitals/rules/node.yml
check "bash completes" sh -c 'bash -c ". /usr/share/bash-completion/completions/nodevitals
    COMP_WORDS=(nodevitals tsdb ver) COMP_CWORD=2; _nodevitals; echo \"\${COMPREPLY[@]}\"" | grep -qx verify'
check "its units are well formed" systemd-analyze verify --man=no nodevitals.service nodevitals.socket
level=$(systemd-analyze security --no-pager nodevitals 2>/dev/null | tail -n 1 | grep -o '[0-9]*\.[0-9]')
echo "        systemd-analyze security: $level (prometheus-node-exporter: $(systemd-analyze security --no-pager prometheus-node-exporter 2>/dev/null | tail -n 1 | grep -o '[0-9]*\.[0-9]'))"
check "its exposure is small" awk "BEGIN { exit !(${level:-10} <= 2.5) }"

# ---- drop-ins for those who need more -------------------------------------------------------

examples=/usr/share/doc/nodevitals/examples/drop-ins
mkdir -p /etc/systemd/system/nodevitals.service.d
check "without more rights slabinfo fails by itself" sh -c '! setpriv --reuid nodevitals --clear-groups cat /proc/slabinfo'
with() { # DROP-IN FLAG...: the unit runs with it
    cp "$examples/$1.conf" /etc/systemd/system/nodevitals.service.d/
    shift
    args --config.file=/etc/nodevitals/nodevitals.yml "$@"
    systemctl daemon-reload && systemctl restart nodevitals && until_true 20 ours
}
check "read-all.conf lets it run" with read-all --collector.slabinfo
check "and slabinfo be read" sh -c 'curl -sS --max-time 10 http://127.0.0.1:9100/metrics | grep -q "^node_slabinfo_active_objects"'
if [ -c /dev/kmsg ]; then
    kernel_log() { metrics | grep -q '^node_scrape_collector_success{collector="kmsg"} 1$'; }
    args --config.file=/etc/nodevitals/nodevitals.yml --collector.kmsg
    systemctl restart nodevitals
    until_true 20 ours
    check "without its drop-in the kernel's log is out of reach" sh -c '! systemctl show --value -p MainPID nodevitals | xargs -I{} nsenter -m -t {} test -c /dev/kmsg'
    check "kmsg.conf lets it run" with kmsg --collector.kmsg
    check "and the kernel's log be read" until_true 20 kernel_log
fi
check "containers.conf lets it run" with containers --collector.container # perf needs a capability that is not to be had here
check "and tell of containers" until_true 20 sh -c 'curl -sS --max-time 10 http://127.0.0.1:9100/metrics | grep -q "^container_memory_rss\|^container_cpu_usage"'
check "journal.conf lets it run" with journal --collector.journal
check "and the journal be read" until_true 20 sh -c 'curl -sS --max-time 10 http://127.0.0.1:9100/metrics | grep -q "^node_scrape_collector_success{collector=\"journal\"} 1"'
rm -r /etc/systemd/system/nodevitals.service.d
args --config.file=/etc/nodevitals/nodevitals.yml
systemctl daemon-reload && systemctl restart nodevitals

# ---- a port that stays open, as the socket's head says ---------------------------------------

as_the_socket_says() { sed -n 's/^#     //p' /usr/lib/systemd/system/nodevitals.socket | sh -e; }
args --config.file=/etc/nodevitals/nodevitals.yml --web.systemd-socket
check "the socket starts as its head says" as_the_socket_says
check "and the agent answers on it" until_true 20 ours
check "the port is systemd's" systemctl is-active -q nodevitals.socket
systemctl restart --no-block nodevitals
refused=0
for try in 1 2 3 4 5 6 7 8; do
    metrics >/dev/null 2>&1 || refused=$((refused + 1))
done
check "while it restarts, nobody is refused" is $refused 0
check "an upgrade keeps the port" install_package /out/two.deb
check "with the new agent on it" until_true 20 ours
check "and the socket" systemctl is-active -q nodevitals.socket
install_package /out/one.deb
systemctl disable -q --now nodevitals.socket
args --config.file=/etc/nodevitals/nodevitals.yml
systemctl restart nodevitals

# ---- an upgrade -----------------------------------------------------------------------------

args --config.file=/etc/nodevitals/nodevitals.yml --collector.systemd
echo '# mine' >>/etc/nodevitals/nodevitals.yml
systemctl restart nodevitals
pid=$(show nodevitals MainPID)
until_true 30 nodevitals query 'count_over_time(node_load1[1h]) > 3'
before=$(date +%s)
check "an upgrade goes through" install_package /out/two.deb
check "the new one runs" until_true 20 ours
check "anew" sh -c "[ \"\$(systemctl show --value -p MainPID nodevitals)\" -ne $pid ]"
check "as the new version" sh -c 'dpkg-query -W -f "\${Version}" nodevitals | grep -q "\.1$"'
check "flags are kept" is "$(cat /etc/default/nodevitals)" 'ARGS="--config.file=/etc/nodevitals/nodevitals.yml --collector.systemd"'
check "the configuration is kept" is "$(tail -n 1 /etc/nodevitals/nodevitals.yml)" '# mine'
check "history is kept" until_true 30 nodevitals query "count_over_time(node_load1[1h])" --time="$before"
systemctl disable -q nodevitals
check "what was disabled" install_package /out/one.deb
check "stays disabled" is "$(systemctl is-enabled nodevitals)" disabled
systemctl enable -q nodevitals

# ---- out and in again -----------------------------------------------------------------------

check "it is removed" dpkg -r nodevitals
check "and stopped" sh -c '! systemctl is-active -q nodevitals && ! curl -sS --max-time 2 http://127.0.0.1:9100/'
check "its settings stay" grep -q collector.systemd /etc/default/nodevitals
check "its history stays" sh -c '[ -n "$(ls /var/lib/nodevitals)" ]'
check "it comes back" install_package /out/two.deb
check "and runs" until_true 20 ours
check "with the same settings" sh -c 'curl -sS --max-time 10 http://127.0.0.1:9100/metrics | grep -q "^node_systemd_units"'
check "with the same history" until_true 30 nodevitals query "count_over_time(node_load1[1h])" --time="$before"
check "and is enabled as it was" is "$(systemctl is-enabled nodevitals)" enabled

check "it is purged" dpkg -P nodevitals
check "nothing of it runs" sh -c '! pgrep -x nodevitals'
rm -r /run/systemd/system/nodevitals.service.d
find / -xdev -path /proc -prune -o -path /sys -prune -o -path /out -prune -o -path /var/log -prune -o \
    -name '*nodevitals*' -print >/tmp/left 2>/dev/null
check "nothing of it is left" sh -c '! grep . /tmp/left'
systemctl daemon-reload
check "systemd knows nothing of it" sh -c '! systemctl list-unit-files | grep nodevitals'

# ---- by hand, as deploy/README.md says ------------------------------------------------------

cp -R /out/root/usr/local/. /usr/local/
systemd-sysusers /usr/local/lib/sysusers.d/nodevitals.conf
install -D -m 644 /out/nodevitals.yml /etc/nodevitals/nodevitals.yml
sed -i s,/usr/share/,/usr/local/share/, /etc/nodevitals/nodevitals.yml
install -m 644 /out/nodevitals.default /etc/default/nodevitals
mkdir -p /run/systemd/system/nodevitals.service.d
printf '[Service]\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n' >/run/systemd/system/nodevitals.service.d/test.conf
systemctl daemon-reload
check "installed below /usr/local it runs, too" systemctl enable -q --now nodevitals
check "and answers" until_true 20 ours
check "with its rules" sh -c 'curl -sS --max-time 10 http://127.0.0.1:9100/api/v1/rules | grep -q "\"name\":\"FilesystemFillsUp\""'

passed_all
