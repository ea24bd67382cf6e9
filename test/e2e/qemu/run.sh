#!/bin/sh
# Inside the machine: sets up one thing after another, looks at it through the kernel's own files, and leaves in /out what
# the agent and the peer said at the same time, for compare.py.
export LC_ALL=C HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LD_LIBRARY_PATH=/tmp/lib ASAN_OPTIONS=detect_leaks=0
failures=0 passed=0
cd /tmp || exit 1
mkdir lib && cp /out/lib/* lib/ && cp /out/nodevitals .

check() { # SENTENCE COMMAND...
    sentence=$1
    shift
    if "$@" >check.out 2>&1; then
        passed=$((passed + 1))
        echo "ok      $sentence"
    else
        failures=$((failures + 1))
        echo "FAILED  $sentence"
        head -n 12 check.out | sed 's/^/        /'
    fi
}
until_true() { # SECONDS COMMAND...
    tries=$(($1 * 5))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.2
    done
}
# has NAME LABELS VALUE, of the last pass; labels in the order of the text.
has() {
    line="$1${2:+"{$2}"} $3"
    grep -qxF -- "$line" pass || { echo "no $line"; grep -F -- "$1" pass | head -n 12; return 1; }
}
some() { grep -Eq -- "$1" pass || { echo "no line $1"; return 1; }; }
pass() { # COLLECTOR FLAGS...: alone
    name=$1
    shift
    ./nodevitals collect --collector.disable-defaults "--collector.$name" "$@" >pass 2>err || cat err
}
succeeded() { has node_scrape_collector_success "collector=\"$1\"" 1; }
set_up() { "$@" >setup.out 2>&1 || { echo "        cannot: $*"; head -n 5 setup.out | sed 's/^/        /'; }; }

# ---- setting up -----------------------------------------------------------------------------

uname -sr
mount -t tmpfs -o size=700m none /mnt
for i in 0 1 2 3 4 5 6; do truncate -s 40M /mnt/disk$i; done
truncate -s 320M /mnt/disk7
truncate -s 130M /mnt/disk8
modprobe loop
for i in 0 1 2 3 4 5 6 7 8; do losetup /dev/loop$i /mnt/disk$i; done

for module in raid1 raid456; do set_up modprobe $module; done
set_up mdadm --create /dev/md7 --run --level=1 --metadata=1.2 --raid-devices=2 /dev/loop0 /dev/loop1
set_up mdadm --create /dev/md8 --run --level=5 --raid-devices=3 --spare-devices=1 /dev/loop2 /dev/loop3 /dev/loop4 /dev/loop5
until_true 60 sh -c '! grep -Eq "resync|recovery" /proc/mdstat'
set_up mdadm /dev/md7 --fail /dev/loop1

set_up modprobe dm_multipath
set_up modprobe dm_round_robin
set_up dmsetup create paths --uuid mpath-test0 --table "0 81920 multipath 0 0 1 1 round-robin 0 1 1 /dev/loop6 1000"

set_up modprobe xfs
set_up mkfs.xfs -q /dev/loop7
mkdir -p /srv/xfs /srv/btrfs
set_up mount /dev/loop7 /srv/xfs
set_up modprobe btrfs
set_up mkfs.btrfs -q /dev/loop8
set_up mount /dev/loop8 /srv/btrfs
dd if=/dev/zero of=/srv/xfs/file bs=64k count=100 2>/dev/null

set_up modprobe i2c-dev
set_up modprobe i2c-stub chip_addr=0x48
set_up modprobe lm75
bus=$(grep -l 'SMBus stub' /sys/bus/i2c/devices/i2c-*/name | sed 's,.*/i2c-\([0-9]*\)/name,\1,')
set_up i2cset -y "$bus" 0x48 0 0x0019 w
echo lm75 0x48 >"/sys/bus/i2c/devices/i2c-$bus/new_device"

set_up modprobe dummy numdummies=2
set_up modprobe bonding
ip link show bond0 >/dev/null 2>&1 || set_up ip link add bond0 type bond
set_up ip link set dummy0 down
for i in 0 1; do set_up ip link set dummy$i master bond0; done
set_up ip link set bond0 up
set_up ip link set dummy1 down
set_up modprobe 8021q
set_up ip link add link bond0 name bond0.12 type vlan id 12

