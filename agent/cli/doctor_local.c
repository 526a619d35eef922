/* doctor: what lies on this machine. Nothing here asks NATS. */
#include "cli/doctor.h"

#include "base/clock.h"
#include "config/url.h"
#include "operate/expiry.h"
#include "operate/health.h"
#include "operate/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FEW_BYTES   (UINT64_C(64) << 20) /* free space below this is told */
#define LETTERS_MAX 100000
#define FILE_MAX    (1u << 20)

/* ---- settings and files ------------------------------------------------------------------------------------------------ */

struct origins {
    unsigned set[SC_FROM_COMMAND_LINE + 1];
};

static void count_origin(void *arg, const char *key, const char *value, enum sc_setting_origin origin, const char *source, const char *help, const char *def)
{
    (void)key, (void)value, (void)source, (void)help, (void)def;
    struct origins *origins = arg;
    if ((unsigned)origin <= SC_FROM_COMMAND_LINE)
        origins->set[origin]++;
}

static void check_settings(struct sc_doctor *d)
{
    const struct sc_settings *s = &d->cli->settings;
    struct origins origins = {{0}};
    sc_settings_each(s, count_origin, &origins);
    sc_check(d, "settings", SC_CHECK_OK, NULL, "appliance %s; settings file %s sets %u, node file %s %u, environment %u, command line %u", s->appliance_id,
             *s->config_file ? s->config_file : "none", origins.set[SC_FROM_FILE], *s->node_file ? s->node_file : "none", origins.set[SC_FROM_NODE],
             origins.set[SC_FROM_ENVIRONMENT], origins.set[SC_FROM_COMMAND_LINE]);
    if (s->offline_mode)
        sc_check(d, "offline mode", SC_CHECK_NOTICE, "Set offline_mode to false in the node file to poll again.", "offline_mode is true: no vendor is polled");
    if (d->cli->plugins && sc_plugins_count(d->cli->plugins) == 0)
        sc_check(d, "connectors", SC_CHECK_BAD, "Set connectors.path (SIGNAL_CLIENT_CONNECTORS) to the directory of the connector modules.",
                 "no connector in %s", s->connectors_path);
    else if (d->cli->plugins)
        sc_check(d, "connectors", SC_CHECK_OK, NULL, "%zu connectors in %s", sc_plugins_count(d->cli->plugins), s->connectors_path);
}

static void say_unreadable(struct sc_doctor *d, const char *check, const char *key, const char *path, int error)
{
    struct stat info;
    if (stat(path, &info) == 0)
        sc_check(d, check, SC_CHECK_BAD, "Let this user read the file.", "%s %s: %s (we are user %u, the file is user %u's, mode %04o)", key, path, strerror(error),
                 (unsigned)geteuid(), (unsigned)info.st_uid, (unsigned)info.st_mode & 07777);
    else
        sc_check(d, check, SC_CHECK_BAD, "Correct the path; in a container it is the container's own.", "%s %s: %s", key, path, strerror(error));
}

/* Whether a file can be read, and its begin. -1: said. */
static int read_begin(struct sc_doctor *d, const char *check, const char *key, const char *path, struct sc_buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        say_unreadable(d, check, key, path, errno);
        return -1;
    }
    char chunk[16384];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0 && out->len < FILE_MAX)
        sc_buf_add(out, chunk, (size_t)got);
    int error = errno;
    close(fd);
    if (got >= 0)
        return 0;
    say_unreadable(d, check, key, path, error);
    return -1;
}

static unsigned count_of(struct sc_str text, const char *part)
{
    unsigned count = 0;
    const char *at = text.ptr, *end = text.ptr + text.len;
    while (at < end && (at = memmem(at, (size_t)(end - at), part, strlen(part)))) {
        count++;
        at += strlen(part);
    }
    return count;
}

/* It can be used; until when? */
static void say_end(struct sc_doctor *d, const char *check, const char *key, const char *path, unsigned certificates)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_expiry expiry = {.at_ms = SC_TIME_NONE};
    char ends[SC_EXPIRY_TEXT] = "", count[40] = "";
    int64_t now = sc_real_ms();
    if (certificates)
        snprintf(count, sizeof count, ": %u %s", certificates, certificates == 1 ? "certificate" : "certificates");
    if (sc_expiry_file(path, &expiry, &err) || expiry.at_ms == SC_TIME_NONE) {
        sc_check(d, check, SC_CHECK_OK, NULL, "%s %s%s", key, path, *count ? count : " can be read");
        return;
    }
    sc_check(d, check, expiry.at_ms <= now ? SC_CHECK_BAD : expiry.at_ms - now < SC_EXPIRY_WARN_MS ? SC_CHECK_NOTICE : SC_CHECK_OK,
             "Put a new file in its place; it is read at the next connection, without a restart.", "%s %s%s, %s", key, path, count,
             sc_expiry_text(&expiry, now, ends));
}

