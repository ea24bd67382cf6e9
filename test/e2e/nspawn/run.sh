#!/bin/sh
# Inside the booted Debian, as a service after multi-user.target. Prints a sentence per check; status 1 where one failed.
export LC_ALL=C HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LD_LIBRARY_PATH=/usr/local/lib/nodevitals ASAN_OPTIONS=detect_leaks=0
. /out/check.sh

pass() { nodevitals collect --collector.disable-defaults "$@" 2>/tmp/err || cat /tmp/err; }
has() { grep -qxF -- "$2" "$1" || { echo "no line $2"; grep -F -- "${2%%\{*}" "$1" | head -n 20; return 1; }; }
unit() { cat >"/run/systemd/system/$1"; }

install -m 755 /out/nodevitals /usr/local/bin/nodevitals
mkdir -p /usr/local/lib/nodevitals
cp /out/lib/* /usr/local/lib/nodevitals/ 2>/dev/null

# ---- the systemd collector against systemctl ------------------------------------------------

unit falls.service <<'E'
[Service]
Type=oneshot
ExecStart=/bin/false
E
unit restarts.service <<'E'
[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/sh -c 'n=$$(cat /run/restarts 2>/dev/null || echo 0); echo $$((n + 1)) >/run/restarts; [ $$n -ge 3 ] && exec sleep 1000; exit 1'
Restart=always
RestartSec=10ms
TasksMax=17
E
unit forks.service <<'E'
[Service]
Type=forking
ExecStart=/bin/sh -c 'sleep 1000 & sleep 1000 &'
E
unit echoes.socket <<'E'
[Socket]
ListenStream=/run/echoes
Accept=yes
E
unit 'echoes@.service' <<'E'
[Service]
ExecStart=/bin/cat
StandardInput=socket
E
unit tick.timer <<'E'
[Timer]
OnActiveSec=0
AccuracySec=1ms
E
unit tick.service <<'E'
[Service]
Type=oneshot
ExecStart=/bin/true
E
systemctl is-system-running --wait >/dev/null
echo "systemd $(systemctl --version | sed -n 1p), $(systemctl is-system-running)"

pass --collector.systemd >/tmp/before
check "the system is running when systemctl says so" \
    has /tmp/before "node_systemd_system_running $([ "$(systemctl is-system-running)" = running ] && echo 1 || echo 0)"

systemctl daemon-reload
systemctl start restarts.service forks.service echoes.socket tick.timer
systemctl start falls.service 2>/dev/null
for i in 1 2 3; do curl -s --max-time 0.2 --unix-socket /run/echoes http://x/ >/dev/null; done
(sleep 2 | curl -sN --max-time 60 -T - --unix-socket /run/echoes http://x/ >/dev/null 2>&1) &
until_true 10 sh -c '[ "$(cat /run/restarts)" = 4 ]'
sleep 0.5

properties=Id,LoadState,ActiveState,Type,NRestarts,TasksCurrent,TasksMax,NAccepted,NConnections,NRefused
settings="--collector.systemd.enable-restarts-metrics --collector.systemd.enable-task-metrics"
families='^node_systemd_(unit_state|units|service_restart_total|unit_tasks_current|unit_tasks_max|socket_)'

# Units may change between the two views: the view must be the same before and after.
same_as_systemctl() {
    for try in 1 2 3 4 5 6 7 8 9 10; do
        systemctl show --all -p $properties '*' >/tmp/show.before
        # shellcheck disable=SC2086
        pass --collector.systemd $settings "$@" >/tmp/pass
        systemctl show --all -p $properties '*' >/tmp/show.after
        cmp -s /tmp/show.before /tmp/show.after && break
        sleep 0.3
    done
    awk -f /out/expect.awk /tmp/show.before | sort >/tmp/expected
    grep -E "$families" /tmp/pass | sort >/tmp/got
    [ "$(wc -l </tmp/got)" -gt 200 ] || { echo "only $(wc -l </tmp/got) series"; return 1; }
    diff /tmp/expected /tmp/got
}
check "units, states, types, restarts, tasks and sockets are those of systemctl" same_as_systemctl
echo "        $(wc -l </tmp/got) series of $(grep -c ^Id= /tmp/show.before) units"
check "a failed unit is failed" has /tmp/pass 'node_systemd_unit_state{name="falls.service",state="failed",type="oneshot"} 1'
check "a restarted service counts its restarts" has /tmp/pass 'node_systemd_service_restart_total{name="restarts.service"} 3'
check "a limit of tasks is shown" has /tmp/pass 'node_systemd_unit_tasks_max{name="restarts.service"} 17'
check "a socket counts what it accepted" grep -Eq '^node_systemd_socket_accepted_connections_total\{name="echoes.socket"\} [34]$' /tmp/pass
check "a degraded system is not running" has /tmp/pass "node_systemd_system_running 0"
check "the same over systemd's private socket" same_as_systemctl --collector.systemd.private

version=$(busctl get-property org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager Version | cut -d'"' -f2)
check "the version is systemd's" grep -Eq "^node_systemd_version\{version=\"$version\"\} $(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')" /tmp/pass
check "the virtualization is systemd-detect-virt's" has /tmp/pass "node_systemd_virtualization_info{virtualization_type=\"$(systemd-detect-virt)\"} 1"

# property OBJECT INTERFACE NAME: a number, from the bus.
property() { busctl get-property org.freedesktop.systemd1 "/org/freedesktop/systemd1/unit/$1" "org.freedesktop.systemd1.$2" "$3" | cut -d' ' -f2; }
# seconds LINE MICROSECONDS: the sample LINE is that many microseconds.
seconds() { awk -v line="$1" -v us="$2" '$1 == line { found = 1; d = $2 * 1e6 - us; exit !(d < 2 && d > -2) } END { if (!found) exit 1 }' /tmp/pass; }
pass --collector.systemd --collector.systemd.enable-start-time-metrics >/tmp/pass
check "a timer's last trigger is the bus's" \
    seconds 'node_systemd_timer_last_trigger_seconds{name="tick.timer"}' "$(property tick_2etimer Timer LastTriggerUSec)"
check "a start time is the bus's" \
    seconds 'node_systemd_unit_start_time_seconds{name="forks.service"}' "$(property forks_2eservice Unit ActiveEnterTimestamp)"
check "what is not active has no start time" has /tmp/pass 'node_systemd_unit_start_time_seconds{name="falls.service"} 0'

pass --collector.systemd --collector.systemd.unit-exclude= --collector.systemd.unit-include='.*\.mount' >/tmp/pass
mount=$(systemctl show -p Type,Id --value -- -.mount | tr '\n' ' ')
check "a mount has its file system" grep -Eq '^node_systemd_unit_state\{name="-.mount",state="active",type="[a-z0-9]+"\} 1$' /tmp/pass
echo "        ${mount}"

# ---- the logind collector against loginctl --------------------------------------------------

session() { # UNIT TYPE CLASS
    systemd-run -q --unit="$1" -p PAMName=login -p User=root -E XDG_SESSION_TYPE="$2" -E XDG_SESSION_CLASS="$3" sleep 1000
}
session session-a tty user
session session-b tty user
session session-c x11 greeter
session session-d unspecified background
until_true 10 sh -c '[ "$(loginctl list-sessions --no-legend | wc -l)" -ge 4 ]'

same_as_loginctl() {
    pass --collector.logind >/tmp/pass
    for id in $(loginctl list-sessions --no-legend | awk '{ print $1 }'); do
        loginctl show-session -p Class -p Remote -p Seat -p Type "$id" | sort | tr '\n' ' '
        echo
    done | sed 's/=no /=false /; s/=yes /=true /' | awk '
        { for (i = 1; i <= NF; i++) { split($i, pair, "="); value[pair[1]] = pair[2] }
          count[sprintf("node_logind_sessions{class=\"%s\",remote=\"%s\",seat=\"%s\",type=\"%s\"}",
                        value["Class"], value["Remote"], value["Seat"], value["Type"])]++
          delete value }
        END { for (key in count) print key, count[key] }' | sort >/tmp/expected
    grep '^node_logind_sessions{.*} [1-9]' /tmp/pass | sort >/tmp/got
    [ "$(wc -l </tmp/expected)" -ge 3 ] || { loginctl; cat /tmp/expected; return 1; }
    diff /tmp/expected /tmp/got
}
check "sessions are those of loginctl" same_as_loginctl
sed 's/^/        /' /tmp/got
check "what nobody uses is shown as 0" has /tmp/pass 'node_logind_sessions{class="greeter",remote="true",seat="",type="wayland"} 0'

# ---- without a bus --------------------------------------------------------------------------

systemctl stop dbus.socket dbus.service
check "root without a bus asks systemd's private socket" same_as_systemctl
pass --collector.logind >/tmp/pass
check "logind without a bus fails" has /tmp/pass 'node_scrape_collector_success{collector="logind"} 0'
systemctl start dbus.socket

# ---- the service ----------------------------------------------------------------------------

cp /out/nodevitals.service /out/nodevitals.socket /etc/systemd/system/
install -D -m 644 /out/sysusers.conf /etc/sysusers.d/nodevitals.conf
check "its account is made" systemd-sysusers
environment() { printf 'LD_LIBRARY_PATH=%s\nASAN_OPTIONS=%s\nARGS="%s"\n' "$LD_LIBRARY_PATH" "$ASAN_OPTIONS" "$*" >/etc/default/nodevitals; }
environment
systemctl daemon-reload
check "the service starts" systemctl start nodevitals.service
check "started means that it answers" metrics
metrics >/tmp/pass
check "its status says what it does" sh -c 'systemctl show --value -p StatusText nodevitals | grep -q collectors'
echo "        $(show nodevitals StatusText)"
check "it is not root" sh -c '[ "$(stat -c %u "/proc/$(systemctl show --value -p MainPID nodevitals)")" -ne 0 ]'
check "and may do nothing special" grep -q '^CapEff:[[:space:]]*0*$' "/proc/$(show nodevitals MainPID)/status"
echo "        not here: $(sed -n 's/^node_scrape_collector_success{collector="\(.*\)"} 0$/\1/p' /tmp/pass | tr '\n' ' ')"

# The bus, and what it has to say to an account of our own.
systemctl stop nodevitals
environment --collector.systemd --collector.logind
systemctl daemon-reload
systemctl restart nodevitals
metrics >/tmp/pass
check "as an ordinary user it sees systemd's units" has /tmp/pass 'node_systemd_unit_state{name="nodevitals.service",state="active",type="notify"} 1'
check "and logind's sessions" has /tmp/pass 'node_scrape_collector_success{collector="logind"} 1'

# A type that changes while the agent runs.
unit changes.service <<'E'
[Service]
Type=simple
ExecStart=/bin/sleep 1000
E
systemctl daemon-reload && systemctl start changes.service
metrics >/tmp/pass
check "a new unit appears" has /tmp/pass 'node_systemd_unit_state{name="changes.service",state="active",type="simple"} 1'
sed -i s/simple/exec/ /run/systemd/system/changes.service && systemctl daemon-reload
metrics >/tmp/pass
check "a type changed by daemon-reload is seen at once" has /tmp/pass 'node_systemd_unit_state{name="changes.service",state="active",type="exec"} 1'
systemctl stop changes.service && rm /run/systemd/system/changes.service && systemctl daemon-reload
metrics >/tmp/pass
check "a unit that is gone is gone" sh -c '! grep -q changes.service /tmp/pass'
systemctl restart dbus.service
metrics >/tmp/pass
check "a bus that was restarted costs no scrape" grep -q '^node_scrape_collector_success{collector="systemd"} 1$' /tmp/pass

# Its own rules, hurried, over its own history; the alert goes into the journal.
mkdir -p /etc/nodevitals
sed 's/interval: .*/interval: 1s/; s/for: .*/for: 1s/' /out/node.yml >/etc/nodevitals/node.yml
cat >/etc/nodevitals/config.yml <<'E'
rule_files: [node.yml]
notify:
  route: {receiver: journal, group_wait: 0s, group_interval: 1s}
  receivers: [{name: journal, journal_configs: [{}]}]