set_up modprobe ip_vs
set_up ipvsadm -A -t 127.0.0.9:80 -s rr
set_up ipvsadm -a -t 127.0.0.9:80 -r 127.0.0.1:9200 -m -w 3
set_up ipvsadm -A -f 7
curl -s --max-time 1 http://127.0.0.9/ >/dev/null

set_up modprobe mac80211_hwsim radios=2
for i in 0 1; do
    set_up iw dev wlan$i set type ibss
    set_up ip link set wlan$i up
    set_up iw dev wlan$i ibss join nodevitals 2412
done

set_up modprobe softdog soft_margin=45
set_up modprobe nf_conntrack
set_up modprobe nvme
set_up modprobe scsi_debug ptype=1
set_up modprobe st

echo '/srv/xfs 127.0.0.1(rw,no_root_squash,no_subtree_check,fsid=1)' >/etc/exports
set_up systemctl start nfs-server
mkdir -p /nfs3 /nfs4
set_up mount -t nfs -o vers=4.2 127.0.0.1:/srv/xfs /nfs4
set_up mount -t nfs -o vers=3,nolock 127.0.0.1:/srv/xfs /nfs3
for mount in /nfs3 /nfs4; do
    dd if=/dev/zero of=$mount/written bs=16k count=20 conv=fsync 2>/dev/null
    cat $mount/file >/dev/null
    ls -lR $mount >/dev/null
done
systemd-run -q --unit=limited -p MemoryMax=64M -p TasksMax=33 sleep 1000
sleep 3

# ---- the kernel's own files -----------------------------------------------------------------

pass watchdog
W=/sys/class/watchdog/watchdog0
check "watchdog: softdog and its attributes" succeeded watchdog
for attribute in nowayout bootstatus; do
    check "watchdog: $attribute" has node_watchdog_$attribute 'name="watchdog0"' "$(cat $W/$attribute)"
done
check "watchdog: timeout" has node_watchdog_timeout_seconds 'name="watchdog0"' "$(cat $W/timeout)"
check "watchdog: info" some "^node_watchdog_info\{identity=\"$(cat $W/identity)\",name=\"watchdog0\",options=\"\",pretimeout_governor=\"[a-z]*\",state=\"$(cat $W/state)\",status=\"$(cat $W/status)\"\} 1$"

pass dmmultipath
check "dmmultipath: the device is there" some '^node_dmmultipath_.*mpath|^node_dmmultipath_.*paths'
grep '^node_dmmultipath' pass | head -n 12 | sed 's/^/        /'

pass mdadm
check "mdadm: a failed disk" has node_md_disks 'device="md7",state="failed"' 1
check "mdadm: a spare" has node_md_disks 'device="md8",state="spare"' 1
check "mdadm: degraded as sysfs says" has node_md_degraded 'device="md7"' "$(cat /sys/block/md7/md/degraded)"
check "mdadm: disks as sysfs says" has node_md_raid_disks 'device="md8"' "$(cat /sys/block/md8/md/raid_disks)"

pass cgroups
awk '!/^#/ { print "node_cgroups_cgroups{subsys_name=\"" $1 "\"} " $3; print "node_cgroups_enabled{subsys_name=\"" $1 "\"} " $4 }' \
    /proc/cgroups | sort >expected
grep '^node_cgroups_' pass | sort >got
check "cgroups: those of /proc/cgroups" diff expected got
check "cgroups: version 2 has its controllers" grep -qw memory /sys/fs/cgroup/cgroup.controllers

pass pressure
check "pressure: cpu, memory and io" sh -c '[ "$(grep -c "^node_pressure_" pass)" -ge 5 ]'

pass systemd --collector.systemd.enable-task-metrics --collector.systemd.unit-include='limited.*'
check "systemd: a limit of tasks" has node_systemd_unit_tasks_max 'name="limited.service"' 33
check "systemd: its tasks, counted by the cgroup" has node_systemd_unit_tasks_current 'name="limited.service"' "$(cat /sys/fs/cgroup/system.slice/limited.service/pids.current)"

