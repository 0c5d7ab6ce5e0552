/* bench_build: what building the program takes: everything from nothing on all cores, again after
 * one file was touched, and what comes out. The control is the compiler itself on a text that stays
 * the same from version to version. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/bench/bench.h"
#include "tests/lib/tmphome.h"
#include "tests/lib/where.h"

#define FUNCTIONS 150 /* of the control's text */
#define TOUCHED "src/agent/turn.c"

struct build {
    struct tmphome *home; /* for its directory that goes away */
    char *dir;            /* the build's */
    const char *cc;       /* without a compiler cache in front of it */
    char *log;
};

/* Runs a shell command in the build's directory on all cores: seconds, and CPU seconds; its outputs
 * go to the log. */
static bool shell(struct build *b, const char *command, double *seconds, double *cpu,
                  struct cause *why) {
    struct rusage before, after;
    int status = -1;
    bench_all_cores();
    getrusage(RUSAGE_CHILDREN, &before);
    int64_t start = clock_real_mono_ns();
    pid_t pid = fork();
    if (pid == 0) {
        int log = open(b->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (log < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 || chdir(b->dir) < 0)
            _exit(127);
        unsetenv("MAKEFLAGS"); /* of the make that runs the benches */
        unsetenv("MFLAGS");
        unsetenv("MAKELEVEL");
        setenv("CCACHE_DISABLE", "1", 1);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    *seconds = (double)(clock_real_mono_ns() - start) / NS_PER_SEC;
    getrusage(RUSAGE_CHILDREN, &after);
    *cpu = (double)(after.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_utime.tv_sec -
                    before.ru_stime.tv_sec) +
           (double)(after.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_utime.tv_usec -
                    before.ru_stime.tv_usec) /
               1e6;
    bench_driver_core();
    if (status == 0)
        return true;
    (void)cause_set(why, STATUS_IO, "`%s` failed, see %s", command, b->log);
    return false;
}

static bool subject(void *arg, double *v, struct cause *why) {
    struct build *b = arg;
    double ignored;
    char *object = xasprintf("rm -f %.*so", (int)strlen(TOUCHED) - 1, TOUCHED);
    char *all = xasprintf("make -s -j%ld", sysconf(_SC_NPROCESSORS_ONLN));
    /* The sources are the person's: what make would do after a touch is done without one. */
    bool ok = shell(b, "make -s clean", &ignored, &ignored, why) &&
              shell(b, all, &v[0], &v[1], why) && shell(b, object, &ignored, &ignored, why) &&
              shell(b, all, &v[2], &ignored, why);
    free(object);
    free(all);
    return ok;
}

static bool control(void *arg, double *v, struct cause *why) {
    struct build *b = arg;
    char *command =
        xasprintf("%s -O2 -g -Wall -c control.c -o one.o & %s -O2 -g -Wall -c control.c "
                  "-o two.o; e=$?; wait $! && test $e -eq 0",
                  b->cc, b->cc);
    bool ok = shell(b, command, &v[0], &v[1], why);
    v[2] = v[0];
    free(command);
    return ok;
}

static bool set_up(struct build *b, struct cause *why) {
    const char *cc = getenv("CC");
    double ignored;
    b->home = tmphome_new(NULL);
    b->dir = b->home->workspace;
    b->log = xasprintf("%s/build.log", b->home->dir);
    b->cc = !cc ? "cc" : str_prefix(cc, "ccache ") ? cc + strlen("ccache ") : cc;
    struct buf text = BUF_INIT;
    buf_puts(&text, "#include <stdio.h>\n#include <string.h>\n");
    for (int i = 0; i < FUNCTIONS; i++)
        buf_printf(&text,
                   "int f%d(char *out, const char *in, int n);\n"
                   "int f%d(char *out, const char *in, int n) {\n"
                   "    int sum = %d;\n"
                   "    for (int i = 0; i < n && in[i]; i++) {\n"
                   "        if (in[i] == ',' || in[i] == ';')\n"
                   "            sum += snprintf(out + sum %% 8, 16, \"%%d\", i * %d);\n"
                   "        else if (strchr(\"aeiou\", in[i]))\n"
                   "            sum ^= in[i] << (i %% 7);\n"
                   "        out[i %% 8] = (char)(in[i] + sum);\n"
                   "    }\n"
                   "    return sum;\n"
                   "}\n",
                   i, i, i, i + 3);
    tmphome_file(b->home, "home/workspace/control.c", buf_str(&text));
    buf_free(&text);
    char *configure = xasprintf("'%s/configure' -q --disable-tests CC='%s'", where_source(), b->cc);
    bool ok = shell(b, configure, &ignored, &ignored, why);
    free(configure);
    return ok;
}

/* ---- what comes out -------------------------------------------------------------------------- */

static const Elf64_Shdr *section(const char *file, unsigned type, const Elf64_Shdr *from) {
    const Elf64_Ehdr *head = (const void *)file;
    const Elf64_Shdr *all = (const void *)(file + head->e_shoff);
    for (const Elf64_Shdr *s = from ? from + 1 : all; s < all + head->e_shnum; s++)
        if (s->sh_type == type)
            return s;
    return NULL;
}

/* Reads a file of ours into memory that the caller frees; NULL when it cannot. */
static char *read_all(const char *path, size_t *n) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *data = NULL;
    if (fd >= 0 && fstat(fd, &st) == 0) {
        *n = (size_t)st.st_size;
        data = xmalloc(*n);
        if (read(fd, data, *n) != (ssize_t)*n)
            x_free(&data);
    }
    if (fd >= 0)
        close(fd);
    return data;
}

/* DT_NEEDED entries of a 64-bit program of this machine; -1 when it is none. */
static int count_needed(const char *path) {
    size_t n = 0;
    int count = -1;
    char *file = read_all(path, &n);
    const Elf64_Shdr *s = file && n > sizeof(Elf64_Ehdr) && memcmp(file, ELFMAG, SELFMAG) == 0 &&
                                  file[EI_CLASS] == ELFCLASS64
                              ? section(file, SHT_DYNAMIC, NULL)
                              : NULL;
    if (s) {
        const Elf64_Dyn *d = (const void *)(file + s->sh_offset);
        for (count = 0; d->d_tag != DT_NULL; d++)
            count += d->d_tag == DT_NEEDED;
    }
    free(file);
    return count;
}

static bool products(void *arg, double *v, struct cause *why) {
    struct build *b = arg;
    double ignored;
    static const char *const names[] = {"spacebot", "spacebot-run"};
    if (!shell(b, "strip -o out-spacebot spacebot && strip -o out-spacebot-run spacebot-run",
               &ignored, &ignored, why))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *path = xasprintf("%s/out-%s", b->dir, names[i]);
        struct stat st;
        v[2 * i] = stat(path, &st) == 0 ? (double)st.st_size / 1024 : 0;
        v[2 * i + 1] = count_needed(path);
        free(path);
    }
    return true;
}

