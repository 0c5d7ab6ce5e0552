/* report: turns the JSON lines of the benches into RESULTS.md: what falls short of its goal first,
 * each with its note, then what could not be decided, what is met, and what has no goal. Tells the
 * machine (not its name) and the libraries that it was measured with.
 *
 *   report [--settings TEXT] [--notes FILE] FILE.jsonl... > RESULTS.md
 *
 * Of the notes (tests/bench/NOTES) those are printed whose figure falls short: what was tried, and
 * where the time goes. The name of a figure stands at the beginning of a line, its note indented
 * below it; a line with # says nothing.
 */
#include <ctype.h>
#include <curl/curl.h>
#include <curses.h>
#include <math.h>
#include <readline/readline.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum verdict { MISSED, UNDECIDED, MET, REPORTED };

static enum verdict verdict_of(const cJSON *line) {
    const cJSON *met = cJSON_GetObjectItemCaseSensitive(line, "met");
    if (cJSON_IsBool(met))
        return cJSON_IsTrue(met) ? MET : MISSED;
    bool measured = cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(line, "subject"));
    return measured && !json_str(line, "goal_kind", NULL) ? REPORTED : UNDECIDED;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool read_lines(const char *path, cJSON *all) {
    FILE *in = fopen(path, "re");
    char *text = NULL;
    size_t cap = 0;
    ssize_t n;
    bool ok = true;
    if (!in) { /* it was not run */
        cJSON *line = json_new_obj();
        json_add_str(line, "program", path);
        json_add_i64(line, "exit", -1);
        cJSON_AddItemToArray(all, line);
        return true;
    }
    while (ok && (n = getline(&text, &cap, in)) > 0) {
        cJSON *line = NULL;
        struct cause why;
        ok = json_parse(text, (size_t)n, &line, &why) == STATUS_OK;
        if (ok)
            cJSON_AddItemToArray(all, line);
        else
            fprintf(stderr, "%s: %s\n", path, why.text);
    }
    free(text);
    fclose(in);
    return ok;
}

/* Figure -> note, the lines of each joined. NULL: the file cannot be read. */
static cJSON *read_notes(const char *path) {
    FILE *in = fopen(path, "re");
    char line[1024], name[1024] = "";
    struct buf note = BUF_INIT;
    if (!in) {
        perror(path);
        return NULL;
    }
    cJSON *notes = json_new_obj();
    bool more = true;
    while (more) {
        more = fgets(line, sizeof(line), in) != NULL;
        if (more && line[0] == '#')
            continue;
        char *text = more ? line + strspn(line, " ") : line;
        text[strcspn(text, "\n")] = '\0';
        if (more && (text > line || !*text)) {
            if (*text)
                buf_printf(&note, "%s%s", note.len ? " " : "", text);
            continue;
        }
        if (note.len)
            json_add_str(notes, name, buf_str(&note));
        buf_reset(&note);
        snprintf(name, sizeof(name), "%s", text);
    }
    buf_free(&note);
    fclose(in);
    return notes;
}

/* ---- the machine ----------------------------------------------------------------------------- */

/* The value behind "name : " in a file of such lines, or "". Static until the next call. */
static const char *line_value(const char *path, const char *name) {
    static char value[4096];
    char line[4096];
    FILE *in = fopen(path, "re");
    value[0] = '\0';
    while (in && !value[0] && fgets(line, sizeof(line), in)) {
        char *colon = str_prefix(line, name) ? strchr(line, ':') : NULL;
        if (!colon)
            continue;
        for (colon++; isspace((unsigned char)*colon); colon++)
            ;
        snprintf(value, sizeof(value), "%.*s", (int)strcspn(colon, "\n"), colon);
    }
    if (in)
        fclose(in);
    return value;
}

static const char *compiler(void) {
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}

static void print_machine(const char *settings) {
    struct utsname u;
    char date[32] = "";
    time_t now = time(NULL);
    struct tm tm;
    if (gmtime_r(&now, &tm))
        strftime(date, sizeof(date), "%Y-%m-%d", &tm);
    printf("- measured %s (UTC) with spacebot %s\n", date, PACKAGE_VERSION);
    printf("- processor: %s", line_value("/proc/cpuinfo", "model name"));
    printf(", %ld cores%s\n", sysconf(_SC_NPROCESSORS_ONLN),
           strstr(line_value("/proc/cpuinfo", "flags"), "hypervisor") ? " of a virtual machine"
                                                                      : "");
    printf("- memory: %.1f GB\n", (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) /
                                      (1024.0 * 1024 * 1024));
    if (uname(&u) == 0)
        printf("- system: %s %s, %s\n", u.sysname, u.release, u.machine);
    printf("- compiler: %s%s%s\n", compiler(), settings ? ", " : "", settings ? settings : "");
    printf("- libraries: libcurl %s, SQLite %s, cJSON %s, %s, readline %s\n",
           curl_version_info(CURLVERSION_NOW)->version, sqlite3_libversion(), cJSON_Version(),
           curses_version(), rl_library_version);
}

