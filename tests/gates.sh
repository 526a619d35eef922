#!/usr/bin/env bash
# Gates over the tree itself: functions that C should not use, includes that reach around the layers, words that promise later work, links
# that lead nowhere.
# Ends with "gates: N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 2
passed=0
failed=0
gate() { # title, offending lines
    if [ -z "$2" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'gate failed: %s\n%s\n' "$1" "$(printf '%s\n' "$2" | head -n 20)"
    fi
}
code="agent connectors include"
gate "banned functions" "$(grep -rnE '\b(strcpy|strcat|sprintf|vsprintf|strtok|gets|atoi|atol|system|gmtime|localtime|alloca)\(' $code --include='*.c' --include='*.h')"
gate "includes with ../" "$(grep -rnE '#include +"\.\./' $code tests --include='*.c' --include='*.h')"
gate "a connector sees include/ and its engine alone" "$(grep -rnE '#include +"(base|config|decode|auth|http|nats|poll|self|plugin|operate|admin|cli)/' connectors include)"
gate "base knows nothing above it" "$(grep -rnE '#include +"(config|decode|auth|http|nats|poll|self|plugin|operate|admin|cli)/' agent/base)"
gate "exit outside main and the fault points" "$(grep -rnE '\b(exit|_exit|abort)\(' agent connectors --include='*.c' | grep -vE 'agent/main.c|agent/base/fault.c|agent/(base/hash|poll/identity).c|assert_owner')"
gate "promises of later work" "$(grep -rnE 'TODO|FIXME|\bXXX\b|HACK' $code tests docs README.md --include='*.c' --include='*.h' --include='*.py' --include='*.md')"
gate "files over 800 lines" "$(find $code tests \( -name '*.c' -o -name '*.h' -o -name '*.py' \) -exec wc -l {} + | awk '$1 > 800 && $2 != "total"')"
gate "sleeps in tests" "$(grep -rnE '\b(usleep|nanosleep|sleep)\(' tests --include='*.c' --include='*.py' | grep -vE 'tests/simulator/')"
gate "links of README.md and of the pages" "$(python3 tests/links.py 2>&1 || echo "tests/links.py ended with $?")"
echo "gates: $passed passed, $failed failed"
[ "$failed" = 0 ]