int main(int argc, char **argv) {
    static const struct bench_figure times[] = {
        {.name = "build_clean",
         .what =
             "the program from nothing, configured, on all cores, no compiler cache; control: two "
             "compilers on a fixed text of 150 functions",
         .unit = "s",
         .kind = BENCH_MAX,
         .goal = 10},
        {.name = "build_cpu", .what = "CPU of that", .unit = "s", .kind = BENCH_REPORTED},
        {.name = "build_again",
         .what = "after " TOUCHED " has changed",
         .unit = "s",
         .kind = BENCH_REPORTED},
    };
    static const struct bench_figure sizes[] = {
        {.name = "size_spacebot",
         .what = "spacebot, stripped",
         .unit = "KB",
         .kind = BENCH_REPORTED,
         .alone = true,
         .exact = true},
        {.name = "libraries_spacebot",
         .what = "libraries that it names itself",
         .unit = "libraries",
         .kind = BENCH_REPORTED,
         .alone = true,
         .exact = true},
        {.name = "size_launcher",
         .what = "spacebot-run, stripped",
         .unit = "KB",
         .kind = BENCH_REPORTED,
         .alone = true,
         .exact = true},
        {.name = "libraries_launcher",
         .what = "libraries that it names itself",
         .unit = "libraries",
         .kind = BENCH_REPORTED,
         .alone = true,
         .exact = true},
    };
    struct build b = {.home = NULL};
    struct cause why = {""};
    bench_begin(argc, argv);
    if (set_up(&b, &why)) {
        bench_run(&(struct bench_case){.figures = times,
                                       .n = ARRAY_LEN(times),
                                       .subject = subject,
                                       .control = control,
                                       .fills = true,
                                       .arg = &b});
        bench_run(&(struct bench_case){.figures = sizes,
                                       .n = ARRAY_LEN(sizes),
                                       .subject = products,
                                       .fills = true,
                                       .rounds = 1,
                                       .arg = &b});
    } else {
        for (size_t i = 0; i < ARRAY_LEN(times); i++)
            bench_skip(&times[i], why.text);
    }
    tmphome_free(&b.home);
    free(b.log);
    return bench_end();
}
