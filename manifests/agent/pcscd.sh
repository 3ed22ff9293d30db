#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs pcscd in a container, where no udev tells it that a reader was plugged in or out: "run" notes which readers
# there are and starts it, "check" fails when they have changed, so that the kubelet starts it again with the new ones.
set -eu
sysfs=${SYSFS_ROOT:-/sys}
dev=${DEV_ROOT:-/dev}
state=${PCSCD_STATE:-/run/pcscd}

# One line for each USB interface of class 0b (smart card): a device that comes back has a new number. One that the container
# does not have is another pod's: its plugs are no reason to start this pcscd again.
readers() {
  for class in "$sysfs"/bus/usb/devices/*/bInterfaceClass; do
    [ -r "$class" ] || continue
    [ "$(cat "$class" 2>/dev/null)" = 0b ] || continue
    interface=${class%/bInterfaceClass}
    device=${interface%:*}
    bus=$(cat "$device/busnum" 2>/dev/null) && number=$(cat "$device/devnum" 2>/dev/null) || continue
    node=$(printf '%03d/%03d' "$bus" "$number")
    [ -e "$dev/bus/usb/$node" ] || continue
    echo "${interface##*/} $node"
  done
}

case ${1:-} in
  run)
    # What a killed pcscd left behind would keep the next one from starting.
    rm -f "$state/pcscd.pid" "$state/pcscd.comm"
    readers >"$state/readers"
    exec pcscd --foreground --error
    ;;
  check)
    [ -S "$state/pcscd.comm" ] || { echo "pcscd does not listen"; exit 1; }
    [ "$(readers)" = "$(cat "$state/readers")" ] || { echo "the readers have changed"; exit 1; }
    ;;
  *)
    echo "usage: pcscd.sh run | check" >&2
    exit 2
    ;;
esac
