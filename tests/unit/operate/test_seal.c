/* Sealed values against another implementation's (Python's `cryptography`; none of this code has a part in them), and what
 * must not open; key files against what operators and others do to them. */
#include "operate/seal_file.h"

#include "base/hash.h"
#include "base/redact.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define KEY_1      "354e57c6051f6cfc" /* of the bytes 00 01 … 1f */
#define KEY_2      "6617e63698d0e090" /* of those in second_key */
#define OKTA       "sealed:v1:" KEY_1 ":AAAAAAAAAAAAAAAAPoz0vNZz59hu7-F8NUb69Z8NGTcl99t-n01AK2CX_gnXAro"
#define OKTA_PLAIN "00Abc_defGHI-jklMNO"

static const unsigned char second_key[] = {0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08,
                                           0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c, 0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08};

static struct sc_seal_keys two_keys(void)
{
    struct sc_seal_keys keys = {.count = 2};
    struct sc_error err = SC_ERROR_INIT;
    unsigned char first[SC_SEAL_KEY_BYTES];
    for (unsigned i = 0; i < sizeof first; i++)
        first[i] = (unsigned char)i;
    assert_int_equal(sc_seal_key_set(&keys.at[0], first, &err), 0);
    assert_int_equal(sc_seal_key_set(&keys.at[1], second_key, &err), 0);
    return keys;
}

static void test_seal_vectors(void **state)
{
    static const struct {
        const char *integration, *field, *plain, *sealed;
    } rows[] = {
        {"okta-prod", "api_token", OKTA_PLAIN, OKTA},
        {"okta-prod", "api_token", "x", "sealed:v1:" KEY_1 ":ZGVmZ2hpamtsbW5vMMVZumNAv1yLXFKj8-detW4"},
        {"eu/okta=1", "private_key", "-----BEGIN PRIVATE KEY-----\nM\xc3\xa4IG\n-----END PRIVATE KEY-----\n",
         "sealed:v1:" KEY_2 ":yv66vvrO263eyviIpjHe-EyQPqUYaB421zgyprbYBcTviBo-dvm_iuKn_5HXhq_w4UifK8Y7pWRNbWtcINnT3XzusXArh6BR2rlFbaArYYl_VVtglYxytQ"},
        {"a", "proxy", "http://u:p@h:3128", "sealed:v1:" KEY_2 ":________________ATi110WZezWg5iqwPBa5ZfJDL6KlCmndyPFFzgYiACZ6"},
    };
    (void)state;
    struct sc_seal_keys keys = two_keys();
    CHECK_TEXT("derived by HMAC-SHA256", keys.at[0].id, KEY_1);
    CHECK_TEXT("derived by HMAC-SHA256", keys.at[1].id, KEY_2);
    for (size_t i = 0; i < ROWS(rows); i++) {
        char *plain = NULL;
        CHECK_INT(rows[i].sealed, sc_unseal(&keys, rows[i].integration, rows[i].field, rows[i].sealed, &plain), SC_UNSEALED);
        CHECK_TEXT(rows[i].sealed, plain, rows[i].plain);
        sc_secret_free(plain);
    }
}

/* What seals is what opens, which the vectors hold to the format; and never twice the same text. */
static void test_seal_there_and_back(void **state)
{
    (void)state;
    struct sc_seal_keys keys = two_keys();
    struct sc_error err = SC_ERROR_INIT;
    static const size_t lens[] = {1, 2, 3, 15, 16, 17, 255, 4096, SC_SEAL_MAX_BYTES};
    for (size_t i = 0; i < ROWS(lens); i++) {
        struct sc_buf once SC_AUTO_BUF = {0}, again SC_AUTO_BUF = {0};
        char *plain = NULL, *text = malloc(lens[i] + 1);
        memset(text, 'a' + (int)i, lens[i]);
        text[lens[i]] = '\0';
        CHECK_INT("sealed", sc_seal(&keys.at[i % 2], "n", "f", (struct sc_str){text, lens[i]}, &once, &err), 0);
        CHECK_INT("sealed", sc_seal(&keys.at[i % 2], "n", "f", (struct sc_str){text, lens[i]}, &again, &err), 0);
        CHECK_TRUE("another nonce each time", !sc_str_eq(sc_buf_str(&once), sc_buf_str(&again)));
        CHECK_INT("opened", sc_unseal(&keys, "n", "f", once.ptr, &plain), SC_UNSEALED);
        CHECK_TEXT("the same", plain, text);
        sc_secret_free(plain);
        free(text);
    }
}

