# One more process kind must fail the build at every place that has to decide about kinds. Compiles every file
# with a kind that nobody knows and compares the switches that the compiler complains of with those that
# there are; and no switch over an enum of ours may have a `default:`, which would hide the next one.
set -eu
cd "$SRCDIR"
dir=$(mktemp -d "${TMPDIR:-/tmp}/sbkinds.XXXXXX")
trap 'rm -rf "$dir"' EXIT

# A switch that lists the kinds by hand names each once, so this counts the switches.
files=$(grep -rl --include='*.c' --exclude='*.gen.c' 'case PROCESS_CHANNEL:' src ui | sort)
switches=$(cat $files | grep -c 'case PROCESS_CHANNEL:')
[ "$switches" -ge 3 ] || { echo "only $switches switches over process kinds were found"; exit 1; }

cd "$BUILDDIR"
for file in $files; do
    if $COMPILE -Werror=switch -fsyntax-only \
        '-DPROCESS_KIND_TABLE_EXTRA(X)=X(EXTRA, "extra", "+", "+")' "$SRCDIR/$file" >>"$dir/out" 2>&1
    then
        echo "$file compiles with a process kind that it does not know"
        exit 1
    fi
    # Without it the file is in order: what fails is the kind and nothing else.
    $COMPILE -fsyntax-only "$SRCDIR/$file"
done
errors=$(grep -c "error:.*PROCESS_EXTRA.*not handled in switch" "$dir/out" || true)
if [ "$errors" -ne "$switches" ]; then
    cat "$dir/out"
    echo "$switches switches over process kinds, but $errors errors"
    exit 1
fi

# The words of all X-macro enums: prefix, table.
cd "$SRCDIR"
awk '
    /^#define [A-Z_]+_TABLE\(X\)/ { table = 1 }
    /^enum [a-z_]+ \{/ && table { inside = 1; next }
    inside && /#define X\(/ && match($0, /[A-Z_]+_##/) {
        print substr($0, RSTART, RLENGTH - 2); inside = 0; table = 0
    }' $(find src ui -name '*.h') | sort -u >"$dir/prefixes"
[ "$(wc -l <"$dir/prefixes")" -ge 10 ] || { echo 'the enums were not found:'; cat "$dir/prefixes"; exit 1; }

# A block of a switch with both a case of such an enum and a default. Nested switches count for themselves.
awk -v prefixes="$(tr '\n' ' ' <"$dir/prefixes")" '
    BEGIN { n = split(prefixes, p, " ") }
    FNR == 1 { depth = 0; top = 0 }
    {
        line = $0
        gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
        gsub(/\x27([^\x27\\]|\\.)*\x27/, "0", line)
        sub(/\/\/.*/, "", line)
        gsub(/\/\*[^*]*\*\//, "", line)
        pending = pending || line ~ /(^|[^a-z_])switch \(/
        if (top && line ~ /^ *case [A-Z]/)
            for (i = 1; i <= n; i++)
                if (match(line, "case " p[i] "[A-Z_#]+"))
                    ours[top] = 1
        if (top && line ~ /^ *default *:/)
            other[top] = FILENAME ":" FNR
        count = length(line)
        for (i = 1; i <= count; i++) {
            c = substr(line, i, 1)
            if (c == "{") {
                depth++
                if (pending) { top++; at[top] = depth; ours[top] = 0; other[top] = ""; pending = 0 }
            } else if (c == "}") {
                if (top && at[top] == depth) {
                    if (ours[top] && other[top]) { print other[top] ": default: in a switch over an enum of ours"; bad = 1 }
                    top--
                }
                depth--
            }
        }
    }
    END { exit bad }' $(find src ui -name '*.c' ! -name '*.gen.c') >"$dir/defaults" || {
    cat "$dir/defaults"
    exit 1
}
