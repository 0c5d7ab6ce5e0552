# needs: cppcheck=cppcheck
# Every file of the program; what is suppressed, and why, stands in tests/cppcheck.supp.
set -eu
. "$SRCDIR/tests/check/lib.sh"
cd "$SRCDIR"
cppcheck -q -j"$JOBS" --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
    --suppressions-list=tests/cppcheck.supp -D__linux__ -D_GNU_SOURCE= -DPACKAGE_VERSION='"0"' -DBINDIR='"/"' \
    -DPKGLIBEXECDIR='"/"' '-DcJSON_ArrayForEach(item,array)=for(item=(array)->child;item;item=item->next)' \
    -I src -I . src ui
echo "$(sources | wc -l) files"