E
environment --collector.systemd --config.file=/etc/nodevitals/config.yml --storage.tsdb.interval=1s
systemctl restart nodevitals
in_journal() { journalctl -q -t nodevitals-alert -o cat ALERT_NAME=UnitFailed ALERT_STATUS="$1" ALERT_LABEL_NAME=falls.service | grep -q .; }
check "a failed unit raises its alert, in the journal" until_true 60 in_journal firing
check "with its priority and runbook" sh -c 'journalctl -q -t nodevitals-alert -p warning -o json ALERT_LABEL_NAME=falls.service | grep -q ALERT_ANNOTATION_RUNBOOK'
check "and in the API" sh -c 'curl -sS --max-time 10 http://127.0.0.1:9100/api/v1/alerts | grep -q "\"alertname\":\"UnitFailed\""'
systemctl reset-failed falls.service
check "once it is mended, that is said" until_true 60 in_journal resolved
environment --collector.systemd --collector.logind
systemctl restart nodevitals

check "a reload leaves it running" sh -c 'before=$(systemctl show --value -p MainPID nodevitals); systemctl reload nodevitals && sleep 0.3 && [ "$(systemctl show --value -p MainPID,ActiveState nodevitals | tr "\n" " ")" = "$before active " ]'
check "it stops within its time, and cleanly" sh -c 'timeout 10 systemctl stop nodevitals && [ "$(systemctl show --value -p Result nodevitals)" = success ] && [ "$(systemctl show --value -p ExecMainStatus nodevitals)" = 0 ]'