# Operation 38 of NFSv4 is WRITE; the number of operations comes first.
pass nfsd
check "nfsd: writes of version 4" has node_nfsd_requests_total 'method="Write",proto="4"' "$(awk '/^proc4ops/ { print $(3 + 38) }' /proc/net/rpc/nfsd)"
check "nfsd: writes of version 3" has node_nfsd_requests_total 'method="Write",proto="3"' "$(awk '/^proc3/ { print $(3 + 7) }' /proc/net/rpc/nfsd)"
pass nfs
check "nfs: writes of version 3" has node_nfs_requests_total 'method="Write",proto="3"' "$(awk '/^proc3/ { print $(3 + 7) }' /proc/net/rpc/nfs)"

pass hwmon
check "hwmon: the stub's 25 degrees" some '^node_hwmon_temp_celsius\{chip="[^"]*0048",sensor="temp1"\} 25$'

pass meminfo_numa
for node in 0 1; do
    total=$(awk '$3 == "MemTotal:" { print $4 * 1024 }' /sys/devices/system/node/node$node/meminfo)
    value=$(sed -n "s/^node_memory_numa_MemTotal{node=\"$node\"} //p" pass)
    check "meminfo_numa: memory of node $node" awk -v a="$total" -v b="$value" 'BEGIN { exit a != b + 0 }'
done

pass bonding
check "bonding: two slaves" has node_bonding_slaves 'master="bond0"' 2

