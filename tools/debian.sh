# Packages of another Debian release, unpacked into a folder of ours: nothing is installed on this
# machine, and no root is needed where mmdebstrap needs none. To be sourced, with say() defined.
# shellcheck shell=bash

# debian_sources SUITE: the machine's own mirror and key, with another suite.
debian_sources() {
    local codename mirrors
    # shellcheck disable=SC1091 # names this system
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # the variables are apt's
    mirrors=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "Debian" { printf "%s ", $2 }')
    tools/apt-source "$1" "$codename" "$mirrors" | sed 1d
}

# unpack_debian SUITE FOLDER "PACKAGE..." MMDEBSTRAP-OPTION... <<<SOURCES
#
# FOLDER appears whole or not at all. FOLDER.log has the whole story, and say() is told now and then
# how far it is. The machine's settings for apt count. On failure, standard error says why.
unpack_debian() {
    # Names that no script has made readonly: "local" fails for those.
    local of=$1 into=$2 wanted=$3 since=$SECONDS child settings
    shift 3
    settings=$(apt-config dump | grep '^Acquire::') || true
    rm -rf "$into.new"
    mkdir -p "$into.new"
    # As a tar file, since without root mmdebstrap is somebody else, who may not enter this folder.
    # Left out here rather than by dpkg's path-exclude: for that, mmdebstrap sends every package
    # through a filter in Python. In a process group of its own (set -m), which is ended as a whole:
    # what an interrupt ends here does not end what runs in the background.
    set -m
    {
        mmdebstrap --format=tar --aptopt="$settings" "$@" \
            --include="${wanted// /,}" "$of" - - |
            tar -C "$into.new" --no-same-owner --exclude='./dev/*' --exclude='./usr/share/doc/*' \
                --exclude='./usr/share/locale/*' --exclude='./var/cache/apt/archives/*' -xf -
    } >"$into.log" 2>&1 <&0 &
    child=$!
    set +m
    # shellcheck disable=SC2064 # of this child
    trap "kill -- -$child 2>/dev/null || true
        wait $child || true
        rm -rf '$into.new'
        exit 130" INT TERM HUP
    while kill -0 $child 2>/dev/null; do
        sleep 1
        (((SECONDS - since) % 10)) ||
            say "  $((SECONDS - since)) s: $(grep '^I:' "$into.log" | tail -n 1)"
    done
    wait $child || {
        trap - INT TERM HUP
        rm -rf "$into.new"
        grep '^E:' "$into.log" >&2 || tail -n 5 "$into.log" >&2
        return 1
    }
    trap - INT TERM HUP
    rm -rf "$into"
    mv "$into.new" "$into"
}