# ---- the watchdog ---------------------------------------------------------------------------

mkdir -p /run/systemd/system/nodevitals.service.d
printf '[Service]\nWatchdogSec=2\nRestartSec=200ms\n' >/run/systemd/system/nodevitals.service.d/watchdog.conf
systemctl daemon-reload && systemctl start nodevitals
pid=$(show nodevitals MainPID)
sleep 5
check "it feeds its watchdog" [ "$(show nodevitals MainPID) $(show nodevitals ActiveState)" = "$pid active" ]
[ "${pid:-0}" -gt 1 ] && kill -STOP "$pid"
until_true 20 sh -c "[ \"\$(systemctl show --value -p NRestarts nodevitals)\" -ge 1 ]"
check "a frozen agent is killed by its watchdog and started anew" \
    sh -c 'journalctl -q -u nodevitals -o cat | grep -qi "watchdog timeout" && systemctl is-active nodevitals || { sleep 3; systemctl is-active nodevitals; }'
until_true 20 metrics
check "and answers again" metrics
systemctl stop nodevitals
rm -r /run/systemd/system/nodevitals.service.d

# ---- the socket -----------------------------------------------------------------------------

environment --web.systemd-socket
systemctl daemon-reload
check "the socket is there before the agent" sh -c 'systemctl start nodevitals.socket && ! systemctl is-active -q nodevitals.service'
check "the first scrape starts the agent and is answered" metrics
check "which is active then" systemctl is-active nodevitals.service
(for i in $(seq 30); do metrics >/dev/null || echo "status $?"; done) >/tmp/refused 2>&1 &
scraper=$!
sleep 0.2
systemctl restart nodevitals.service
wait $scraper
check "no connection is refused while it restarts" sh -c '! grep "status 7" /tmp/refused'
sed 's/^/        /' /tmp/refused
systemctl stop nodevitals.socket nodevitals.service

