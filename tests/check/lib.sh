# What the steps of check-all share; read by each. SRCDIR, BUILDDIR and JOBS come from tests/check/run.

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# quiet COMMAND...: says nothing unless it fails.
quiet() {
    out=$(mktemp)
    if "$@" >"$out" 2>&1; then
        rm -f "$out"
    else
        cat "$out"
        rm -f "$out"
        die "this failed: $*"
    fi
}

# configure_once DIRECTORY OPTION...: again only when the options or configure have changed.
configure_once() {
    dir=$1
    shift
    mkdir -p "$dir"
    if [ -f "$dir/Makefile" ] && [ "$(cat "$dir/.options" 2>/dev/null)" = "$*" ]; then
        return 0
    fi
    rm -f "$dir/.options"
    (cd "$dir" && "$SRCDIR/configure" -q "$@") && printf '%s\n' "$*" >"$dir/.options"
}

# suite DIRECTORY OPTION...: a build of its own, with all tests.
suite() {
    quiet configure_once "$@"
    quiet make -s -C "$1" -j"$JOBS" all
    quiet make -s -C "$1" -j"$JOBS" check TESTS=
    find "$1" -name '*.trs' -exec rm -f {} +
    if make -s -C "$1" -j"$JOBS" check >"$1/check.log" 2>&1; then
        "$SRCDIR/tests/summary" "$1"
    else
        "$SRCDIR/tests/summary" --failed 'make check' "$1"
    fi
}

# Our own C files, and how they are compiled: for tools that want to see them one by one.
sources() { (cd "$SRCDIR" && find src ui -name '*.c' | sort); }
