# needs: gcc=gcc
# All tests under the address, leak and undefined behaviour sanitizers.
set -eu
. "$SRCDIR/tests/check/lib.sh"
if make -s -C "$BUILDDIR" -j"$JOBS" check-asan >"$BUILDDIR/check-all/asan.make" 2>&1; then
    "$SRCDIR/tests/summary" "$BUILDDIR/build-asan"
else
    tail -n 20 "$BUILDDIR/check-all/asan.make"
    "$SRCDIR/tests/summary" --failed 'make check-asan' "$BUILDDIR/build-asan"
fi