pass pcidevice
check "pcidevice: every device" [ "$(grep -c '^node_pcidevice_info' pass)" -eq "$(ls /sys/bus/pci/devices | wc -l)" ]
for device in /sys/bus/pci/devices/*; do
    address=$(basename "$device")
    check "pcidevice: $address" some "^node_pcidevice_info\{bus=\"$(echo "$address" | cut -d: -f2)\",class_id=\"$(cat "$device/class")\",.*device_id=\"$(cat "$device/device")\",.*revision=\"$(cat "$device/revision")\",.*vendor_id=\"$(cat "$device/vendor")\"\} 1$"
done

# A pass may make the kernel load what it lacks (inet_diag), but only once: each time is a process.
printf '#!/bin/sh\necho "$*" >>/tmp/asked\nexec /sbin/modprobe "$@"\n' >asker && chmod 755 asker
echo /tmp/asker >/proc/sys/kernel/modprobe
./nodevitals collect --collector.ethtool --collector.qdisc --collector.wifi --collector.tcpstat >pass 2>err
: >asked
./nodevitals collect --collector.ethtool --collector.qdisc --collector.wifi --collector.tcpstat >pass 2>err
sleep 0.5
check "a second pass asks for no kernel module" sh -c '! grep . asked'
echo /sbin/modprobe >/proc/sys/kernel/modprobe

# ---- containers -----------------------------------------------------------------------------

# agrees FAMILY LABELS FILE [TIMES]: the value is the number in the file, or in that line of it whose key stands behind a ':'.
agrees() {
    key=${3#*:} file=${3%%:*}
    [ "$key" = "$3" ] && number=$(cat "$file") || number=$(awk -v key="$key" '$1 == key { print $2 }' "$file")
    value=$(grep -F -- "$1{" pass | grep -F -- "$2" | awk '{ print $NF }' | head -n 1)
    awk -v a="$value" -v b="$number" -v t="${4:-1}" 'BEGIN { d = a * t - b; exit !(a != "" && d * d <= 1) }' ||
        { echo "$1: ${value:-absent}, the file says $number"; return 1; }
}
# disks_agree FAMILY LABELS FIELD CGROUP: over all disks, as the field of its io.stat.
disks_agree() {
    sum=$(tr ' ' '\n' <"$4/io.stat" | awk -F= -v key="$3" '$1 == key { s += $2 } END { print s + 0 }')
    value=$(grep -F -- "$1{" pass | grep -F -- "$2" | awk '{ s += $NF } END { print s + 0 }')
    awk -v a="$value" -v b="$sum" 'BEGIN { exit !(a > 0 && a == b) }' || { echo "$1: $value, the file says $sum"; return 1; }
}
top=/sys/fs/cgroup
pods=$top/kubepods.slice
pod=$pods/kubepods-pod0a0a0a0a_0000_1111_2222_333344445555.slice
container=$pod/cri-containerd-$(printf 'a%.0s' $(seq 64)).scope
id="id=\"${container#"$top"}\""
echo "+cpu +memory +io +pids" >$top/cgroup.subtree_control
mkdir $pods && echo "+cpu +memory +io +pids" >$pods/cgroup.subtree_control
mkdir $pod && echo "+cpu +memory +io +pids" >$pod/cgroup.subtree_control
mkdir "$container"
echo 32M >"$container/memory.max"
echo 0 >"$container/memory.swap.max"
echo "30000 100000" >"$container/cpu.max"
sh -c "echo \$\$ >$container/cgroup.procs; i=0; while [ \$i -lt 20000 ]; do i=\$((i + 1)); done
    dd if=/dev/zero of=/var/tmp/written bs=64k count=32 conv=fsync 2>/dev/null; exec sleep 600" &
sleeper=$!
until_true 60 grep -q sleep /proc/$sleeper/comm
set_up systemd-run --unit=nv-limited -p MemoryMax=64M -p TasksMax=50 sleep 600
until_true 30 test -s $top/system.slice/nv-limited.service/cgroup.procs
# Named and placed as kubelet and containerd do it by systemd.
scope=cri-containerd-$(printf 'b%.0s' $(seq 64)).scope
slice=kubepods-besteffort-pod0b0b0b0b_0000_1111_2222_333344445555.slice
systemd-run -q --scope --unit="$scope" --slice=$slice -p MemoryMax=48M -p TasksMax=40 sleep 600 2>scope.log &
scoped=$pods/kubepods-besteffort.slice/$slice/$scope
until_true 30 grep -q . "$scoped/cgroup.procs"
# Goes on after the kill, so that its cgroup is there to be read.
set_up systemd-run --unit=nv-hungry -p MemoryMax=32M -p MemorySwapMax=0 -p OOMPolicy=continue \
    sh -c 'python3 -c "b = b\"x\" * (100 << 20)"; exec sleep 600'
hungry=$top/system.slice/nv-hungry.service
until_true 60 grep -q '^oom_kill [1-9]' $hungry/memory.events
until_true 60 sh -c "grep -q sleep /proc/\$(head -n 1 $hungry/cgroup.procs)/comm"
pass container
check "a container's CPU time is the kernel's" agrees container_cpu_usage_seconds_total "$id" "$container/cpu.stat:usage_usec" 1000000
check "so is its throttling" agrees container_cpu_cfs_throttled_seconds_total "$id" "$container/cpu.stat:throttled_usec" 1000000
check "so is its memory" agrees container_memory_usage_bytes "$id" "$container/memory.current"
check "and what of it is anonymous" agrees container_memory_rss "$id" "$container/memory.stat:anon"
check "and its peak" agrees container_memory_max_usage_bytes "$id" "$container/memory.peak"
check "and its limit" agrees container_spec_memory_limit_bytes "$id" "$container/memory.max"
check "and its tasks" agrees container_threads "$id" "$container/pids.current"
check "and what it wrote" disks_agree container_fs_writes_bytes_total "$id" wbytes "$container"
check "and how often" disks_agree container_fs_writes_total "$id" wios "$container"
check "a pod's memory is the kernel's" agrees container_memory_usage_bytes "id=\"${pod#"$top"}\"" "$pod/memory.current"
check "the limit of a scope that systemd made is the kernel's" agrees container_spec_memory_limit_bytes \
    "id=\"${scoped#"$top"}\"" "$scoped/memory.max"
check "its memory is the kernel's" agrees container_memory_usage_bytes "id=\"${scoped#"$top"}\"" "$scoped/memory.current"
check "so are its tasks" agrees container_threads "id=\"${scoped#"$top"}\"" "$scoped/pids.current"
check "and their limit" agrees container_threads_max "id=\"${scoped#"$top"}\"" "$scoped/pids.max"
check "an OOM kill in a unit is counted" agrees container_oom_events_total 'id="/system.slice/nv-hungry.service"' \
    $hungry/memory.events:oom_kill
check "a unit's limit is the kernel's" agrees container_spec_memory_limit_bytes 'id="/system.slice/nv-limited.service"' \
    $top/system.slice/nv-limited.service/memory.max
check "a unit's tasks are the kernel's" agrees container_threads 'id="/system.slice/nv-limited.service"' \
    $top/system.slice/nv-limited.service/pids.current
# The container dies of its memory and takes its counter along; nobody has read it in between.
./nodevitals --collector.disable-defaults --collector.container --no-storage.tsdb \
    --web.listen-address=unix:/tmp/containers 2>containers.log &
agent=$!
ask() { curl -s --unix-socket /tmp/containers http://x/metrics >pass; grep -q '^container_' pass; }
until_true 30 ask
kill $sleeper
sh -c "echo \$\$ >$container/cgroup.procs; exec python3 -c 'b = b\"x\" * (100 << 20)'"
until_true 30 rmdir "$container"
ask
check "an OOM kill nobody saw outlives the container" agrees container_oom_events_total "$id" $pod/memory.events:oom_kill
check "it is one" some "^container_oom_events_total.*cri-containerd-aaaa.* 1\$"
kill $agent

# ---- its own rules, hurried: the array that lost a disk, and a process that wants more memory than it may have ----

sed 's/interval: .*/interval: 1s/; s/for: .*/for: 1s/' /out/node.yml >/tmp/rules.yml
echo 'rule_files: [rules.yml]' >/tmp/config.yml
./nodevitals --web.listen-address=127.0.0.1:9101 --config.file=/tmp/config.yml --storage.tsdb.path=/tmp/history \
    --storage.tsdb.interval=1s >alerts.log 2>&1 &
