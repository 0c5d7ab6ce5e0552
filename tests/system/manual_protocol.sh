# spacebot-protocol.7 names every request, event and word of the tables, and none that is not in them.
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/sbmanual.XXXXXX")
trap 'rm -rf "$dir"' EXIT
page=$SRCDIR/man/spacebot-protocol.7

# Requests that only test builds know are nobody's business.
cat >"$dir/tables.c" <<'END'
#undef SPACEBOT_TEST_HOOKS
#include "agent/bus.h"
#include "agent/command.h"
#include "ctl/proto.h"
#define X(name, text, ...) @ verbs text
PROTO_WORD_TABLE(X) COMMAND_TABLE(X)
#undef X
#define X(name, text, ...) @ events text
EVENT_TABLE(X)
#undef X
#define X(name, text, ...) @ kinds text
PROCESS_KIND_TABLE(X)
#undef X
#define X(name, text, ...) @ states text
PROCESS_STATE_TABLE(X)
#undef X
#define X(name, text, ...) @ outcomes text
PROCESS_OUTCOME_TABLE(X)
#undef X
#define X(name, text, ...) @ entries text
JOURNAL_KIND_TABLE(X)
#undef X
#define X(name, text, ...) @ statuses text
STATUS_TABLE(X)
#undef X
END
cd "$BUILDDIR"
$COMPILE -E -P "$dir/tables.c" -o "$dir/tables.i"
tr '@' '\n' <"$dir/tables.i" | sed -n 's/^ *\([a-z]*\) "\([a-z_]*\)" *$/\1 \2/p' >"$dir/tables"

failed=
for list in verbs events kinds states outcomes entries statuses; do
    sed -n "s/^$list //p" "$dir/tables" | sort >"$dir/program"
    [ "$(wc -l <"$dir/program")" -ge 5 ] || {
        echo "the table of $list was not found"
        exit 1
    }
    # Entries of a list (.TP, .B WORD), or words in a row (.BR a ", " b).
    sed -n "/^\.\\\\\" $list begin\$/,/^\.\\\\\" $list end\$/p" "$page" |
        awk '/^\.TP/ { item = 1; items = 1; next }
            item { print $2; item = 0; next }
            /^\.BR/ && !items { gsub(/^\.BR|", "|,|"/, " "); print }' |
        tr -s ' ' '\n' | sed '/^$/d' | sort >"$dir/manual"
    diff -u "$dir/manual" "$dir/program" || {
        echo "man/spacebot-protocol.7 (-) and the table of $list (+) differ"
        failed=1
    }
done
[ -z "$failed" ]
