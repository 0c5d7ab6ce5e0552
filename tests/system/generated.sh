# A misspelt column in a query and a misspelt variable in a prompt stop a real `make`, which names the file and
# the line; put right, the same build goes on. Works on a copy of the tree, built outside of it.
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/sbgenerated.XXXXXX")
trap 'rm -rf "$dir"' EXIT

mkdir "$dir/tree" "$dir/build"
cd "$SRCDIR"
cp -R configure configure.ac Makefile.am Makefile.in aclocal.m4 config.h.in build-aux src "$dir/tree"
chmod -R u+w "$dir/tree"
# Copies are as new as each other: nothing asks for autoconf to run again.
find "$dir/tree" -exec touch -r configure {} +
unset MAKEFLAGS MFLAGS MAKELEVEL
cd "$dir/build"
"$dir/tree/configure" -q --disable-tests CC="$CC" >configure.log 2>&1 || {
    cat configure.log
    exit 1
}

fail() {
    printf '%s\n' "$1"
    cat make.log
    exit 1
}

# builds TARGET: make gets it done.
builds() { make "$1" >make.log 2>&1 || fail "make $1 failed"; }

# stops TARGET FILE PATTERN NAME MISSPELT: with NAME misspelt in the first line that matches PATTERN, make
# fails and says so of that line; put right, make goes through again.
stops() {
    file=$dir/tree/$2
    line=$(grep -n -m 1 -e "$3" "$file" | cut -d : -f 1)
    [ -n "$line" ] || fail "no \"$3\" in $2"
    cp "$file" saved
    sed "${line}s/$4/$5/" saved >"$file"
    ! make "$1" >make.log 2>&1 || fail "make accepted $5 in $2"
    grep -q "$2:$line: .*$5" make.log || fail "make does not point at $5 in $2:$line"
    cp saved "$file"
    builds "$1"
}

builds src/store/queries.gen.h
stops src/store/queries.gen.h src/store/queries/usage.sql 'conversation_id = ' \
    conversation_id conversaton_id
builds src/prompts/prompts.gen.h
stops src/prompts/prompts.gen.h src/prompts/channel.md '{{max_workers}}' max_workers max_wokers
for file in src/store/queries.gen.[ch] src/prompts/prompts.gen.[ch]; do
    [ -s "$file" ] || fail "$file is missing"
    [ ! -e "$dir/tree/$file" ] || fail "$file was written into the source tree"
done
