#!/bin/sh
# build.sh FOLDER: makes FOLDER/{vmlinuz,initrd.gz,root.img}: Debian's own kernel and a Debian with the peer and the tools
# of the scenarios. Two minutes, 150 MB of download, 2 GB on disk. Needs root, debootstrap, busybox-static, cpio, kmod.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
mkdir -p "$folder"
folder=$(realpath "$folder")
tree=$(sh "$here/../nspawn/tree.sh")
work=$(mktemp -d "$folder/build-XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"

packages="prometheus-node-exporter mdadm nfs-kernel-server nfs-common ipvsadm iproute2 kmod dmsetup iw i2c-tools xfsprogs
btrfs-progs"
image=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-/ { print $2 }')
version=${image#linux-image-}
apt-get download "$image" >/dev/null 2>&1
dpkg -x linux-image-*.deb kernel
depmod -b kernel "$version"

cp -a "$tree" root
mkdir -p root/out root/lib/modules
cp -a "kernel/lib/modules/$version" root/lib/modules/
cp /etc/resolv.conf root/etc/
printf '#!/bin/sh\nexit 101\n' >root/usr/sbin/policy-rc.d
chmod 755 root/usr/sbin/policy-rc.d
unshare -m --propagation private sh -eu -c '
mount -t proc proc root/proc
DEBIAN_FRONTEND=noninteractive chroot root sh -eu -c "
apt-get -q update
apt-get install -yq --no-install-recommends $*
systemctl disable nfs-server rpcbind.service rpcbind.socket prometheus-node-exporter || :
apt-get clean"
' sh $packages >"$folder/packages.log" 2>&1
rm root/usr/sbin/policy-rc.d
# Nobody logs in, and without udev nothing would ever find the devices these wait for.
for unit in serial-getty@ttyS0 getty@tty1 systemd-udevd systemd-udev-trigger mdmonitor; do
    ln -sf /dev/null "root/etc/systemd/system/$unit.service"
done
cat >root/etc/systemd/system/e2e.service <<'E'
[Unit]
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/bin/sh -c '/out/run.sh >/out/log 2>&1; echo $$? >/out/status; sync'
E
ln -sf ../e2e.service root/etc/systemd/system/multi-user.target.wants/

mkdir -p initrd/bin initrd/modules initrd/root initrd/proc initrd/sys initrd/dev
cp /bin/busybox initrd/bin/
number=100
for module in virtio_pci virtio_blk ext4 crc32c_generic 9p 9pnet_virtio; do
    modprobe -d "$work/kernel" -S "$version" --show-depends "$module" 2>/dev/null
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r file; do
    number=$((number + 1))
    cp "$file" "initrd/modules/$number-${file##*/}"
done
cat >initrd/init <<'E'
#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
for module in /modules/*; do $B insmod "$module" 2>/dev/null; done
$B mount -t ext4 /dev/vda /root
$B mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 out /root/out
$B umount /proc /sys
$B mount --move /dev /root/dev
exec $B switch_root /root /sbin/init
E
chmod 755 initrd/init
(cd initrd && find . | cpio -o -H newc 2>/dev/null | gzip -1) >initrd.gz
truncate -s 2G root.img
mkfs.ext4 -q -F -d root root.img
cp "kernel/boot/vmlinuz-$version" vmlinuz
mv vmlinuz initrd.gz root.img "$folder/"
