# needs: mandoc=mandoc man=man-db groff=groff-base zsh=zsh fish=fish
# A release: made, unpacked, built outside of its read-only tree, tested, installed, and removed without a trace.
set -eu
. "$SRCDIR/tests/check/lib.sh"
quiet make -s -C "$BUILDDIR" -j"$JOBS" distcheck
for test in manual completions; do
    quiet make -s -C "$BUILDDIR" check TESTS="tests/system/$test.sh"
done
ls "$BUILDDIR"/spacebot-*.tar.gz
