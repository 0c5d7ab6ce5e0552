# What `make install` put there works by itself: installed.sh DESTDIR BINDIR PKGLIBEXECDIR MANDIR DATADIR. One
# message to the rehearsal model, whose worker counts lines by a real command: that command only starts when the
# program has found its launcher. Run by `make installcheck`.
set -eu
dir=$(mktemp -d "${TMPDIR:-/tmp}/sbinstalled.XXXXXX")
trap 'rm -rf "$dir"' EXIT
spacebot=$1$2/spacebot
launcher=$1$3/spacebot-run
SPACEBOT_DIR=$dir/home
export SPACEBOT_DIR
unset XDG_RUNTIME_DIR

fail() {
    printf '%s\n' "$*"
    exit 1
}

for file in "$1$4/man1/spacebot.1" "$1$4/man5/spacebot.conf.5" "$1$4/man7/spacebot-protocol.7" \
    "$1$4/man7/spacebot-security.7" "$1$5/bash-completion/completions/spacebot" \
    "$1$5/zsh/site-functions/_spacebot" "$1$5/fish/vendor_completions.d/spacebot.fish"; do
    [ -s "$file" ] || fail "$file is missing"
done
[ -x "$launcher" ] || fail "$launcher is missing"

"$spacebot" doctor --json >"$dir/doctor" || true
grep -qF "\"$launcher\"" "$dir/doctor" || {
    cat "$dir/doctor"
    fail "the program does not use $launcher"
}

mkdir "$dir/work"
printf 'a\nb\nc\n' >"$dir/work/letters"
"$spacebot" exec --model rehearsal/default --workspace "$dir/work" 'run: wc -l letters' >"$dir/out" 2>"$dir/err" || {
    cat "$dir/out" "$dir/err"
    fail 'the installed program could not do one piece of work'
}
grep -q '3 letters' "$dir/out" || {
    cat "$dir/out" "$dir/err"
    fail 'the command did not run'
}
echo "installed and at work: $spacebot"
