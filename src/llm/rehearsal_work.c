/* rehearsal_work: what a worker does with its task. It runs a command and reports what it printed,
 * or counts its share of the files in the workspace, slowly enough to be watched. Nothing is
 * reported that a tool did not give back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/rehearsal-internal.h"

#define REPORT_MAX 12000u /* bytes of a command's output in an outcome */
#define COMMAND_MAX 200u  /* a longer command is not repeated in it */
#define COUNT_SECONDS 600
/* So many at once go at the usual pace. Of more each goes slower, shows fewer of its files, and
 * begins a moment after the one before: they share one machine, and nobody reads them all. */
#define USUAL 8
#define CROWD_MAX 64
#define SHOWN 32 /* files that are named */

struct task {
    int64_t part, parts;
    char *command;    /* NULL: count */
    const char *what; /* the rest of the task; lent */
    const char *unit, *flag;
    bool counts; /* counting is what was asked for */
};

/* "part 3 of 8: " moves *s on. */
static bool read_part(const char **s, struct task *t) {
    const char *p = *s;
    if (!rehearsal_skip(&p, "part"))
        return false;
    int64_t part = rehearsal_number(&p);
    if (!part || !rehearsal_skip(&p, "of"))
        return false;
    char *end;
    long long parts = strtoll(p, &end, 10);
    if (*end != ':' || parts < part || parts > 1000000)
        return false;
    t->part = part;
    t->parts = parts;
    *s = end + 1 + strspn(end + 1, " \t\r\n");
    return true;
}

static struct task read_task(const char *text) {
    static const struct {
        const char *word, *unit, *flag;
    } units[] = {
        {"lines", "lines", "-l"}, {"line", "lines", "-l"},       {"words", "words", "-w"},
        {"word", "words", "-w"},  {"characters", "bytes", "-c"}, {"bytes", "bytes", "-c"},
    };
    struct task t = {.part = 1, .parts = 1, .unit = "lines", .flag = "-l"};
    (void)read_part(&text, &t);
    t.what = text;
    t.command = rehearsal_command(text);
    for (size_t i = 0; !t.counts && i < ARRAY_LEN(units); i++) {
        if (!rehearsal_has_word(text, units[i].word))
            continue;
        t.unit = units[i].unit;
        t.flag = units[i].flag;
        t.counts = true;
    }
    t.counts |= rehearsal_has_word(text, "count");
    return t;
}

/* ---- counting ---- */

/* The files are shared out in the order of their names. An empty folder would leave nothing to see,
 * so the system's own texts are taken then, and it says so. */
static const char count_script[] =
    "share() { LC_ALL=C sort | head -n 5000 | awk -v k=$k -v n=$n 'NR % n == k % n'; }\n"
    "where=. note=\n"
    "some=$(find . -xdev -maxdepth 5 -name '.?*' -prune -o -type f -print 2>/dev/null | head -n "
    "1)\n"
    "if [ -z \"$some\" ]; then\n"
    "    where=/usr/share note=' of /usr/share (no file here)'\n"
    "    echo 'no file in this folder: counting some of /usr/share'\n"
    "    mine=$(find /usr/share -xdev -maxdepth 3 -type f -size -64k 2>/dev/null |\n"
    "           LC_ALL=C sort | head -n 400 | share)\n"
    "else\n"
    "    mine=$(find . -xdev -maxdepth 5 -name '.?*' -prune -o -type f -size -4096k -print \\\n"
    "           2>/dev/null | share)\n"
    "fi\n"
    "if [ -z \"$mine\" ]; then echo \"= 0 $unit in 0 files: none is left for this part\"; exit; "
    "fi\n"
    "pause=$(printf '%s\\n' \"$mine\" | awk -v ms=$ms -v most=$most -v show=$show 'END {\n"
    "    p = NR < show ? ms * show / NR : ms; if (p > most) p = most; print p / 1000 }')\n"
    "printf '%s\\n' \"$mine\" | {\n"
    "    total=0 files=0 top=0 name=$where\n"
    "    while IFS= read -r f; do\n"
    "        x=$({ wc $flag <\"$f\"; } 2>/dev/null) || continue\n"
    "        total=$((total + x)) files=$((files + 1))\n"
    "        if [ \"$x\" -ge \"$top\" ]; then top=$((x)) name=$f; fi\n"
    "        if [ $files -le $show ]; then\n"
    "            printf '%8d  %s\\n' \"$x\" \"${f#./}\"\n"
    "            if [ $ms -gt 0 ]; then sleep $pause; fi\n"
    "        elif [ $((files % 50)) -eq 0 ]; then\n"
    "            echo \"          $files files so far\"\n"
    "        fi\n"
    "    done\n"
    "    s=s; if [ $files -eq 1 ]; then s=; fi\n"
    "    echo \"= $total $unit in $files file$s$note; most in ${name#./} ($top)\"\n"
    "}\n";