agent=$!
fires() { curl -sS --max-time 10 http://127.0.0.1:9101/api/v1/alerts | tr '{' '\n' | grep "\"alertname\":\"$1\"" | grep -q "${2:-.}"; }
check "an array that lost a disk raises its alert" until_true 60 fires RaidDiskFailed '"device":"md7"'
check "and one that runs on fewer than it needs" until_true 60 fires RaidDegraded '"device":"md7"'
systemd-run -q --unit=wants -p MemoryHigh=16M -p MemorySwapMax=0 sh -c 'tail /dev/zero' 2>/dev/null
check "memory pressure raises its alert" until_true 120 fires MemoryPressure
systemctl stop wants.service 2>/dev/null
kill $agent && wait $agent 2>/dev/null

# ---- beside the peer ------------------------------------------------------------------------

flags=
for name in bonding buddyinfo cgroups drm ethtool interrupts ksmd lnstat meminfo_numa mountstats network_route nfs nfsd processes \
    qdisc slabinfo systemd tcpstat wifi zoneinfo; do
    prometheus-node-exporter --help 2>&1 | grep -q -- "--\[no-\]collector\.$name\|--collector\.$name " && flags="$flags --collector.$name"
done
flags="$flags --collector.systemd.enable-task-metrics --collector.systemd.enable-restarts-metrics --collector.systemd.enable-start-time-metrics"
# Of all units there are some hundred questions, which on a busy host take longer here than the five seconds of a pass.
flags="$flags --collector.systemd.unit-include=(limited|dbus|nfs-server|systemd-journald|systemd-logind|systemd-tmpfiles-clean).*"
# shellcheck disable=SC2086
prometheus-node-exporter --web.listen-address=127.0.0.1:9200 $flags >peer.log 2>&1 &
# shellcheck disable=SC2086
./nodevitals --web.listen-address=127.0.0.1:9100 $flags >ours.log 2>&1 &
ask() { curl -sS --max-time 60 "http://127.0.0.1:$1/metrics" >"$2"; }
until_true 60 ask 9200 /tmp/try
until_true 60 ask 9100 /tmp/try
ask 9200 /out/peer.0
for round in 1 2 3 4; do
    ask 9100 "/out/ours.$round"
    ask 9200 "/out/peer.$round"
done
grep -h 'level=error\|level=ERROR' peer.log ours.log | cut -c1-200 | sort -u | head -n 20 | sed 's/^/        /'

echo "$passed passed, $failures failed"
[ "$failures" -eq 0 ]
