/* Secrets and files from the operator. A secret is never echoed, never an argument, and wiped where it was collected. */
#include "cli/commands.h"

#include "base/redact.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#define MAX_SECRET_BYTES (64 * 1024)
#define CTRL_C           '\003'

bool sc_can_ask(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* Byte by byte, so that what belongs to the next line stays for it. 1: a line, 0: the end, -1 + err. */
static int read_line(struct sc_buf *out, struct sc_error *err)
{
    for (;;) {
        char c;
        ssize_t got = read(STDIN_FILENO, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sc_fail(err, SC_REASON_CONFIG_INVALID, "cannot read standard input: %s", strerror(errno));
        if (got == 0)
            return out->len > 0;
        if (c == '\n')
            return 1;
        if (c == CTRL_C && isatty(STDIN_FILENO))
            return sc_fail(err, SC_REASON_CONFIG_INVALID, "cancelled, nothing was written");
        if (c == '\0' || sc_buf_add_char(out, c))
            return sc_fail(err, SC_REASON_CONFIG_INVALID, "a secret has a zero byte or more than 64 KiB: that is not what is meant");
    }
}

static int read_hidden(const char *what, struct sc_buf *out, struct sc_error *err)
{
    struct termios before, quiet;
    if (tcgetattr(STDIN_FILENO, &before))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "cannot hide the input: %s", strerror(errno));
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG); /* without signals nothing can leave the terminal mute */
    quiet.c_cc[VEOL] = CTRL_C;                 /* and Ctrl-C ends the line */
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet))
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "cannot hide the input: %s", strerror(errno));
    fprintf(stderr, "%s: ", what); /* not before: an answer typed at once would be echoed, or thrown away */
    int rc = read_line(out, err);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    return rc;
}

char *sc_read_secret(const char *what, struct sc_error *err)
{
    struct sc_buf text = {0};
    sc_buf_init(&text, MAX_SECRET_BYTES);
    sc_buf_reserve(&text, MAX_SECRET_BYTES - 1); /* at once, so that no copy is left behind by growing */
    int rc = sc_can_ask() ? read_hidden(what, &text, err) : read_line(&text, err);
    if (rc > 0 && text.len && text.ptr[text.len - 1] == '\r')
        text.ptr[--text.len] = '\0';
    if (rc == 0)
        rc =
            sc_fail(err, SC_REASON_CONFIG_INVALID, "standard input ended before %s: give one line for each --secret, in their order", what);
    else if (rc > 0 && !text.len)
        rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "%s is empty: nothing was written", what);
    char *secret = rc > 0 ? sc_dup(text.ptr) : NULL;
    if (text.ptr)
        explicit_bzero(text.ptr, text.len);
    sc_buf_done(&text);
    if (rc > 0 && !secret)
        sc_fail(err, SC_REASON_MEMORY_LIMIT, "out of memory");
    return secret;
}

bool sc_ask_yes(const char *question)
{
    struct sc_buf line SC_AUTO_BUF = {0};
    fprintf(stderr, "%s [y/N] ", question);
    return read_line(&line, NULL) > 0 && (sc_str_is(sc_buf_str(&line), "y") || sc_str_is(sc_buf_str(&line), "yes"));
}

int sc_read_input(const char *path, size_t max, struct sc_buf *out, struct sc_error *err)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), rc = 0;
    if (fd < 0)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "cannot read %s: %s", path, strerror(errno));
    sc_buf_init(out, max);
    for (;;) {
        char piece[8192];
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "cannot read %s: %s", path, strerror(errno));
        else if (got > 0 && sc_buf_add(out, piece, (size_t)got))
            rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "%s has more than %zu KiB: that is no integration", path, max / 1024);
        if (rc || got == 0)
            break;
    }
    if (!standard)
        close(fd);
    return rc;
}
