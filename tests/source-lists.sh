# Every source, SQL, prompt and test file of the tree stands in one of Makefile.am's lists: a forgotten
# one would be missing from releases, and a forgotten test would never run.
set -eu
cd "$SRCDIR"

# Words of Makefile.am, one a line.
words=$(tr -s '\\ \t' '\n' <Makefile.am)
missing=$(
    find src ui tests \( -name '*.[ch]' -o -name '*.sql' -o -name '*.md' -o -name '*.sh' \) \
        ! -name '*.gen.[ch]' | sort | while read -r file; do
        # A program that is built from one file of its name is listed without the suffix.
        printf '%s\n' "$words" | grep -qxF -e "$file" -e "${file%.c}" || printf '%s\n' "$file"
    done
)
if [ -n "$missing" ]; then
    printf 'not in any list of Makefile.am:\n%s\n' "$missing"
    exit 1
fi
