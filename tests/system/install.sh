# `make install` into a directory of its own, `make installcheck` there, and `make uninstall` leaves no file.
set -eu
# Beside the build: /tmp is hidden from commands as a whole.
dir=$(mktemp -d "$BUILDDIR/install.XXXXXX")
trap 'rm -rf "$dir"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR
cd "$BUILDDIR"

run() {
    make -s "$1" DESTDIR="$dir" >"$dir/log" 2>&1 || {
        cat "$dir/log"
        echo "make $1 failed"
        exit 1
    }
}
run install
run installcheck
cat "$dir/log"
run uninstall
rm "$dir/log"
left=$(find "$dir" -type f)
[ -z "$left" ] || {
    printf 'make uninstall leaves:\n%s\n' "$left"
    exit 1
}
