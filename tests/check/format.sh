# needs: clang-format=clang-format shellcheck=shellcheck
# The tree is laid out as .clang-format says, by version 14: others break lines elsewhere. Shell scripts are clean.
set -eu
. "$SRCDIR/tests/check/lib.sh"
cd "$SRCDIR"
tool=clang-format
! command -v clang-format-14 >/dev/null || tool=clang-format-14
scripts=$(find tests -name '*.sh')
# Lists of our own files have no blanks in them; limits of the shell are there in dash too.
# shellcheck disable=SC2086
shellcheck -S warning -s sh -e SC2046,SC3045 $scripts
shellcheck -S warning bootstrap .ci/run completions/spacebot.bash tests/summary tests/check/run
version=$($tool --version | sed 's/.*version \([0-9]*\).*/\1/')
if [ "$version" = 14 ]; then
    find src ui tests -name '*.[ch]' | sort | xargs "$tool" --dry-run -Werror
    echo 'C and shell'
else
    echo "shell only: this is clang-format $version, the tree is laid out by 14"
fi
