# The manual page and the program name the same verbs and options: neither promises what the other lacks; all
# pages are of its version and well-formed.
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

# All pages are of this version, name no page that is not there, and read without a complaint.
version=$("$SPACEBOT" --version)
for page in "$SRCDIR"/man/*.[1-9]; do
    of=$(sed -n 's/^\.TH .*"\(spacebot [^"]*\)".*/\1/p' "$page")
    [ "$of" = "$version" ] || {
        echo "$page is of \"$of\", the program is $version"
        exit 1
    }
    sed -n 's/^\.BR \(spacebot[^ ]*\) (\([0-9]\)).*/\1.\2/p' "$page" | sed 's/\\-/-/g' | while read -r other; do
        [ -f "$SRCDIR/man/$other" ] || {
            echo "$page refers to $other"
            exit 1
        }
    done
    if command -v mandoc >/dev/null; then
        mandoc -Tlint -Wwarning "$page"
    fi
    if command -v man >/dev/null && command -v groff >/dev/null; then
        man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>"$dir/warnings" >/dev/null || echo "man: $?" >>"$dir/warnings"
        [ ! -s "$dir/warnings" ] || {
            cat "$dir/warnings"
            exit 1
        }
    fi
done
