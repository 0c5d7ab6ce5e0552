# embed, the build tool for prompts: what it writes compiles and renders, and each kind of mistake fails
# the build with file and line.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

fail() {
    printf '%s\n' "$@"
    exit 1
}

# refuses TEXT-OF-FILE MESSAGE: embed fails, says exactly that, and writes nothing.
refuses() {
    printf "$1" >bad.md
    rm -f out.c out.h
    if "$EMBED" -o out bad.md 2>err; then
        fail "accepted: $1"
    fi
    grep -qF -- "$2" err || fail "for: $1" "expected: $2" "got: $(cat err)"
    ! { [ -e out.c ] || [ -e out.h ]; } || fail "wrote output for: $1"
}

refuses '<!-- variables: a -->\none\n{{a}} {{b}}\n' 'bad.md:3: variable `b` is not declared'
refuses '<!-- variables: a b -->\n{{a}}\n' 'bad.md:1: variable `b` is declared but never used'
refuses '<!-- variables: a a -->\n{{a}}\n' 'bad.md:1: variable `a` is declared twice'
refuses '<!-- variables: a -->\n{{a}}\n{{ a }}\n' 'bad.md:3: `{{` that begins no'
refuses '<!-- variables: A -->\n{{A}}\n' "bad.md:1: expected a variable's name"
refuses '<!-- variables: a-->\n{{a}}\n' "bad.md:1: expected a variable's name"
refuses 'text\n' 'bad.md:1: the first line must be'
refuses '<!-- variables: -->\n \n' 'the prompt is empty'
refuses '<!-- variables: -->\na\n\033[1mb\n' 'bad.md:3: control character 0x1b'
refuses '<!-- variables: -->\na\0b\n' 'bad.md:1: the file holds a NUL byte'

# What it writes: text and values in their places, values not searched again, odd bytes unharmed.
mkdir -p prompts
printf '<!-- variables: task where -->\nDo {{task}} "in" \\n {{where}}??=\303\244\t%%s\n{"a": {"b": 1}}\n{{task}}' \
    >worker-task.md
printf '<!-- variables: -->\nplain\n' >plain.md
"$EMBED" -o prompts/prompts.gen worker-task.md plain.md
cat >main.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "prompts/prompts.gen.h"
void buf_append(struct buf *b, const void *data, size_t n) {
    (void)b;
    fwrite(data, 1, n, stdout);
}
void buf_puts(struct buf *b, const char *s) { buf_append(b, s, strlen(s)); }
#define X(name) .name = "<" #name "{{where}}>",
int main(int argc, char **argv) {
    struct buf out = BUF_INIT;
    struct prompt_worker_task_vars vars = {PROMPT_WORKER_TASK_VARIABLES(X)};
    (void)argv;
    if (argc > 1)
        vars.where = NULL;
    prompt_worker_task_render(&out, &vars);
    prompt_plain_render(&out);
    return strcmp(prompt_plain, "plain\n") != 0;
}
C
$CC -Wall -Wextra -Wconversion -Werror -I. -I"$SRCDIR/src" -o main main.c prompts/prompts.gen.c
./main >got
printf 'Do <task{{where}}> "in" \\n <where{{where}}>??=\303\244\t%%s\n{"a": {"b": 1}}\n<task{{where}}>plain\n' >expected
cmp expected got || fail "rendered: $(cat got)"

# A value that was left out ends the program by name instead of reaching a model as nothing.
(ulimit -c 0; ! ./main missing >/dev/null 2>err) || fail 'a missing value was accepted'
grep -qF 'prompt worker_task: variable where was given no value' err || fail "got: $(cat err)"
