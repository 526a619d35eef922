#!/usr/bin/env bash
# Installs what is needed (Debian packages), builds, runs every test, and ends with one line "N passed, N failed".
#   tests/run.sh            everything: release-like build with fault points, sanitizers, faults in their quick size
#   tests/run.sh --quick    one build, no sanitizers
#   tests/run.sh --full     the fault scenarios in the size of the promise (an hour)
set -u
cd "$(dirname "$0")/.." || exit 2
root=$PWD
size=normal
for arg in "$@"; do
    case $arg in
    --quick) size=quick ;;
    --full) size=full ;;
    *) echo "usage: tests/run.sh [--quick | --full]" >&2; exit 2 ;;
    esac
done
build=${SIGNAL_BUILD:-$root/build/test}
jobs=$(nproc)

# shellcheck source=docker/packages.sh
. docker/packages.sh
# shellcheck disable=SC2086
if ! packages_install $build_packages zlib1g-dev libcmocka-dev nats-server nginx-light squid faketime iproute2 util-linux python3 openssl ca-certificates; then
    echo "0 passed, 1 failed"
    exit 1
fi

mkdir -p "$build"
results=$build/results # one line a part: passed, failed, skipped, title
: >"$results"

note() { # title, passed, failed, skipped
    echo "$2 $3 ${4:-0} $1" >>"$results"
}

# A slip in this file is a failure, not a part that is silently left out.
command_not_found_handle() {
    note "$1: no such command" 0 1
    return 127
}

# What a part has to say is collected and said at once, so that lanes do not mix their lines.
part() { # title, function, its arguments...
    local title=$1 said began=$SECONDS
    shift
    local rc
    said=$("$@" 2>&1)
    rc=$?
    echo "== $title ($((SECONDS - began)) s)${said:+
$said}"
    return $rc
}

build_tree() { # directory, cmake options
    local dir=$1
    shift
    cmake -S "$root" -B "$dir" -G Ninja "$@" >"$dir.log" 2>&1 && ninja -C "$dir" -j "$jobs" >>"$dir.log" 2>&1 && return 0
    tail -n 40 "$dir.log"
    note "build of $(basename "$dir")" 0 1
    return 1
}

run_ctest() { # directory, title, ctest options
    local dir=$1 title=$2 log=$1/ctest.log total bad
    shift 2
    ctest --test-dir "$dir" --output-on-failure "$@" >"$log" 2>&1
    grep -E '^(The following tests FAILED|.*\*\*\*(Failed|Timeout|Exception))' "$log"
    total=$(sed -n 's/^.*tests passed, [0-9]* tests* failed out of \([0-9]*\)$/\1/p' "$log")
    bad=$(sed -n 's/^.*tests passed, \([0-9]*\) tests* failed out of .*$/\1/p' "$log")
    if [ -z "$total" ]; then
        tail -n 20 "$log"
        note "$title" 0 1
        return
    fi
    [ "$bad" = 0 ] || sed -n '/^.*\*\*\*/,$p' "$log" | tail -n 60
    note "$title" $((total - bad)) "$bad" "$(grep -c 'Skipped' "$log")"
    echo "   $((total - bad)) of $total"
}

run_program() { # title, command...
    local title=$1 log rc n f
    shift
    log=$build/$(echo "$title" | tr -c 'A-Za-z0-9\n' '_').log
    "$@" >"$log" 2>&1
    rc=$?
    n=$(sed -n 's/^.*: \([0-9]*\) passed, [0-9]* failed.*$/\1/p' "$log" | tail -n 1)
    f=$(sed -n 's/^.*: [0-9]* passed, \([0-9]*\) failed.*$/\1/p' "$log" | tail -n 1)
    if [ -z "$n" ]; then # a unittest program
        n=$(sed -n 's/^Ran \([0-9]*\) tests* in .*$/\1/p' "$log" | awk '{ n += $1 } END { if (NR) print n }') # one that runs itself again says it twice
        f=0
        [ $rc = 0 ] || f=1
        [ -z "$n" ] && { n=0; f=1; }
        n=$((n - f))
    fi
    [ $rc = 0 ] || [ "$f" != 0 ] || f=1
    [ "$f" = 0 ] || tail -n 40 "$log"
    grep -h ': left out: ' "$log"
    note "$title" "$n" "$f"
    echo "   $n passed, $f failed"
}

