# Every file of the source tree stands in one of Makefile.am's lists, itself or with its folder: a forgotten
# one would be missing from releases, and a forgotten test would never run.
set -eu
if [ "$SRCDIR" = "$BUILDDIR" ]; then
    echo 'built inside the source tree: what was written by hand cannot be told from what was built'
    exit 77
fi
cd "$SRCDIR"

missing=$(find src ui tests man completions -type f ! -name '.*' ! -name '*~' | sort | awk '
    BEGIN {
        while ((getline line < "Makefile.am") > 0) {
            count = split(line, word, /[ \t\\]+/)
            for (i = 1; i <= count; i++)
                listed[word[i]] = 1
        }
    }
    {
        # A program that is built from one file of its name is listed without the suffix.
        name = $0
        sub(/\.c$/, "", name)
        found = ($0 in listed) || (name in listed)
        while (!found && sub(/\/[^\/]*$/, "", name))
            found = name in listed
        if (!found)
            print
    }')
if [ -n "$missing" ]; then
    printf 'not in any list of Makefile.am:\n%s\n' "$missing"
    exit 1
fi
