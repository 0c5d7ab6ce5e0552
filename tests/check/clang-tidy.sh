# needs: clang-tidy=clang-tidy clang=clang
# The checks of .clang-tidy over every file of the program, one at a time.
set -eu
. "$SRCDIR/tests/check/lib.sh"
dir=$BUILDDIR/build-tidy
quiet configure_once "$dir" CC=clang --disable-tests
quiet make -s -C "$dir" -j"$JOBS" all
flags=$(make -s --no-print-directory -C "$dir" print-compile | sed 's/^[^ ]* //')
cd "$dir"
export flags
sources | xargs -P "$JOBS" -n 1 sh -c '
    eval "set -- \"\$1\" $flags"
    file=$1
    shift
    clang-tidy --quiet --warnings-as-errors="*" "$SRCDIR/$file" -- "$@" 2>tidy.err."$$" || {
        cat tidy.err."$$"
        rm -f tidy.err."$$"
        exit 1
    }
    rm -f tidy.err."$$"' sh
echo "$(sources | wc -l) files"