static void test_seal_refused(void **state)
{
    (void)state;
    struct sc_seal_keys keys = two_keys();
    char *large = calloc(1, SC_SEAL_MAX_BYTES + 2);
    memset(large, 'x', SC_SEAL_MAX_BYTES + 1);
    const struct {
        struct sc_str plain;
        const char *text;
    } rows[] = {{{"", 0}, "the secret is empty"},
                {{large, SC_SEAL_MAX_BYTES + 1}, "65537 bytes: 64 KiB are the most"},
                {{"ab\0cd", 5}, "zero byte"},
                {sc_str_of(OKTA), "sealed value already"}};
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_error err = SC_ERROR_INIT;
        struct sc_buf out SC_AUTO_BUF = {0};
        CHECK_INT(rows[i].text, sc_seal(&keys.at[0], "n", "f", rows[i].plain, &out, &err), -1);
        CHECK_TRUE(err.text, strstr(err.text, rows[i].text) != NULL);
        CHECK_INT("nothing was added", out.len, 0);
    }
    free(large);
}

/* Every byte of the text, changed to every other byte: none opens. A changed key id is another key, or none of the form. */
static void test_seal_every_byte(void **state)
{
    (void)state;
    struct sc_seal_keys keys = two_keys();
    char text[sizeof OKTA];
    for (size_t at = 0; at + 1 < sizeof OKTA; at++)
        for (unsigned c = 1; c < 256; c++) {
            char *plain = NULL;
            memcpy(text, OKTA, sizeof text);
            if ((unsigned char)text[at] == c)
                continue;
            text[at] = (char)c;
            enum sc_unseal result = sc_unseal(&keys, "okta-prod", "api_token", text, &plain);
            if (result == SC_UNSEALED || plain)
                CHECK_TEXT(text, plain, "(does not open)");
        }
}

static void test_seal_cut_and_long(void **state)
{
    (void)state;
    struct sc_seal_keys keys = two_keys();
    char *plain = NULL;
    for (size_t len = 0; len + 1 < sizeof OKTA; len++) {
        char *text = strndup(OKTA, len); /* exactly as large, so that a sanitizer sees a byte too far */
        enum sc_unseal result = sc_unseal(&keys, "okta-prod", "api_token", text, &plain);
        CHECK_TRUE(text, (result == SC_UNSEAL_FORM || result == SC_UNSEAL_REFUSED) && !plain);
        free(text);
    }
    static const char *const longer[] = {OKTA "A", OKTA "AAAA", OKTA "=", OKTA "\n", OKTA " ", " " OKTA, OKTA OKTA};
    for (size_t i = 0; i < ROWS(longer); i++)
        CHECK_TRUE(longer[i], sc_unseal(&keys, "okta-prod", "api_token", longer[i], &plain) != SC_UNSEALED && !plain);
    size_t huge = 4u * 1024 * 1024;
    char *text = malloc(huge + 1);
    memset(text, 'A', huge);
    memcpy(text, OKTA, sizeof OKTA - 1);
    text[huge] = '\0';
    CHECK_INT("oversized", sc_unseal(&keys, "okta-prod", "api_token", text, &plain), SC_UNSEAL_FORM);
    free(text);
}

