# needs: gcc=gcc clang=clang
# Full counts, for a night: LONG_SCHEDULES (20000) random schedules of the property test, a thousand workers
# at once, and every fuzz target for LONG_SECONDS (1800).
set -eu
. "$SRCDIR/tests/check/lib.sh"
dir=$BUILDDIR/build-gcc
quiet configure_once "$dir" CC=gcc CFLAGS='-g1 -O2' --enable-werror --enable-test-hooks
quiet make -s -C "$dir" -j"$JOBS" all
quiet make -s -C "$dir" -j"$JOBS" check TESTS=
SPACEBOT_SCHEDULES=${LONG_SCHEDULES:-20000}
export SPACEBOT_SCHEDULES
quiet make -s -C "$dir" check TESTS=tests/property/test_schedules TEST_SECONDS=36000
SPACEBOT_TEST_LONG=1
export SPACEBOT_TEST_LONG
quiet make -s -C "$dir" check TESTS=tests/system/test_thousand TEST_SECONDS=1200
FUZZ_SECONDS=${LONG_SECONDS:-1800}
export FUZZ_SECONDS
sh "$SRCDIR/tests/check/fuzz.sh"
echo "$SPACEBOT_SCHEDULES schedules, $FUZZ_SECONDS s for each fuzz target"
