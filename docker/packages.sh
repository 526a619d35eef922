# Installs Debian packages that are missing, without a question and without starting a service. Sourced by tests/run.sh and
# docker/quickstart.sh.
# shellcheck shell=bash

# What a build needs; each caller adds its own.
# shellcheck disable=SC2034
build_packages="build-essential cmake ninja-build pkg-config libcurl4-openssl-dev libssl-dev libnats-dev libjansson-dev \
libconfig-dev libexpat1-dev libldns-dev libxxhash-dev libmicrohttpd-dev zlib1g-dev"

# Those of the given packages that are not installed, in one line.
packages_missing() {
    local have p missing=
    have=$(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | sed -n 's/^.i //p')
    for p in "$@"; do
        grep -qxF "$p" <<<"$have" || missing="$missing $p"
    done
    echo "${missing# }"
}

# The servers among the packages must not be started as services: who installs them starts them on ports of its own. apt asks
# the policy file about each start. This is a shell of its own, so that the file is gone again whatever ends it.
packages_apt() ( # missing packages...
    policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
    options=(-qq -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold)
    if [ ! -e "$policy" ]; then
        trap '"${as_root[@]}" rm -f "$policy"' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null && "${as_root[@]}" chmod 755 "$policy" || exit 1
    fi
    # A list that cannot be fetched matters only where a package is then not found.
    "${as_root[@]}" apt-get "${options[@]}" update || echo "(apt-get update failed; going on with the lists that are here)" >&2
    "${as_root[@]}" apt-get "${options[@]}" install -y --no-install-recommends "$@" >/dev/null
)

# 0: all are there now. Else it has said why, and what to do.
packages_install() { # package...
    local missing as_root=(env DEBIAN_FRONTEND=noninteractive)
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "this machine has no apt-get: on anything but Debian, install what the README names by hand" >&2
        return 1
    fi
    missing=$(packages_missing "$@")
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo -n "${as_root[@]}")
        if ! sudo -n true 2>/dev/null; then
            echo "installing packages needs root, or sudo without a password; run this once, then start again:" >&2
            echo "    sudo apt-get install --no-install-recommends $missing" >&2
            return 1
        fi
    fi
    echo "== installing: $missing"
    # shellcheck disable=SC2086
    packages_apt $missing </dev/null && missing=$(packages_missing "$@") && [ -z "$missing" ] && return 0
    echo "apt-get could not install: $missing" >&2
    return 1
}
