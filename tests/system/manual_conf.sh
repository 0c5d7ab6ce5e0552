# spacebot.conf.5 documents every key, provider field and variable that the program knows, with the default and
# the bounds that act: the three marked parts of the page are what is made here of the tables, word for word.
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/sbmanual.XXXXXX")
trap 'rm -rf "$dir"' EXIT
SPACEBOT_DIR=$dir/home
export SPACEBOT_DIR
page=$SRCDIR/man/spacebot.conf.5

# The commented file that the program writes has all of its tables in it.
"$SPACEBOT" config init >"$dir/path"
conf=$(cat "$dir/path")

# roff TEXT: quotes, backslashes and hyphens as the page writes them.
roff() { sed 's/\\/\\e/g; s/-/\\-/g; s/"/\\(dq/g'; }

# "  # what it is" before "  #key = default;", in the section that was opened last.
awk '
    /^[a-z]+ = [{(]$/ { section = $1 }
    /^  # / { what = substr($0, 5) }
    /^  #[a-z_]+ = / {
        key = substr($1, 2)
        value = $0
        sub(/^  #[a-z_]+ = /, "", value)
        sub(/;$/, "", value)
        print section "." key "\t" value "\t" what
    }' "$conf" | roff | awk -F '\t' '{ printf ".TP\n.BR %s \" = %s\"\n%s\n", $1, $2, $3 }' >"$dir/keys"
sed -n '/^# In each group/,/^providers = /s/^#   \([a-z_]*\)  *\(.*\)/\1\t\2/p' "$conf" | roff |
    awk -F '\t' '{ printf ".TP\n.B %s\n%s\n", $1, $2 }' >"$dir/providers"
sed -n 's/^#   \([A-Z_]*\) \([A-Z_]*\)$/\1\t\2/p' "$conf" >"$dir/variables"
sed -n 's/^  #{ id = "\([^"]*\)".* base_url = "\([^"]*\)".*/\1\t\2/p' "$conf" | paste - "$dir/variables" |
    awk -F '\t' '{ printf ".TP\n.BR %s \" (%s)\"\n.BR %s \", \" %s\n", $1, $2, $3, $4 }' >"$dir/environment"

failed=
for part in keys providers environment; do
    [ "$(grep -c '^\.TP' "$dir/$part")" -ge 4 ] || {
        echo "no $part were found in what \`spacebot config init\` writes:"
        cat "$conf"
        exit 1
    }
    if [ -n "${SPACEBOT_UPDATE_GOLDENS-}" ]; then
        sed -i -e "/^\.\\\\\" $part begin\$/r $dir/$part" \
            -e "/^\.\\\\\" $part begin\$/,/^\.\\\\\" $part end\$/{/^\.\\\\\" $part /!d;}" "$page"
    fi
    sed -n "/^\.\\\\\" $part begin\$/,/^\.\\\\\" $part end\$/p" "$page" | sed '1d;$d' >"$dir/page"
    diff -u "$dir/page" "$dir/$part" || {
        echo "man/spacebot.conf.5: the part \"$part\" (-) is not what the program says (+);"
        echo 'SPACEBOT_UPDATE_GOLDENS=1 in the environment of this test writes it into the page'
        failed=1
    }
done
[ -z "$failed" ]
