# Each shell's completion offers every verb and every option that `spacebot --help` has, and nothing else. bash and
# fish are asked as if a person pressed Tab; zsh's file is read, and checked for its syntax where there is a zsh.
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/sbcompletions.XXXXXX")
trap 'rm -rf "$dir"' EXIT
SPACEBOT_DIR=$dir/home
HOME=$dir
PATH=$(dirname "$SPACEBOT"):$PATH
export SPACEBOT_DIR HOME PATH
files=$SRCDIR/completions

"$SPACEBOT" --help >"$dir/help"
verbs=$(sed -n 's/^  \([a-z][a-z]*\)  *[a-z].*/\1/p' "$dir/help")
[ "$(printf '%s\n' "$verbs" | wc -l)" -ge 5 ] || {
    echo 'no verbs were found in --help:'
    cat "$dir/help"
    exit 1
}

# "verb" and "verb --option", a line each; options of every verb are --help too.
for verb in $verbs; do
    echo "$verb"
    echo "$verb --help"
    "$SPACEBOT" "$verb" --help | sed -n "s/^  \(--[a-z][a-z-]*\).*/$verb \1/p"
done | sort >"$dir/program"

failed=
compare() {
    sort "$dir/$1" >"$dir/sorted"
    diff -u "$dir/sorted" "$dir/program" || {
        echo "what $1 completes (-) and the program (+) differ"
        failed=1
    }
}

# $1 a line as it was typed, $2 the word under the cursor; what bash would offer, a line each.
cat >"$dir/ask.bash" <<'END'
source "$1/spacebot.bash"
COMP_WORDS=(spacebot "${@:2}")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_spacebot
printf '%s\n' "${COMPREPLY[@]}"
END
if command -v bash >/dev/null; then
    bash "$dir/ask.bash" "$files" '' | grep -v '^--' >"$dir/verbs"
    {
        cat "$dir/verbs"
        while read -r verb; do
            bash "$dir/ask.bash" "$files" "$verb" -- | sed "s/^/$verb /"
        done <"$dir/verbs"
    } >"$dir/bash"
    compare bash
fi

# A line of zsh's table of verbs is 'verb:what', a verb's options stand between "verb)" and ";;".
awk -v q="'" '
    /^    verbs=\($/ { table = 1; next }
    table && /^    \)$/ { table = 0 }
    table { split($1, part, ":"); print substr(part[1], 2); next }
    /^        [a-z]+\)/ { verb = $1; sub(/\).*/, "", verb) }
    verb {
        rest = $0
        while (match(rest, q "[*]?--[a-z-]+")) {
            option = substr(rest, RSTART + 1, RLENGTH - 1)
            sub(/^[*]/, "", option) # may be given again
            print verb " " option
            rest = substr(rest, RSTART + RLENGTH)
        }
    }
    /;;$/ { verb = "" }' "$files/_spacebot" >"$dir/zsh"
compare zsh
if command -v zsh >/dev/null; then
    zsh -n "$files/_spacebot" || failed=1
fi

if command -v fish >/dev/null; then
    cat >"$dir/ask.fish" <<'END'
source $argv[1]/spacebot.fish
complete -C "$argv[2]" | string replace -r '\t.*' ''
END
    fish --no-config "$dir/ask.fish" "$files" 'spacebot ' | grep -v '^-' >"$dir/verbs"
    {
        cat "$dir/verbs"
        while read -r verb; do
            fish --no-config "$dir/ask.fish" "$files" "spacebot $verb --" | sed "s/^/$verb /"
        done <"$dir/verbs"
    } >"$dir/fish"
    compare fish
else
    echo 'there is no fish here: its file was not tried'
fi
[ -z "$failed" ]
