#!/bin/sh
# The first process of the engine's own network, mount and process namespaces. Mounts, links and firewall rules
# made from here on belong to these namespaces, and the kernel removes them when the last process ends.
# Arguments: the program to execute, with its arguments.
set -e
mount -t proc proc /proc
# A sysfs that shows this network namespace; the cgroup mounts below the old one are carried over.
cgroups=$(mktemp -d)
mount --rbind /sys/fs/cgroup "$cgroups"
mount -t sysfs sysfs /sys
mount --rbind "$cgroups" /sys/fs/cgroup
umount -l "$cgroups"
rmdir "$cgroups"
mount -t tmpfs tmpfs /run
ip link set lo up
exec "$@"
