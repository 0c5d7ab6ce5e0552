# needs: gcc=gcc
# All tests under the thread sanitizer.
set -eu
. "$SRCDIR/tests/check/lib.sh"
if make -s -C "$BUILDDIR" -j"$JOBS" check-tsan >"$BUILDDIR/check-all/tsan.make" 2>&1; then
    "$SRCDIR/tests/summary" "$BUILDDIR/build-tsan"
else
    tail -n 20 "$BUILDDIR/check-all/tsan.make"
    "$SRCDIR/tests/summary" --failed 'make check-tsan' "$BUILDDIR/build-tsan"
fi
