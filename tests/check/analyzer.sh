# needs: gcc=gcc
# Every file of the program through gcc's own analyzer. It does not see that an item leaves an intrusive list before
# it is freed, and takes the next look at the list for a use of it: that is left to the sanitizers and memcheck.
set -eu
. "$SRCDIR/tests/check/lib.sh"
dir=$BUILDDIR/build-analyzer
quiet configure_once "$dir" CC=gcc CFLAGS='-g1 -O1 -fanalyzer -Wno-analyzer-use-after-free' --disable-tests --enable-werror
quiet make -s -k -C "$dir" -j"$JOBS" all
echo "$(sources | wc -l) files"
