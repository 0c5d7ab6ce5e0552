# The manual page and the program name the same verbs and options: neither promises what the other lacks.
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/sbmanual.XXXXXX")
trap 'rm -rf "$dir"' EXIT
SPACEBOT_DIR=$dir/home
export SPACEBOT_DIR

# Verbs stand in --help as "  exec     one message, …".
"$SPACEBOT" --help >"$dir/help"
verbs=$(sed -n 's/^  \([a-z][a-z]*\)  *[a-z].*/\1/p' "$dir/help")
[ "$(printf '%s\n' "$verbs" | wc -l)" -ge 5 ] || {
    echo 'no verbs were found in --help:'
    cat "$dir/help"
    exit 1
}

# "verb" and "verb --option", a line each, as the program has them.
for verb in $verbs; do
    echo "$verb"
    "$SPACEBOT" "$verb" --help | sed -n "s/^  --\([a-z][a-z-]*\).*/$verb --\1/p"
done | sort >"$dir/program"

# The same from the manual's synopsis: macros and escapes off, an entry for each "spacebot VERB".
sed -n '/^\.SH SYNOPSIS/,/^\.SH DESCRIPTION/p' "$SRCDIR/man/spacebot.1" |
    sed '/^\.br/d; s/^\.[A-Z]* *//; s/\\-/-/g' | tr -s ' []|' '\n' |
    awk '
        $0 == "spacebot" { fresh = 1; next }
        fresh && /^[a-z]+$/ { verb = $0; print verb; fresh = 0; next }
        /^--/ && verb { print verb " " $0 }' | sort >"$dir/manual"

diff -u "$dir/manual" "$dir/program" || {
    echo 'the manual page (-) and the program (+) differ'
    exit 1
}
for verb in $verbs; do
    grep -qx "\.B $verb" "$SRCDIR/man/spacebot.1" || {
        echo "the manual page does not describe $verb"
        exit 1
    }
done
"$SPACEBOT" --version | grep -qF "$(sed -n 's/^\.TH .*"spacebot \([^"]*\)".*/\1/p' "$SRCDIR/man/spacebot.1")" || {
    echo 'the manual page is of another version'
    exit 1
}
