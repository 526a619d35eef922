/* Dead letters: a record that cannot be published is kept as a file named by its identity. Written, fsynced, renamed, the directory fsynced:
 * then it counts as done. Mode 0600, directory 0700. io thread (rare, so blocking on the disk is accepted). */
#include "poll/poller.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct sc_dead_letter {
    int dir_fd, fd;
    char temp[48];
    char *dir;
    struct sc_sha256_stream *hash;
};

static int cannot(struct sc_error *err, const char *dir, const char *what)
{
    return sc_fail(err, SC_REASON_DEAD_LETTER_FAILED,
                   "dead-letter directory %s: %s: %s; make room or make it writable for uid %ld (setting dead_letter.dir)", dir, what,
                   strerror(errno), (long)geteuid());
}

struct sc_dead_letter *sc_dead_letter_drop(struct sc_dead_letter *letter)
{
    if (!letter)
        return NULL;
    if (letter->fd >= 0) {
        unlinkat(letter->dir_fd, letter->temp, 0);
        close(letter->fd);
    }
    if (letter->dir_fd >= 0)
        close(letter->dir_fd);
    sc_sha256_free(letter->hash);
    free(letter->dir);
    free(letter);
    return NULL;
}

struct sc_dead_letter *sc_dead_letter_open(const char *dir, struct sc_error *err)
{
    unsigned char random[8];
    char hex[17];
    struct sc_dead_letter *letter = calloc(1, sizeof *letter);
    if (!letter || (dir && !(letter->dir = sc_dup(dir)))) {
        free(letter);
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory for a dead letter");
        return NULL;
    }
    letter->fd = letter->dir_fd = -1;
    letter->hash = sc_sha256_new();
    if (!letter->hash) {
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory for a dead letter");
        return sc_dead_letter_drop(letter);
    }
    if (!dir)
        return letter;
    if (mkdir(dir, 0700) && errno != EEXIST)
        cannot(err, dir, "cannot be made");
    letter->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (letter->dir_fd < 0) {
        cannot(err, dir, "cannot be opened");
        return sc_dead_letter_drop(letter);
    }
    sc_random(random, sizeof random);
    sc_hex(random, sizeof random, hex);
    snprintf(letter->temp, sizeof letter->temp, ".partial-%s", hex);
    letter->fd = openat(letter->dir_fd, letter->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (letter->fd < 0) {
        cannot(err, dir, "a file cannot be made");
        return sc_dead_letter_drop(letter);
    }
    return letter;
}

int sc_dead_letter_add(struct sc_dead_letter *letter, const char *bytes, size_t len, struct sc_error *err)
{
    sc_sha256_add(letter->hash, bytes, len);
    while (len && letter->dir) {
        ssize_t n = write(letter->fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot(err, letter->dir, "writing failed");
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

int sc_dead_letter_keep(struct sc_dead_letter *letter, const char *id, char *name, bool *ret_known, struct sc_error *err)
{
    struct stat st;
    unsigned char digest[32];
    char hex[17];
    int rc = 0;
    sc_sha256_finish(letter->hash, digest);
    sc_hex(digest, 8, hex);
    snprintf(name, 300, "%s.%s", id, hex);
    *ret_known = fstatat(letter->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (!*ret_known) {
        SC_FAULT("deadletter.before");
        if (fsync(letter->fd) || renameat(letter->dir_fd, letter->temp, letter->dir_fd, name) || fsync(letter->dir_fd))
            rc = cannot(err, letter->dir, "keeping a file failed");
        else
            SC_FAULT("deadletter.after");
    }
    sc_dead_letter_drop(letter); /* the temporary name is gone after a rename; unlink of it does nothing */
    return rc;
}
