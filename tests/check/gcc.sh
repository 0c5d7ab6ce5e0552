# needs: gcc=gcc
# All tests in a build by gcc as a distribution makes it, with -O2.
set -eu
. "$SRCDIR/tests/check/lib.sh"
suite "$BUILDDIR/build-gcc" CC=gcc CFLAGS='-g1 -O2' --enable-werror --enable-test-hooks