static void check_pem(struct sc_doctor *d, const char *check, const char *key, const char *path, const char *mark, bool secret)
{
    struct sc_buf text SC_AUTO_BUF = {0};
    struct stat info = {0};
    if (!path || !*path || read_begin(d, check, key, path, &text))
        return;
    unsigned count = count_of(sc_buf_str(&text), mark);
    if (text.len)
        explicit_bzero(text.ptr, text.len);
    stat(path, &info);
    if (count == 0)
        sc_check(d, check, SC_CHECK_BAD, "Give a PEM file.", "%s %s: nothing in it begins with \"%s\"", key, path, mark);
    else if (secret && (info.st_mode & 077))
        sc_check(d, check, SC_CHECK_NOTICE, "chmod 600", "%s %s can be read by others (mode %04o)", key, path, (unsigned)info.st_mode & 07777);
    else
        say_end(d, check, key, path, secret ? 0 : count);
}

static void check_seal_key(struct sc_doctor *d, const char *key, const char *path)
{
    struct sc_error err = SC_ERROR_INIT;
    struct sc_seal_key seal;
    if (!path || !*path)
        return;
    if (sc_seal_file_read(path, &seal, &err))
        sc_check(d, "seal key", SC_CHECK_BAD, "Until it can be read, nothing that is sealed with it can be used; a restart is not needed.", "%s: %s", key, err.text);
    else
        sc_check(d, "seal key", SC_CHECK_OK, NULL, "%s %s holds key %s", key, path, seal.id);
    explicit_bzero(seal.bytes, sizeof seal.bytes);
}

static void check_files(struct sc_doctor *d)
{
    const struct sc_settings *s = &d->cli->settings;
    check_pem(d, "CA file", "tls.ca_file", s->tls_ca_file, "-----BEGIN CERTIFICATE-----", false);
    check_pem(d, "certificate", "tls.client_cert", s->tls_client_cert, "-----BEGIN CERTIFICATE-----", false);
    check_pem(d, "certificate key", "tls.client_key", s->tls_client_key, "PRIVATE KEY-----", true);
    check_pem(d, "NATS credentials", "nats.creds", s->nats_creds, "-----BEGIN NATS USER JWT-----", true);
    check_seal_key(d, "seal.key_file", s->seal_key_file);
    check_seal_key(d, "seal.old_key_file", s->seal_old_key_file);
}

/* ---- directories ------------------------------------------------------------------------------------------------------- */

static void add_space(const char *path, char *out, size_t cap, bool *ret_few)
{
    struct statvfs fs;
    char size[SC_SIZE_TEXT];
    *ret_few = false;
    out[0] = '\0';
    if (statvfs(path, &fs))
        return;
    uint64_t left = (uint64_t)fs.f_bavail * fs.f_frsize;
    *ret_few = left < FEW_BYTES || (fs.f_files && fs.f_favail < 100);
    snprintf(out, cap, ", %s free", sc_size_text(left, size));
    if (fs.f_files && fs.f_favail < 100)
        snprintf(out, cap, ", room for %llu files", (unsigned long long)fs.f_favail);
}

static void check_run_dir(struct sc_doctor *d)
{
    const char *path = d->cli->settings.run_dir;
    char space[64];
    bool few;
    struct stat info;
    if (stat(path, &info)) {
        sc_check(d, "run.dir", SC_CHECK_NOTICE, "If the agent runs on this machine, give both the same run.dir.", "%s: %s; no agent has run with it here", path,
                 strerror(errno));
        return;
    }
    add_space(path, space, sizeof space, &few);
    if (access(path, W_OK | X_OK))
        sc_check(d, "run.dir", SC_CHECK_BAD, "Make it writable for the agent's user, or set run.dir.", "%s is not writable for user %u (it is user %u's, mode %04o)",
                 path, (unsigned)geteuid(), (unsigned)info.st_uid, (unsigned)info.st_mode & 07777);
    else
        sc_check(d, "run.dir", few ? SC_CHECK_NOTICE : SC_CHECK_OK, "Free space there.", "%s is writable%s", path, space);
}

