# needs: gcc=gcc
# All tests with poll(2) under the loop in place of epoll.
set -eu
. "$SRCDIR/tests/check/lib.sh"
suite "$BUILDDIR/build-poll" CC=gcc CFLAGS='-g1 -O1' --enable-poll-backend --enable-werror --enable-test-hooks
