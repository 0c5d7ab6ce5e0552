/* host: what this machine has that concerns containment: bubblewrap, files that only some may read,
 * cgroups. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sandbox/policy.h"

char *host_bubblewrap(void) {
    /* Not from PATH: a directory there may be a worker's to write, and this program builds the
     * walls. */
    static const char *const places[] = {"/usr/bin/bwrap", "/bin/bwrap", "/usr/local/bin/bwrap",
                                         "/run/current-system/sw/bin/bwrap"};
    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (access(places[i], X_OK) == 0)
            return xstrdup(places[i]);
    return NULL;
}

/* Hiding /run would take the name servers away where resolv.conf is a link into it. */
char *host_resolv(void) {
    char *real = realpath("/etc/resolv.conf", NULL);
    if (real && !path_is_below(real, "/run"))
        x_free(&real);
    return real;
}

/* ---- files that are not for everybody ---- */

static void mask(const char *path, struct strv *out) {
    if (access(path, R_OK) != 0)
        return; /* not readable for the command either */
    struct stat st;
    char *real = realpath(path, NULL);
    if (real && stat(real, &st) == 0) {
        /* Directories that all may enter have files in them that only root may read. */
        bool private = !(st.st_mode & S_IROTH) || (S_ISDIR(st.st_mode) && geteuid() == 0);
        if ((S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) && private)
            strv_push(out, real);
    }
    x_free(&real);
}

void host_masked(struct strv *out) {
    /* Root keeps its user id inside, so that what only root may read stays readable there. */
    static const char *const paths[] = {
        "/etc/shadow",      "/etc/shadow-",     "/etc/gshadow",
        "/etc/gshadow-",    "/etc/sudoers",     "/etc/sudoers.d",
        "/etc/doas.conf",   "/etc/krb5.keytab", "/etc/NetworkManager/system-connections",
        "/etc/wireguard",   "/etc/openvpn",     "/etc/ppp",
        "/etc/ssl/private", "/etc/letsencrypt", "/etc/kubernetes",
        "/var/backups",     "/var/spool/cron",  "/var/lib/docker",
        "/var/lib/private", "/var/lib/sss",     "/root"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        mask(paths[i], out);
    glob_t keys;
    if (glob("/etc/ssh/ssh_host_*_key", 0, NULL, &keys) == 0)
        for (size_t i = 0; i < keys.gl_pathc; i++)
            mask(keys.gl_pathv[i], out);
    globfree(&keys);
}

/* ---- cgroups ---- */

/* One mounted hierarchy: where it is, and which of its directories that shows ("/" normally). */
struct hierarchy {
    char mount[512], root[512];
};

/* Whether a comma-separated list has the word. */
static bool has_word(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *p = list; (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ',') && (p[n] == '\0' || p[n] == ',' || p[n] == '\n'))
            return true;
    return false;
}

/* The cgroup2 mount (controller NULL), also a hybrid one, or the first version's of a controller.
 */
static bool find_mount(const char *controller, struct hierarchy *h) {
    FILE *f = fopen("/proc/self/mountinfo", "re");
    if (!f)
        return false;
    char line[2048];
    bool found = false;
    while (!found && fgets(line, sizeof line, f)) {
        char type[64], options[512];
        const char *dash = strstr(line, " - ");
        if (!dash || sscanf(line, "%*s %*s %*s %511s %511s", h->root, h->mount) != 2 ||
            sscanf(dash, " - %63s %*s %511s", type, options) != 2)
            continue;
        found = controller ? str_eq(type, "cgroup") && has_word(options, controller)
                           : str_eq(type, "cgroup2");
    }
    fclose(f);
    return found;
}

/* Our own path in the hierarchy, from "ID:controllers:path". */
static bool find_path(const char *controller, char path[512]) {
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f)
        return false;
    char line[1024], *save;
    bool found = false;
    while (!found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        const char *id = line;
        char *names = strchr(line, ':');
        if (!names)
            continue;
        *names++ = '\0';
        save = strchr(names, ':');
        if (!save)
            continue;
        *save++ = '\0';
        found = controller ? has_word(names, controller) : str_eq(id, "0");
        if (found)
            snprintf(path, 512, "%s", save);
    }
    fclose(f);
    return found;
}

/* Whether children of this cgroup get the pids controller. */
static bool gives_pids(const char *dir) {
    char path[1200], text[256] = "";
    snprintf(path, sizeof path, "%s/cgroup.subtree_control", dir);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    bool yes = fgets(text, sizeof text, f) && strstr(text, "pids");
    fclose(f);
    return yes;
}

/* Our own directory of the hierarchy; "" when it is not under the mount. */
static void own_directory(const struct hierarchy *h, const char *path, char dir[1100]) {
    dir[0] = '\0';
    if (!path_is_below(path, h->root))
        return;
    const char *rest = str_eq(h->root, "/") ? path : path + strlen(h->root);
    snprintf(dir, 1100, "%s%s", h->mount, str_eq(rest, "/") ? "" : rest);
}

void host_remove_stale_cgroups(const char *dir) {
    DIR *d = opendir(dir);
    const struct dirent *e;
    while (d && (e = readdir(d))) {
        int64_t pid;
        if (!str_prefix(e->d_name, "spacebot-run-") ||
            str_to_i64(e->d_name + strlen("spacebot-run-"), &pid) != STATUS_OK || pid < 1 ||
            pid > INT_MAX || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
            continue;
        (void)unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR); /* fails while something is in it */
    }
    if (d)
        closedir(d);
}

static void add_cgroup(struct strv *out, const char *dir) {
    if (!dir[0] || access(dir, W_OK) != 0)
        return;
    host_remove_stale_cgroups(dir);
    strv_push(out, dir);
}

void host_cgroups(struct strv *out) {
    struct hierarchy h;
    char path[512], dir[1100];
    if (find_mount(NULL, &h) && find_path(NULL, path)) {
        own_directory(&h, path, dir);
        /* Under systemd only the root's children have the pids controller without asking. */
        if (!gives_pids(dir) && gives_pids(h.mount) && access(h.mount, W_OK) == 0)
            snprintf(dir, sizeof dir, "%s", h.mount);
        add_cgroup(out, dir);
    }
    if (find_mount("pids", &h) && find_path("pids", path)) {
        own_directory(&h, path, dir);
        add_cgroup(out, dir);
    }
}