/* Files whose names are ours; *ret_newest real ms, 0: none. */
static unsigned count_letters(const char *path, uint64_t *ret_bytes, int64_t *ret_newest)
{
    DIR *dir = opendir(path);
    unsigned count = 0;
    *ret_bytes = 0;
    *ret_newest = 0;
    for (struct dirent *entry; dir && count < LETTERS_MAX && (entry = readdir(dir));) {
        struct stat info;
        if (entry->d_name[0] == '.' || fstatat(dirfd(dir), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) || !S_ISREG(info.st_mode))
            continue;
        int64_t at = (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000;
        *ret_newest = at > *ret_newest ? at : *ret_newest;
        *ret_bytes += (uint64_t)info.st_size;
        count++;
    }
    if (dir)
        closedir(dir);
    return count;
}

static void check_letters(struct sc_doctor *d)
{
    const char *path = d->cli->settings.dead_letter_dir;
    char space[64], size[SC_SIZE_TEXT], ago[48];
    uint64_t bytes;
    int64_t newest;
    bool few;
    struct stat info;
    if (stat(path, &info)) {
        if (errno == ENOENT)
            sc_check(d, "dead letters", SC_CHECK_OK, NULL, "none; %s is made when the first one is written", path);
        else
            sc_check(d, "dead letters", SC_CHECK_BAD, "Let the agent's user into it, or set dead_letter.dir.", "%s: %s", path, strerror(errno));
        return;
    }
    add_space(path, space, sizeof space, &few);
    unsigned count = count_letters(path, &bytes, &newest);
    if (access(path, W_OK | X_OK))
        sc_check(d, "dead letters", SC_CHECK_BAD, "Make it writable for the agent's user: a data type that has to write there stops otherwise.",
                 "%s is not writable for user %u (it is user %u's, mode %04o)", path, (unsigned)geteuid(), (unsigned)info.st_uid, (unsigned)info.st_mode & 07777);
    else if (count)
        sc_check(d, "dead letters", SC_CHECK_NOTICE, "Look at them: each says in its name which record could not be published, and of which integration.",
                 "%u files (%s) in %s, the newest %s%s", count, sc_size_text(bytes, size), path, sc_ago_text(newest, sc_real_ms(), ago), space);
    else
        sc_check(d, "dead letters", few ? SC_CHECK_NOTICE : SC_CHECK_OK, "Free space there: where a dead letter cannot be kept, its data type stops.",
                 "none; %s is writable%s", path, space);
}

/* ---- the machine ------------------------------------------------------------------------------------------------------- */

static void check_agent_here(struct sc_doctor *d)
{
    struct sc_buf line SC_AUTO_BUF = {0}, text SC_AUTO_BUF = {0};
    struct sc_previous_run run;
    char use[96];
    bool bad = sc_health_read(d->cli->settings.run_dir, &line);
    sc_health_previous(d->cli->settings.run_dir, &run);
    if (!run.known && bad)
        sc_check(d, "agent here", SC_CHECK_NOTICE, "Start it with `signal-client run`; where it runs on another machine, this line says nothing.", "%s",
                 sc_buf_str(&line).ptr);
    else
        sc_check(d, "agent here", bad ? SC_CHECK_BAD : SC_CHECK_OK, "Start it (`signal-client run`), or look at the end of its log.", "%s", sc_buf_str(&line).ptr);
    if (run.known && !run.stopped && run.resident) {
        sc_memory_text(run.resident, run.limit, use);
        bool near = sc_memory_level(run.resident, run.limit, SC_MEMORY_AMPLE) != SC_MEMORY_AMPLE;
        sc_check(d, "memory", near ? SC_CHECK_BAD : SC_CHECK_OK, "Raise the container's memory limit, or lengthen intervals: near the limit polls wait for each other.",
                 "the agent: %s", use);
        return;
    }
    uint64_t limit = sc_memory_cgroup_limit("", &text);
    if (limit)
        sc_check(d, "memory", SC_CHECK_OK, NULL, "limit %s (%s)", sc_size_text(limit, use), sc_buf_str(&text).ptr);
    else
        sc_check(d, "memory", SC_CHECK_OK, NULL, "no limit is set for this process");
}

struct proxies {
    struct sc_buf text;
};

static void add_proxy(void *arg, const char *key, const char *value, enum sc_setting_origin origin, const char *source, const char *help, const char *def)
{
    (void)help, (void)def;
    struct proxies *proxies = arg;
    struct sc_buf masked SC_AUTO_BUF = {0};
    bool url = strcmp(key, "http.https_proxy") == 0 || strcmp(key, "http.http_proxy") == 0;
    if ((!url && strcmp(key, "http.no_proxy") != 0) || !*value)
        return;
    if (url)
        sc_url_mask(value, &masked);
    sc_buf_addf(&proxies->text, "%s%s = %s (%s)", proxies->text.len ? ", " : "", key + 5, url ? sc_buf_str(&masked).ptr : value,
                origin == SC_FROM_DEFAULT ? "default" : source);
}

static void check_proxy(struct sc_doctor *d)
{
    struct proxies proxies = {{0}};
    const struct sc_settings *s = &d->cli->settings;
    sc_settings_each(s, add_proxy, &proxies);
    if (!*s->https_proxy && *s->http_proxy)
        sc_check(d, "proxy", SC_CHECK_NOTICE, "Set HTTPS_PROXY as well where vendors are to be reached through it: they are asked by https.",
                 "%s; none for https", sc_buf_str(&proxies.text).ptr);
    else
        sc_check(d, "proxy", SC_CHECK_OK, NULL, "%s", *s->https_proxy ? sc_buf_str(&proxies.text).ptr : "none: vendors are asked directly, unless an integration names one");
    sc_buf_done(&proxies.text);
}

void sc_doctor_local(struct sc_doctor *d)
{
    check_settings(d);
    check_files(d);
    check_run_dir(d);
    check_letters(d);
    check_agent_here(d);
    check_proxy(d);
}
