# needs: clang=clang
# All tests in a build by clang.
set -eu
. "$SRCDIR/tests/check/lib.sh"
suite "$BUILDDIR/build-clang" CC=clang CFLAGS='-g1 -O2' --enable-werror --enable-test-hooks
