/* Key files: read with suspicion, written once. */
#include "operate/seal_file.h"

#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE_BYTES 256
#define KEY_CHARS      44 /* of base64 with its padding */

#define FORM "it must be one line, 32 bytes as base64, as `signal-client seal --new-key FILE` writes it"

static int fail_open(const char *path, int why, struct sc_error *err)
{
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "key file %s cannot be read by user %ld: %s", path, (long)geteuid(), strerror(why));
}

/* A pipe or device in its place must not make us wait. */
static int open_file(const char *path, struct sc_error *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), rc = 0;
    if (fd < 0)
        return fail_open(path, errno, err);
    if (fstat(fd, &info))
        rc = fail_open(path, errno, err);
    else if (!S_ISREG(info.st_mode))
        rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "key file %s is no regular file", path);
    else if (info.st_mode & (S_IRWXG | S_IRWXO))
        rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "key file %s is open to others (owner %ld, mode %04o): `chmod 600 %s`", path,
                     (long)info.st_uid, (unsigned)(info.st_mode & 07777), path);
    if (rc == 0)
        return fd;
    close(fd);
    return -1;
}

static ssize_t read_all(int fd, char *out, size_t cap)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t got = read(fd, out + len, cap - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    return (ssize_t)len;
}

/* OpenSSL's decoder forgives much; writing the bytes again tells whether the text was exactly theirs. */
static bool decode(const char *text, size_t len, unsigned char out[SC_SEAL_KEY_BYTES])
{
    unsigned char bytes[KEY_CHARS / 4 * 3], again[KEY_CHARS + 1];
    while (len && strchr(" \t\r\n", text[len - 1]))
        len--;
    bool good = len == KEY_CHARS && EVP_DecodeBlock(bytes, (const unsigned char *)text, KEY_CHARS) == (int)sizeof bytes &&
                EVP_EncodeBlock(again, bytes, SC_SEAL_KEY_BYTES) == KEY_CHARS && memcmp(again, text, KEY_CHARS) == 0;
    if (good)
        memcpy(out, bytes, SC_SEAL_KEY_BYTES);
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(again, sizeof again);
    return good;
}

int sc_seal_file_read(const char *path, struct sc_seal_key *ret, struct sc_error *err)
{
    char text[MAX_FILE_BYTES];
    unsigned char bytes[SC_SEAL_KEY_BYTES];
    int fd = open_file(path, err);
    if (fd < 0)
        return -1;
    ssize_t len = read_all(fd, text, sizeof text);
    int rc = len < 0 ? fail_open(path, errno, err) : 0;
    close(fd);
    if (rc == 0 && !decode(text, (size_t)len, bytes))
        rc = sc_fail(err, SC_REASON_CONFIG_INVALID, "key file %s holds no key: " FORM, path);
    if (rc == 0)
        rc = sc_seal_key_set(ret, bytes, err);
    explicit_bzero(text, sizeof text);
    explicit_bzero(bytes, sizeof bytes);
    return rc;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t done = write(fd, text, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        text += done;
        len -= (size_t)done;
    }
    return true;
}

static int write_file(const char *path, const char *line, struct sc_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return sc_fail(err, SC_REASON_CONFIG_INVALID,
                       "%s exists already and was left as it is: what is sealed with a key that is overwritten is lost; give another name", path);
    if (fd < 0)
        return sc_fail(err, SC_REASON_CONFIG_INVALID, "cannot make key file %s: %s", path, strerror(errno));
    bool good = fchmod(fd, 0600) == 0 && write_all(fd, line, strlen(line)) && fsync(fd) == 0;
    int why = errno;
    if (close(fd) && good) {
        why = errno;
        good = false;
    }
    if (good)
        return 0;
    unlink(path);
    return sc_fail(err, SC_REASON_CONFIG_INVALID, "cannot write key file %s: %s", path, strerror(why));
}

int sc_seal_file_make(const char *path, struct sc_seal_key *ret, struct sc_error *err)
{
    unsigned char bytes[SC_SEAL_KEY_BYTES], line[KEY_CHARS + 2];
    if (sc_random(bytes, sizeof bytes))
        return sc_fail(err, SC_REASON_INTERNAL, "the kernel gives no random numbers: no key can be made");
    EVP_EncodeBlock(line, bytes, sizeof bytes);
    memcpy(line + KEY_CHARS, "\n", 2);
    int rc = sc_seal_key_set(ret, bytes, err) || write_file(path, (const char *)line, err) ? -1 : 0;
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(line, sizeof line);
    return rc;
}
