#!/bin/sh
# What `make vm-demo` runs inside of its guest; /share is the host's folder. Each step leaves a file
# there, and its first failure is the last line of this script's output.
set -u
folder=/share/$1
seconds() { cut -d ' ' -f 1 /proc/uptime; }
step() { echo "guest: $1 ($(seconds) s after the kernel's start)"; }
fail() { echo "guest: $1" >&2; exit 1; }

# The Vulkan that is to be shown, whatever other drivers the guest has.
export VK_LOADER_DRIVERS_SELECT='*virtio*'
tuned=${VN_PERF:-}

step "the kernel's driver"
lsmod | grep virtio_gpu >"$folder/lsmod.txt" || fail "virtio_gpu is not loaded"

step "vulkaninfo --summary"
vulkaninfo --summary >"$folder/vulkaninfo.txt" 2>&1 || fail "vulkaninfo failed"
grep -q 'deviceName.*Virtio-GPU Venus' "$folder/vulkaninfo.txt" || fail "no Virtio-GPU Venus"

for profile in stock tuned; do
    [ $profile = tuned ] && VN_PERF=$tuned || VN_PERF=
    export VN_PERF
    step "the demo's scene ($profile profile)"
    pearvisor demo-client --frames "$2" --png "$folder/$profile.png" \
        --json "$folder/$profile.json" || fail "the scene could not be drawn"
    : >"$folder/bench-$profile.txt"
    for measurement in latency submit frame; do
        step "vulkan_bench $measurement ($profile profile)"
        /share/vulkan_bench $measurement --ms "$3" >>"$folder/bench-$profile.txt" ||
            fail "vulkan_bench $measurement failed"
    done
done

# Start-up costs more than many frames: the difference of two runs is frames alone.
step "vkcube"
Xvfb :1 -screen 0 800x600x24 >"$folder/xvfb.txt" 2>&1 &
server=$!
export DISPLAY=:1
turns=100
until [ -S /tmp/.X11-unix/X1 ]; do
    [ $((turns -= 1)) -gt 0 ] || fail "Xvfb does not start"
    sleep 0.2
done
for frames in "$4" "$5"; do
    begin=$(seconds)
    vkcube --present_mode 0 --c "$frames" >"$folder/vkcube.txt" 2>&1 || fail "vkcube failed"
    echo "$frames $begin $(seconds)" >>"$folder/vkcube-frames.txt"
done
kill "$server"
step "done"
