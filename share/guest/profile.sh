# Logins get the Venus profile that the machine was started with.
if [ -r /run/pearvisor/environment ]; then
    set -a
    . /run/pearvisor/environment
    set +a
fi