static void test_seal_other_place(void **state)
{
    static const struct {
        const char *integration, *field;
    } rows[] = {{"okta-prod", "api_key"}, {"okta-prod2", "api_token"}, {"okta", "prod/api_token"}, {"", "okta-prod/api_token "}, {"okta-prod/", "api_token"},
                {"Okta-prod", "api_token"}, {"okta-prod", ""}};
    (void)state;
    struct sc_seal_keys keys = two_keys(), only_second = {.count = 1, .at = {keys.at[1]}}, none = {0}, renamed = only_second;
    char *plain = NULL;
    for (size_t i = 0; i < ROWS(rows); i++)
        CHECK_INT(rows[i].field, sc_unseal(&keys, rows[i].integration, rows[i].field, OKTA, &plain), SC_UNSEAL_REFUSED);
    CHECK_INT("another key", sc_unseal(&only_second, "okta-prod", "api_token", OKTA, &plain), SC_UNSEAL_NO_KEY);
    CHECK_INT("no key", sc_unseal(&none, "okta-prod", "api_token", OKTA, &plain), SC_UNSEAL_NO_KEY);
    memcpy(renamed.at[0].id, KEY_1, sizeof renamed.at[0].id);
    CHECK_INT("another key under its id", sc_unseal(&renamed, "okta-prod", "api_token", OKTA, &plain), SC_UNSEAL_REFUSED);
    CHECK_TRUE("nothing came out", !plain);
}

static void test_seal_names(void **state)
{
    static const struct {
        const char *text;
        bool sealed;
        const char *id;
    } rows[] = {{OKTA, true, KEY_1},
                {"sealed:v1:", true, ""},
                {"sealed:v2:" KEY_1 ":AAAA", true, ""},
                {"sealed:v1:354E57C6051F6CFC:AAAA", true, ""},
                {"sealed:v1:354e57c6051f6cfc0:AAAA", true, ""},
                {"sealed:v1:354e57c6051f6cf:AAAA", true, ""},
                {"sealed:very", false, ""},
                {"sealed", false, ""},
                {"", false, ""}};
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        char id[SC_SEAL_ID_CHARS + 1];
        sc_seal_key_id(rows[i].text, id);
        CHECK_INT(rows[i].text, sc_is_sealed(rows[i].text), rows[i].sealed);
        CHECK_TEXT(rows[i].text, id, rows[i].id);
    }
}

static void test_seal_no_memory(void **state)
{
    (void)state;
    struct sc_seal_keys keys = two_keys();
    bool failed = true;
    for (long n = 1; failed; n++) {
        struct sc_error err = SC_ERROR_INIT;
        struct sc_buf out = {0};
        char *plain = NULL;
        failalloc_arm(n);
        int rc = sc_seal(&keys.at[0], "n", "f", sc_str_of("secret"), &out, &err);
        enum sc_unseal result = sc_unseal(&keys, "okta-prod", "api_token", OKTA, &plain);
        failed = failalloc_disarm();
        CHECK_TRUE("told", !failed || rc || result != SC_UNSEALED);
        CHECK_TRUE("all or nothing", (rc == 0) == (out.len > 0) && (result == SC_UNSEALED) == (plain != NULL));
        sc_secret_free(plain);
        sc_buf_done(&out);
    }
}

/* ---- key files ------------------------------------------------------------------------------------------------------- */

static char dir[64];

static const char *place(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void put(const char *path, const char *text, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0 && close(fd) == 0);
}