/* ---- figures --------------------------------------------------------------------------------- */

/* Three digits that mean something, no exponent; "-" for none. */
static void print_number(double v) {
    if (!isfinite(v))
        printf("-");
    else if (v == 0)
        printf("0");
    else
        printf("%.*f", fabs(v) >= 100 ? 0 : fabs(v) >= 10 ? 1 : fabs(v) >= 1 ? 2 : 3, v);
}

static void print_cell(const char *text) {
    for (const char *c = text; *c; c++) {
        if (*c == '|')
            putchar('\\');
        putchar(*c);
    }
}

static void print_row(const cJSON *line) {
    const char *kind = json_str(line, "goal_kind", NULL), *unit = json_str(line, "unit", "");
    printf("| %s | ", json_str(line, "figure", ""));
    print_cell(json_str(line, "what", ""));
    printf(" | ");
    print_number(json_num(line, "subject", NAN));
    printf(" | ");
    print_number(json_num(line, "control", NAN));
    printf(" | %s | ", unit);
    print_number(json_num(line, "ratio", NAN));
    printf(" | ");
    if (kind) {
        printf("%s%s ", str_eq(kind, "beyond") ? "control + " : "",
               str_eq(json_str(line, "goal_bound", ""), "at_most") ? "≤" : "≥");
        print_number(json_num(line, "goal", NAN));
        printf("%s", str_eq(kind, "ratio") ? " ×" : "");
    } else {
        printf("-");
    }
    double spread = json_num(line, "spread", NAN);
    if (isfinite(spread))
        printf(" | %.0f %%", 100 * spread);
    else
        printf(" | -");
    printf(" | %d, %d |\n", (int)json_i64(line, "rounds", 0), (int)json_i64(line, "discarded", 0));
}

/* What the run has to say of a figure, and, of one that falls short, why. */
static void print_note(const cJSON *line, enum verdict v, const cJSON *notes) {
    const char *name = json_str(line, "figure", ""), *note = json_str(line, "note", "");
    const char *why = v == MISSED ? json_str(notes, name, "it has not been looked into") : "";
    if (*note || *why)
        printf("- **%s**: %s%s%s\n", name, why, *why && *note ? " Measured: " : "", note);
}

static int print_group(const cJSON *all, enum verdict v, const char *title, const cJSON *notes) {
    const cJSON *line;
    int n = 0;
    cJSON_ArrayForEach(line, all) {
        if (!json_str(line, "figure", NULL) || verdict_of(line) != v)
            continue;
        if (n++ == 0)
            printf("\n## %s\n\n| figure | what | spacebot | control | unit | ratio | goal | spread "
                   "| rounds kept, thrown away |\n|---|---|--:|--:|---|--:|--:|--:|--:|\n",
                   title);
        print_row(line);
    }
    if (n == 0)
        return 0;
    printf("\n");
    cJSON_ArrayForEach(line, all) {
        if (json_str(line, "figure", NULL) && verdict_of(line) == v)
            print_note(line, v, notes);
    }
    return n;
}

static void print_failures(const cJSON *all) {
    const cJSON *line;
    cJSON_ArrayForEach(line, all) {
        const char *program = json_str(line, "program", NULL);
        if (program && json_i64(line, "exit", 0) != 0)
            printf("\n**%s ended with %d: its figures are not complete.**\n", program,
                   (int)json_i64(line, "exit", 0));
    }
}

int main(int argc, char **argv) {
    const char *settings = NULL;
    cJSON *all = json_new_arr(), *notes = NULL;
    int i = 1;
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        if (str_eq(argv[i], "--settings"))
            settings = argv[i + 1];
        else if (!str_eq(argv[i], "--notes") || !(notes = read_notes(argv[i + 1])))
            break;
    }
    if (i == argc || argv[i][0] == '-') {
        fprintf(stderr, "usage: report [--settings TEXT] [--notes FILE] FILE.jsonl...\n");
        return 2;
    }
    for (; i < argc; i++)
        if (!read_lines(argv[i], all))
            return 1;
    printf(
        "# What was measured\n\n"
        "Written by `make bench-report`. Each figure stands beside a control that was measured in "
        "the same rounds,\ntaking turns: what a bare program on the same machine needs. Values "
        "are medians; the spread is the\ndistance of the largest round from the smallest, in per "
        "cent of the median. A round is thrown away\nwhen its control strays by more than a "
        "quarter, or when somebody else had the core for 5 ms. Where many short measurements make "
        "a figure (keys),\nit is taken over those of all rounds that count.\n\n");
    print_machine(settings);
    print_failures(all);
    int missed = print_group(all, MISSED, "Short of the goal", notes);
    if (missed == 0)
        printf("\nNo figure falls short of its goal.\n");
    (void)print_group(all, UNDECIDED, "Not decided", notes);
    (void)print_group(all, MET, "Goal met", notes);
    (void)print_group(all, REPORTED, "Reported", notes);
    cJSON_Delete(all);
    cJSON_Delete(notes);
    return 0;
}