program() { # title, command...
    part "$1" run_program "$@"
}

# Lanes run side by side. Most tests wait most of the time, for a server to come back or a window to pass; builds and
# sanitizers only compute, and give way to those that look at clocks.
lane_faults() {
    if [ $size = full ]; then
        program "faults (full)" python3 tests/faults/kernel.py --full --agent "$SIGNAL_CLIENT_BINARY"
    else
        program "faults" python3 tests/faults/kernel.py --jobs 4 --agent "$SIGNAL_CLIENT_BINARY"
    fi
}

lane_programs() {
    program "gates" tests/gates.sh
    program "test library" python3 tests/lib/python/test_signaltest.py
    program "simulator" python3 tests/simulator/test_simulator.py
    program "docker files" python3 tests/integration/test_docker_files.py
    program "demo" python3 tests/integration/test_demo.py
    program "agent" python3 tests/integration/test_agent.py
    program "metrics" python3 tests/integration/test_metrics.py
    program "control subject" python3 tests/integration/test_control.py
    program "doctor" python3 tests/integration/test_doctor.py
    program "broken set-ups" python3 tests/integration/test_broken_setups.py
    program "checkpoints by hand, backfill" python3 tests/integration/test_backfill.py
    program "hostile writers" python3 tests/integration/test_hostile.py
    program "sealed credentials" python3 tests/integration/test_seal.py
    program "the log" python3 tests/integration/test_log.py
    program "secrets in no output" python3 tests/integration/test_secrets.py
    for file in tests/symptoms/test_*.py; do
        program "symptoms: $(basename "$file" .py)" python3 "$file"
    done
    [ $size = quick ] || program "fault kernel's own test" python3 tests/faults/test_kernel.py
}

lane_trees() {
    part "unit and integration" run_ctest "$build/plain" "unit and integration" -j $((2 * jobs))
    [ $size != quick ] || return 0
    renice -n 10 -p $BASHPID >/dev/null
    part "building with ASan and UBSan" build_tree "$build/asan" -DCMAKE_BUILD_TYPE=Debug -DSIGNAL_ASAN=ON -DSIGNAL_FAULT_POINTS=ON &&
        ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 LSAN_OPTIONS=suppressions=$root/tests/lib/lsan.supp:print_suppressions=0 \
            part "ASan and UBSan" run_ctest "$build/asan" "ASan and UBSan" -j "$jobs"
    part "building with TSan" build_tree "$build/tsan" -DCMAKE_BUILD_TYPE=Debug -DSIGNAL_TSAN=ON -DSIGNAL_FAULT_POINTS=ON &&
        TSAN_OPTIONS=suppressions=$root/tests/lib/tsan.supp part "TSan" run_ctest "$build/tsan" "TSan" -j "$jobs" -LE single
    return 0
}

part "building" build_tree "$build/plain" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSIGNAL_WERROR=ON -DSIGNAL_FAULT_POINTS=ON || {
    echo "0 passed, 1 failed"
    exit 1
}
export SIGNAL_CLIENT_BINARY=$build/plain/signal-client

# Each lane is a process group of its own, so that an interrupted run leaves nothing behind.
lanes=
trap 'for lane in $lanes; do kill -TERM -- "-$lane"; done; wait; echo "interrupted"; exit 130' INT TERM HUP
set -m
for lane in faults programs trees; do
    { set +m; "lane_$lane"; } </dev/null &
    lanes="$lanes $!"
done
set +m
for lane in $lanes; do
    wait "$lane" || note "a lane that broke off with status $?" 0 1
done

awk '{ passed += $1; failed += $2; skipped += $3 }
    $2 { $1 = $2 = $3 = ""; print "failed:", substr($0, 4) }
    END { if (skipped) print "(" skipped " skipped: see the logs)"; print passed + 0 " passed, " failed + 0 " failed"; exit failed > 0 }' "$results"
