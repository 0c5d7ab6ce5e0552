# needs: valgrind=valgrind gcc=gcc
# Unit tests under memcheck: what the sanitizers do not see is the use of values that nobody has set.
set -eu
. "$SRCDIR/tests/check/lib.sh"
dir=$BUILDDIR/build-valgrind
# Without checked calls and without AVX tricks of the optimiser: reports that can be read.
quiet configure_once "$dir" CC=gcc CFLAGS='-g -O1' --enable-werror --enable-test-hooks
quiet make -s -C "$dir" -j"$JOBS" all
quiet make -s -C "$dir" -j"$JOBS" check TESTS=
find "$dir" -name '*.trs' -exec rm -f {} +
memcheck="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
--errors-for-leak-kinds=definite --child-silent-after-fork=yes --num-callers=25 \
--suppressions=$SRCDIR/tests/valgrind.supp"
if make -s -C "$dir" -j"$JOBS" check TESTS='$(VALGRIND_TESTS)' LOG_COMPILER="timeout -k 10 900 $memcheck" \
    >"$dir/check.log" 2>&1; then
    "$SRCDIR/tests/summary" "$dir"
else
    "$SRCDIR/tests/summary" --failed 'memcheck' "$dir"
fi