static void test_seal_file_read(void **state)
{
    static const char good[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    static const struct {
        const char *text;
        mode_t mode;
        const char *wrong; /* NULL: good */
    } rows[] = {
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", 0600, NULL},
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\r\n \n", 0400, NULL},
        {good, 0600, NULL},
        {good, 0640, "is open to others (owner "},
        {good, 0604, "mode 0604): `chmod 600 "},
        {good, 0620, "open to others"},
        {"", 0600, "holds no key: it must be one line, 32 bytes as base64"},
        {"\n", 0600, "holds no key"},
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", 0600, "holds no key"}, /* bits left over */
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", 0600, "holds no key"}, /* 31 bytes */
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g", 0600, "holds no key"}, /* 33 */
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", 0600, "holds no key"},
        {"_v_pkoZlcxxtao-UZzCDCP7_6ZKGZXMcbWqPlGcwgwg=", 0600, "holds no key"}, /* another alphabet */
        {"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 0600, "holds no key"},
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", 0600, "holds no key"},
    };
    (void)state;
    for (size_t i = 0; i < ROWS(rows); i++) {
        struct sc_error err = SC_ERROR_INIT;
        struct sc_seal_key key = {0};
        put(place("key"), rows[i].text, rows[i].mode);
        CHECK_INT(rows[i].text, sc_seal_file_read(place("key"), &key, &err), rows[i].wrong ? -1 : 0);
        if (rows[i].wrong)
            CHECK_TRUE(err.text, strstr(err.text, rows[i].wrong) && strstr(err.text, place("key")) && !strstr(err.text, "AAECAwQF") && !*key.id);
        else
            CHECK_TEXT(rows[i].text, key.id, KEY_1);
    }
}

static void test_seal_file_odd(void **state)
{
    (void)state;
    struct sc_seal_key key = {0};
    struct sc_error absent = SC_ERROR_INIT, folder = SC_ERROR_INIT, pipe_err = SC_ERROR_INIT;
    CHECK_INT("absent", sc_seal_file_read(place("nothing"), &key, &absent), -1);
    CHECK_TRUE(absent.text, strstr(absent.text, "/nothing cannot be read by user ") && strstr(absent.text, ": No such file or directory"));
    CHECK_INT("a folder", sc_seal_file_read(dir, &key, &folder), -1);
    CHECK_TRUE(folder.text, strstr(folder.text, "is no regular file") != NULL);
    assert_int_equal(mkfifo(place("pipe"), 0600), 0);
    CHECK_INT("a pipe without a writer does not hold us up", sc_seal_file_read(place("pipe"), &key, &pipe_err), -1);
    CHECK_TRUE(pipe_err.text, strstr(pipe_err.text, "is no regular file") != NULL);
    unlink(place("pipe"));
}

static void test_seal_file_make(void **state)
{
    (void)state;
    struct sc_seal_key made = {0}, again = {0}, read = {0};
    struct sc_error err = SC_ERROR_INIT, there = SC_ERROR_INIT, nowhere = SC_ERROR_INIT;
    struct stat info;
    mode_t before = umask(0);
    unlink(place("new"));
    CHECK_INT("made", sc_seal_file_make(place("new"), &made, &err), 0);
    umask(before);
    CHECK_INT("there", stat(place("new"), &info), 0);
    CHECK_INT("whatever the umask", info.st_mode & 07777, 0600);
    CHECK_INT("readable", sc_seal_file_read(place("new"), &read, &err), 0);
    CHECK_TEXT("the same key", read.id, made.id);
    CHECK_BYTES("the same key", read.bytes, sizeof read.bytes, made.bytes, sizeof made.bytes);
    CHECK_INT("never over another", sc_seal_file_make(place("new"), &again, &there), -1);
    CHECK_TRUE(there.text, strstr(there.text, "exists already and was left as it is") != NULL);
    CHECK_INT("still readable", sc_seal_file_read(place("new"), &again, &err), 0);
    CHECK_TEXT("and still the same", again.id, made.id);
    CHECK_INT("nowhere", sc_seal_file_make("/nowhere/key", &again, &nowhere), -1);
    CHECK_TRUE(nowhere.text, strstr(nowhere.text, "cannot make key file /nowhere/key: No such file") != NULL);
    unlink(place("new"));
    CHECK_INT("made", sc_seal_file_make(place("new"), &again, &err), 0);
    CHECK_TRUE("a random one", strcmp(again.id, made.id) != 0);
}

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/signal-seal-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(place("key"));
    unlink(place("new"));
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seal_vectors),      cmocka_unit_test(test_seal_there_and_back), cmocka_unit_test(test_seal_refused),
        cmocka_unit_test(test_seal_every_byte),   cmocka_unit_test(test_seal_cut_and_long),   cmocka_unit_test(test_seal_other_place),
        cmocka_unit_test(test_seal_names),        cmocka_unit_test(test_seal_no_memory),      cmocka_unit_test(test_seal_file_read),
        cmocka_unit_test(test_seal_file_odd),     cmocka_unit_test(test_seal_file_make),
    };
    return cmocka_run_group_tests_name("seal", tests, make_dir, remove_dir);
}