static void start_counting(const struct task *t, struct rehearsal_answer *out) {
    char *thought, *status, *script;
    int64_t crowd = t->parts < USUAL ? USUAL : t->parts > CROWD_MAX ? CROWD_MAX : t->parts;
    int64_t work = out->pace.work_ms, ms = work * crowd / USUAL;
    out->delay_ms = (t->part < CROWD_MAX ? t->part - 1 : CROWD_MAX) * 2 * out->pace.chunk_ms;
    thought =
        t->parts == 1
            ? xasprintf("One task: %s. The files of this folder, one after the other.", t->what)
            : xasprintf("Part %lld of %lld: %s. The files are shared out in the order of "
                        "their names; number %lld, and every %lldth from there, is mine.",
                        (long long)t->part, (long long)t->parts, t->what, (long long)t->part,
                        (long long)t->parts);
    rehearsal_answer_thinking(out, thought);
    status = t->parts == 1 ? xasprintf("counting %s", t->unit)
                           : xasprintf("counting %s, part %lld of %lld", t->unit,
                                       (long long)t->part, (long long)t->parts);
    rehearsal_answer_call_str(out, "set_status", "status", status);
    /* The first line is what people see of it. */
    script = xasprintf("# %s\nk=%lld n=%lld ms=%lld most=%lld show=%lld unit=%s flag=%s\n%s",
                       status, (long long)t->part, (long long)t->parts, (long long)ms,
                       (long long)(ms > 5 * work ? ms : 5 * work),
                       (long long)(SHOWN * USUAL / crowd), t->unit, t->flag, count_script);
    cJSON *input = json_new_obj();
    json_add_str(input, "command", script);
    json_add_i64(input, "timeout_seconds", COUNT_SECONDS);
    rehearsal_answer_call(out, "shell", input);
    x_free(&thought);
    x_free(&status);
    x_free(&script);
}

/* ---- reporting ---- */

/* What stands behind "= " at the beginning of a line; NULL when none does. */
static char *sum_line(const char *text) {
    const char *sum = NULL;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (str_prefix(line, "= "))
            sum = line + 2;
    }
    return sum ? xstrndup(sum, strcspn(sum, "\n")) : NULL;
}

static void report_count(const struct task *t, const struct rehearsal_result *r, struct buf *out) {
    char *sum = r->is_error ? NULL : sum_line(r->text);
    if (!t->counts) {
        buf_puts(out, "A rehearsal cannot do this: ");
        rehearsal_quote(out, t->what, COMMAND_MAX);
        buf_printf(out, ". It counted %s instead: ", t->unit);
    }
    if (sum) {
        buf_puts(out, sum);
    } else {
        buf_puts(out, "The counting did not come to its end:\n\n");
        rehearsal_fence(out, r->text, REPORT_MAX);
    }
    x_free(&sum);
}

/* The shell tool's text: what was printed, then "[how it ended]". */
static void report_command(const struct task *t, const struct rehearsal_result *r,
                           struct buf *out) {
    size_t n = strlen(r->text);
    const char *how = strrchr(r->text, '[');
    if (!how || !n || r->text[n - 1] != ']' || (how > r->text && how[-1] != '\n')) {
        buf_puts(out, "The command did not run. ");
        rehearsal_quote(out, r->text, REPORT_MAX);
        return;
    }
    char *printed = xstrndup(r->text, (size_t)(how - r->text));
    if (strpbrk(t->command, "`\n") || strlen(t->command) > COMMAND_MAX)
        buf_puts(out, "The command");
    else
        buf_printf(out, "`%s`", t->command);
    buf_printf(out, " – %.*s\n\n", (int)strcspn(how + 1, "]"), how + 1);
    if (*printed)
        rehearsal_fence(out, printed, REPORT_MAX);
    else
        buf_puts(out, "It printed nothing.");
    x_free(&printed);
}

static void report(const struct rehearsal_ask *q, const struct task *t,
                   struct rehearsal_answer *out) {
    struct rehearsal_result r;
    struct buf text = BUF_INIT;
    size_t i = 0;
    bool found = false;
    while (!found && rehearsal_ask_result(q, i++, &r))
        found = str_eq(r.tool, "shell");
    if (!found)
        buf_puts(&text, "There is no result of the command to report.");
    else if (t->command)
        report_command(t, &r, &text);
    else
        report_count(t, &r, &text);
    cJSON *input = json_new_obj();
    json_add_str(input, "kind", "outcome");
    json_add_str(input, "status", buf_str(&text));
    rehearsal_answer_call(out, "set_status", input);
    buf_free(&text);
}

void rehearsal_work(const struct rehearsal_ask *q, struct rehearsal_answer *out) {
    struct task t = read_task(q->text);
    if (q->step == 0 && t.command)
        rehearsal_answer_call_str(out, "shell", "command", t.command);
    else if (q->step == 0)
        start_counting(&t, out);
    else if (q->step == 1)
        report(q, &t, out);
    else
        rehearsal_answer_text(out, "Reported, by a rehearsal.");
    x_free(&t.command);
}