# ---- the journal ----------------------------------------------------------------------------

environment --log.level=debug --collector.logind
cursor=$(journalctl -q -n 1 -o export | sed -n 's/^__CURSOR=//p')
systemctl stop systemd-logind.service 2>/dev/null
systemctl mask --runtime -q systemd-logind.service
systemctl start nodevitals || journalctl -q -u nodevitals -o cat | tail -n 5
metrics >/dev/null
sleep 0.3
journalctl -q --after-cursor="$cursor" -u nodevitals -o json _COMM=nodevitals >/tmp/journal
fields() { grep -q "\"$1\" *: *\"$2\"" /tmp/journal || { head -n 5 /tmp/journal; return 1; }; }
check "its lines are in the journal" [ -s /tmp/journal ]
check "with a priority" fields PRIORITY '[0-7]'
check "with the place in the code" sh -c 'grep -q "\"CODE_FILE\"" /tmp/journal && grep -q "\"CODE_LINE\"" /tmp/journal'
check "a failure names its collector in a field of its own" fields NODEVITALS_COLLECTOR logind
check "and is an error to the journal" sh -c 'journalctl -q -u nodevitals -p err NODEVITALS_COLLECTOR=logind -o cat | grep -q .'
check "messages do not repeat what the fields say" sh -c '! journalctl -q -u nodevitals _COMM=nodevitals -o cat | grep -Eq "level=|time="'
journalctl -q -u nodevitals -p err NODEVITALS_COLLECTOR=logind -o cat | head -n 2 | sed 's/^/        /'
systemctl stop nodevitals

passed_all
