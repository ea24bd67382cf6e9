#!/bin/sh
# boot.sh FOLDER OUT: boots what build.sh made, without KVM, runs OUT/run.sh in it and ends with that script's status. OUT
# is /out inside; the disk stays as it was. Two NUMA nodes, an NVMe disk.
set -eu
folder=$1 out=$(realpath "$2")
rm -f "$out/status"
truncate -s 64M "$out/nvme.img"
timeout 400 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 2048 \
    -object memory-backend-ram,id=m0,size=1024M -object memory-backend-ram,id=m1,size=1024M \
    -numa node,memdev=m0,cpus=0 -numa node,memdev=m1,cpus=1 \
    -kernel "$folder/vmlinuz" -initrd "$folder/initrd.gz" \
    -append "console=ttyS0 quiet rw panic=-1 mitigations=off psi=1 schedstats=enable systemd.show_status=0" \
    -drive file="$folder/root.img",if=virtio,format=raw,snapshot=on \
    -drive file="$out/nvme.img",if=none,id=nvme,format=raw -device nvme,drive=nvme,serial=nv-test-1 \
    -virtfs local,path="$out",mount_tag=out,security_model=none \
    -nographic -no-reboot -nic none </dev/null >"$out/console" 2>&1 || :
rm -f "$out/nvme.img"
exit "$(cat "$out/status" 2>/dev/null || echo 99)"
