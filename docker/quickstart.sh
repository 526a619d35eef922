#!/usr/bin/env bash
# From a bare Debian 12 to the running demonstration: installs what is missing, builds, runs `signal-client demo`.
#   docker/quickstart.sh [ARGUMENTS OF demo]        docker/quickstart.sh --for 20s
# Asks nothing. A second run installs nothing and builds only what changed. SIGNAL_QUICKSTART=DIR: build there.
set -u
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
# shellcheck source=docker/packages.sh
. "$root/docker/packages.sh"

fail() {
    echo "quickstart: $*" >&2
    exit 1
}

# Of build/quickstart and the user's cache the first that this user may write.
build_dir() {
    local dir
    for dir in "${SIGNAL_QUICKSTART:-$root/build/quickstart}" "${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/signal-client/quickstart"; do
        if mkdir -p "$dir" 2>/dev/null && [ -w "$dir" ] && { [ ! -e "$dir/build.ninja" ] || [ -w "$dir/build.ninja" ]; }; then
            echo "$dir"
            return
        fi
    done
}

# A build tree of another checkout, or one that broke off, is begun anew.
configured() { # directory
    [ -e "$1/build.ninja" ] && grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$1/CMakeCache.txt" 2>/dev/null
}

build() { # directory
    local log=$1/quickstart.log
    if ! configured "$1"; then
        echo "== building in $1"
        cmake --fresh -S "$root" -B "$1" -G Ninja -DCMAKE_BUILD_TYPE=Release -DSIGNAL_TESTS=OFF >"$log" 2>&1 || { tail -n 20 "$log" >&2; return 1; }
    fi
    ninja -C "$1" -j "$(nproc)" >"$log" 2>&1 && return 0
    grep -A 10 -E '^FAILED|error' "$log" | head -n 40 >&2
    return 1
}

# shellcheck disable=SC2086
packages_install $build_packages nats-server python3 ca-certificates || exit 1
dir=$(build_dir)
[ -n "$dir" ] || fail "neither $root/build nor the cache directory can be written; set SIGNAL_QUICKSTART=DIR"
build "$dir" || fail "the build failed; all of its output: $dir/quickstart.log"
exec "$dir/signal-client" demo "$@"
