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
if ! packages_install $build_packages zlib1g-dev libcmocka-dev nats-server nginx-light squid python3 openssl ca-certificates; then
    echo "0 passed, 1 failed"
    exit 1
fi

passed=0
failed=0
skipped=0
failures=

note() { # name, good?
    if [ "$2" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); failures="$failures $1"; fi
}

build_tree() { # directory, cmake options
    local dir=$1
    shift
    cmake -S "$root" -B "$dir" -G Ninja "$@" >"$dir.log" 2>&1 && ninja -C "$dir" -j "$jobs" >>"$dir.log" 2>&1 && return 0
    tail -n 40 "$dir.log"
    return 1
}

run_ctest() { # directory, title, ctest options
    local dir=$1 title=$2 log
    shift 2
    log=$dir/ctest.log
    echo "== $title"
    ctest --test-dir "$dir" --output-on-failure -j "$jobs" "$@" >"$log" 2>&1
    grep -E '^(The following tests FAILED|.*\*\*\*(Failed|Timeout|Exception))' "$log"
    local total bad
    total=$(sed -n 's/^.*tests passed, [0-9]* tests* failed out of \([0-9]*\)$/\1/p' "$log")
    bad=$(sed -n 's/^.*tests passed, \([0-9]*\) tests* failed out of .*$/\1/p' "$log")
    if [ -z "$total" ]; then
        tail -n 20 "$log"
        note "$title" 1
        return
    fi
    [ "$bad" = 0 ] || { sed -n '/^.*\*\*\*/,$p' "$log" | tail -n 60; failures="$failures $title"; }
    passed=$((passed + total - bad))
    failed=$((failed + bad))
    skipped=$((skipped + $(grep -c 'Skipped' "$log" || true)))
    echo "   $((total - bad)) of $total"
}

mkdir -p "$build"
echo "== building"
if ! build_tree "$build/plain" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DSIGNAL_WERROR=ON -DSIGNAL_FAULT_POINTS=ON; then
    echo "0 passed, 1 failed"
    exit 1
fi
run_ctest "$build/plain" "unit, integration and gates"

run_python() { # title, command...
    local title=$1 log
    shift
    log=$build/$(echo "$title" | tr -c 'A-Za-z0-9\n' '_').log
    echo "== $title"
    "$@" >"$log" 2>&1
    local rc=$? n=0 f=0
    n=$(sed -n 's/^.*: \([0-9]*\) passed, [0-9]* failed.*$/\1/p' "$log" | tail -n 1)
    f=$(sed -n 's/^.*: [0-9]* passed, \([0-9]*\) failed.*$/\1/p' "$log" | tail -n 1)
    if [ -z "$n" ]; then # a unittest program
        n=$(sed -n 's/^Ran \([0-9]*\) tests* in .*$/\1/p' "$log" | tail -n 1)
        f=0
        [ $rc = 0 ] || f=1
        [ -z "$n" ] && { n=0; f=1; }
        n=$((n - f))
    fi
    [ $rc = 0 ] || [ "$f" != 0 ] || f=1
    [ "$f" = 0 ] || { tail -n 40 "$log"; failures="$failures $title"; }
    passed=$((passed + n))
    failed=$((failed + f))
    echo "   $n passed, $f failed"
}

export SIGNAL_CLIENT_BINARY=$build/plain/signal-client
run_python "gates" tests/gates.sh
run_python "simulator" python3 tests/simulator/test_simulator.py
run_python "test library" python3 tests/lib/python/test_signaltest.py
[ $size = quick ] || run_python "fault kernel's own test" python3 tests/faults/test_kernel.py
run_python "docker files" python3 tests/integration/test_docker_files.py
run_python "demo" python3 tests/integration/test_demo.py
run_python "agent" python3 tests/integration/test_agent.py
run_python "metrics" python3 tests/integration/test_metrics.py
run_python "sealed credentials" python3 tests/integration/test_seal.py
for file in tests/symptoms/test_*.py; do
    run_python "symptoms: $(basename "$file" .py)" python3 "$file"
done
if [ $size = full ]; then
    run_python "faults (full)" python3 tests/faults/kernel.py --full --agent "$build/plain/signal-client"
else
    run_python "faults" python3 tests/faults/kernel.py --jobs 3 --agent "$build/plain/signal-client"
fi

if [ $size != quick ]; then
    echo "== building with sanitizers"
    if build_tree "$build/asan" -DCMAKE_BUILD_TYPE=Debug -DSIGNAL_ASAN=ON -DSIGNAL_FAULT_POINTS=ON; then
        export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 LSAN_OPTIONS=suppressions=$root/tests/lib/lsan.supp:print_suppressions=0
        run_ctest "$build/asan" "ASan and UBSan"
        unset ASAN_OPTIONS LSAN_OPTIONS
    else
        note "asan build" 1
    fi
    if build_tree "$build/tsan" -DCMAKE_BUILD_TYPE=Debug -DSIGNAL_TSAN=ON -DSIGNAL_FAULT_POINTS=ON; then
        export TSAN_OPTIONS=suppressions=$root/tests/lib/tsan.supp
        run_ctest "$build/tsan" "TSan" -LE single
        unset TSAN_OPTIONS
    else
        note "tsan build" 1
    fi
fi

[ -z "$failures" ] || echo "failed:$failures"
if [ "$skipped" -gt 0 ]; then
    echo "($skipped skipped: see the logs in $build)"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
