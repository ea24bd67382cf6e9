#!/bin/sh
# Inside the booted Debian, as a service after multi-user.target. Prints a sentence per check; status 1 where one failed.
export LC_ALL=C HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LD_LIBRARY_PATH=/usr/local/lib/nodevitals ASAN_OPTIONS=detect_leaks=0
. /out/check.sh

unit() { cat >"/run/systemd/system/$1"; }
# once [FLAG...]: the agent's only pass, of the last hour unless told otherwise, into /tmp/once.
once() {
    nodevitals collect --collector.disable-defaults --collector.journal "--collector.journal.lookback=${lookback:-1h}" "$@" \
        >/tmp/once 2>/tmp/err || :
    cat /tmp/err
}
# counts FILE REASON N
counts() {
    grep -qxF "problem_counter{reason=\"$2\"} $3" "$1" || { grep "$2" "$1"; return 1; }
}
# tells FILE WORD... N: the event with these words was seen N times
tells() {
    file=$1
    shift
    grep '^node_problem_events_total{' "$file" >/tmp/events
    while [ $# -gt 1 ]; do
        grep -F "$1" /tmp/events >/tmp/events.new
        mv /tmp/events.new /tmp/events
        shift
    done
    grep -q " $1\$" /tmp/events || { grep '^node_problem_events_total' "$file"; return 1; }
}

install -m 755 /out/nodevitals /usr/local/bin/nodevitals
mkdir -p /usr/local/lib/nodevitals /var/log/journal
cp /out/lib/* /usr/local/lib/nodevitals/ 2>/dev/null
journalctl --flush

unit falls.service <<'U'
[Service]
Type=oneshot
ExecStart=/bin/false
U
unit kubelet.service <<'U'
[Unit]
Description=kubelet: The Kubernetes Node Agent
[Service]
ExecStart=/bin/sleep 1000
U
unit crashes.service <<'U'
[Service]
ExecStart=/bin/sh -c 'sleep 0.1; exit 3'
U
systemctl daemon-reload

# ---- what happens, counts -------------------------------------------------------------------

once
check "a journal where nothing happened counts nothing" counts /tmp/once UnitFailed 0
systemctl start falls.service 2>/dev/null
systemctl start crashes.service
systemctl start kubelet.service
systemctl restart kubelet.service
until_true 10 systemctl is-failed -q crashes.service
journalctl --sync
once
check "units that fail count, each once" counts /tmp/once UnitFailed 2
check "with the unit that failed to start" tells /tmp/once UnitFailed 'unit="falls.service"' 1
check "and the one that failed later" tells /tmp/once UnitFailed 'unit="crashes.service"' 1
check "starts of the kubelet count" counts /tmp/once KubeletStart 2
check "that of another does not" counts /tmp/once ContainerdStart 0
lookback=0s once
check "what is older than the lookback does not count" counts /tmp/once UnitFailed 0

# ---- what is only claimed, does not ---------------------------------------------------------

printf 'MESSAGE=x\nMESSAGE_ID=be02cf6855d2428ba40df7e9d022f03d\nUNIT=ssh.service\n' >/tmp/claim
setpriv --reuid=65534 --regid=65534 --clear-groups logger --journald=/tmp/claim
setpriv --reuid=65534 --regid=65534 --clear-groups logger -t kernel 'EXT4-fs error (device sda1): a claim'
logger -t kernel 'EXT4-fs error (device sda1): another'
journalctl --sync
once
check "an ordinary user's word about a unit is not believed" counts /tmp/once UnitFailed 2
check "nor is anybody's about the kernel" counts /tmp/once Ext4Error 0

# ---- rules of one's own ---------------------------------------------------------------------

cat >/tmp/rules.json <<'J'
{"plugin": "journald", "pluginConfig": {"source": "diskd"}, "bufferSize": 3,
 "conditions": [{"type": "DiskSad", "reason": "DiskIsFine"}],
 "rules": [{"type": "temporary", "reason": "DiskSighs", "pattern": "disk (?P<device>\\w+) sighs.*"},
           {"type": "permanent", "condition": "DiskSad", "reason": "DiskWeeps", "pattern": "begins\\n.*weeps"}]}
J
logger -t diskd 'disk sdx sighs deeply'
logger -t other 'disk sdy sighs deeply'
logger -t diskd 'it begins'
logger -t diskd 'the disk weeps'
journalctl --sync
once --collector.journal.rules-file=/tmp/rules.json
check "a rule of a file counts for its identifier alone" counts /tmp/once DiskSighs 1
check "with the device its expression names" tells /tmp/once DiskSighs 'device="sdx"' 1
check "an expression may reach over lines" \
    grep -qxF 'problem_gauge{reason="DiskWeeps",type="DiskSad"} 1' /tmp/once

# ---- beside the kernel's log ----------------------------------------------------------------

echo '1,1,1,-;BUG: kernel NULL pointer dereference, address: 0000000000000078' >/tmp/kmsg
logger -t abrt-notification 'System encountered a non-fatal error in ext4_find_entry'
journalctl --sync
once
check "a reason that the journal knows counts" counts /tmp/once KernelOops 1
# ---- rights, and other folders --------------------------------------------------------------

setpriv --reuid=65534 --regid=65534 --clear-groups nodevitals collect --collector.disable-defaults \
    --collector.journal >/tmp/once 2>/tmp/err
check "who may not read the journal is told what it takes" grep -q 'group systemd-journal' /tmp/err
check "and the reasons are there all the same" counts /tmp/once UnitFailed 0
cp -r /var/log/journal /tmp/elsewhere
once --collector.journal.directory=/tmp/elsewhere
check "a folder of journals may be named" counts /tmp/once UnitFailed 2
once --collector.journal.directory=/tmp/nowhere
check "where there is none, it is said" grep -q 'no journal in /tmp/nowhere' /tmp/err

# ---- over restarts, rotation, vacuuming -----------------------------------------------------

agent() {
    nodevitals --collector.disable-defaults --collector.journal --collector.journal.lookback=1h "$@" \
        --storage.tsdb.path=/tmp/data --web.listen-address=127.0.0.1:9100 2>>/tmp/agent.log &
    pid=$!
    until_true 20 metrics
}
now() { metrics >/tmp/now && counts /tmp/now "$1" "$2"; }
end() { kill "$pid" && wait "$pid"; }

agent --collector.kmsg --path.kmsg=/tmp/kmsg
check "the agent counts what there is" until_true 20 now UnitFailed 2
check "a reason that the kernel's log and the journal know is one counter" until_true 20 now KernelOops 2
check "which nobody tells twice" sh -c '! grep dropped /tmp/agent.log && [ "$(grep -c "^problem_counter.*KernelOops" /tmp/now)" = 1 ]'
end
agent
check "a restart counts nothing twice" now UnitFailed 0
systemctl reset-failed
systemctl start falls.service 2>/dev/null
journalctl --sync
check "and goes on from there" until_true 20 now UnitFailed 1
journalctl -q --rotate
systemctl start falls.service 2>/dev/null
journalctl --sync
check "files that are rotated are followed" until_true 20 now UnitFailed 2
journalctl -q --rotate --vacuum-time=1s --vacuum-files=1 2>/dev/null
systemctl start falls.service 2>/dev/null
journalctl --sync
check "so they are when old ones are deleted" until_true 20 now UnitFailed 3
end
journalctl -q --rotate
sleep 1
journalctl -q --vacuum-time=1s 2>/dev/null
agent
check "a position that was deleted counts nothing twice" now UnitFailed 0
systemctl start falls.service 2>/dev/null
journalctl --sync
check "and what comes behind counts" until_true 20 now UnitFailed 1
end
sed 's/^/        /' /tmp/agent.log | grep -E 'level=(warn|error)' | head -n 5

passed_all
