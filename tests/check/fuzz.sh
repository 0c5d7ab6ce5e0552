# needs: clang=clang
# Every fuzz target under libFuzzer for FUZZ_SECONDS (60), from its corpus and dictionary, with the address and
# undefined behaviour sanitizers. What makes one fail is left in the build's directory crashes/.
set -eu
. "$SRCDIR/tests/check/lib.sh"
configure_once "$BUILDDIR/build-fuzz" CC=clang CFLAGS='-g1 -O1' --enable-fuzzer --enable-werror --enable-test-hooks ||
    die "clang cannot link with libFuzzer (package libclang-rt-VERSION-dev, where VERSION is clang's)"
cd "$BUILDDIR/build-fuzz"
quiet make -s -j"$JOBS" all
mkdir -p crashes
ASAN_OPTIONS=detect_stack_use_after_return=1
LSAN_OPTIONS=suppressions=$SRCDIR/tests/lsan.supp:print_suppressions=0
UBSAN_OPTIONS=print_stacktrace=1
export SRCDIR ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS
failed=
for source in "$SRCDIR"/tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    short=${name#fuzz_}
    quiet make -s "tests/fuzz/$name"
    found=$(mktemp -d)
    if tests/fuzz/"$name" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -dict="$SRCDIR/tests/fuzz/dict/$short" -artifact_prefix="crashes/$name-" "$found" \
        "$SRCDIR/tests/fuzz/corpus/$short" >"crashes/$name.log" 2>&1; then
        echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "crashes/$name.log") inputs"
    else
        tail -n 60 "crashes/$name.log"
        failed="$failed $name"
    fi
    rm -rf "$found"
done
[ -z "$failed" ] || die "failed:$failed (their inputs are in $BUILDDIR/build-fuzz/crashes)"
