# needs: gcc=gcc clang=clang
# Full counts, for a night: LONG_SCHEDULES (20000) random schedules of the property test, and every fuzz target for
# LONG_SECONDS (1800).
set -eu
. "$SRCDIR/tests/check/lib.sh"
dir=$BUILDDIR/build-gcc
quiet configure_once "$dir" CC=gcc CFLAGS='-g1 -O2' --enable-werror --enable-test-hooks
quiet make -s -C "$dir" -j"$JOBS" all
quiet make -s -C "$dir" -j"$JOBS" check TESTS=
SPACEBOT_SCHEDULES=${LONG_SCHEDULES:-20000}
export SPACEBOT_SCHEDULES
quiet make -s -C "$dir" check TESTS=tests/property/test_schedules TEST_SECONDS=36000
FUZZ_SECONDS=${LONG_SECONDS:-1800}
export FUZZ_SECONDS
sh "$SRCDIR/tests/check/fuzz.sh"
echo "$SPACEBOT_SCHEDULES schedules, $FUZZ_SECONDS s for each fuzz target"
