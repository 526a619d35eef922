/* What counts as a change of a key. */
#include "nats/watch_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check.h"
#include "failalloc.h"

static void test_watch_table_changes(void **state)
{
    (void)state;
    struct sc_watch_table table = {0};
    static const struct {
        uint64_t rev;
        const char *value;
        bool orphan; /* before the put: another bucket */
        enum sc_watch_change want;
        const char *why;
    } rows[] = {
        {5, "a", false, SC_WATCH_CHANGED, "new"                                           },
        {5, "a", false, SC_WATCH_SAME,    "seen again"                                    },
        {6, "a", false, SC_WATCH_CHANGED, "put again with the same bytes"                 },
        {7, "b", false, SC_WATCH_CHANGED, "other bytes"                                   },
        {1, "b", true,  SC_WATCH_SAME,    "bucket made anew, same bytes"                  },
        {2, "b", false, SC_WATCH_CHANGED, "from then on as always"                        },
        {9, "b", true,  SC_WATCH_SAME,    "made anew, a higher revision says nothing"     },
        {1, "c", true,  SC_WATCH_CHANGED, "made anew, other bytes"                        },
        {9, "d", false, SC_WATCH_CHANGED, "newer"                                         },
        {8, "d", false, SC_WATCH_SAME,    "lower revision, same bytes"                    },
        {3, "c", false, SC_WATCH_CHANGED, "the tail was lost, an older value stands there"},
        {4, "",  false, SC_WATCH_CHANGED, "empty"                                         },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sc_watch_key *known = sc_watch_table_find(&table, "k");
        if (known && rows[i].orphan)
            known->orphan = true;
        CHECK_INT(rows[i].why,
                  sc_watch_table_put(&table, "k", rows[i].rev, sc_str_of(rows[i].value), 7),
                  rows[i].want);
        known = sc_watch_table_find(&table, "k");
        CHECK_INT(rows[i].why, known->rev, rows[i].rev);
        CHECK_INT(rows[i].why, known->orphan, false);
        CHECK_INT(rows[i].why, known->pass, 7);
    }
    sc_watch_table_done(&table);
}

static void test_watch_table_many(void **state)
{
    (void)state;
    struct sc_watch_table table = {0};
    char key[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i * 7919 % 1000);
        assert_int_equal(sc_watch_table_put(&table, key, 1, sc_str_of("v"), 1), SC_WATCH_CHANGED);
    }
    assert_int_equal(table.count, 1000);
    for (size_t i = 1; i < table.count; i++)
        assert_true(strcmp(table.keys[i - 1].key, table.keys[i].key) < 0);
    for (int i = 0; i < 1000; i += 2) {
        snprintf(key, sizeof key, "k%d", i);
        sc_watch_table_remove(&table, key);
        assert_null(sc_watch_table_find(&table, key));
        sc_watch_table_remove(&table, key);
    }
    assert_int_equal(table.count, 500);
    assert_non_null(sc_watch_table_find(&table, "k999"));
    sc_watch_table_done(&table);
    assert_int_equal(table.count, 0);
}

static void test_watch_table_no_memory(void **state)
{
    (void)state;
    for (long n = 1, failed = 1; failed; n++) {
        struct sc_watch_table table = {0};
        size_t put = 0;
        char key[16];
        failalloc_arm(n);
        for (int i = 0; i < 40; i++) {
            snprintf(key, sizeof key, "k%d", i);
            put += sc_watch_table_put(&table, key, 1, sc_str_of("v"), 1) == SC_WATCH_CHANGED;
        }
        failed = failalloc_disarm();
        assert_int_equal(table.count, put);
        assert_int_equal(put, failed ? 39 : 40);
        sc_watch_table_done(&table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watch_table_changes),
        cmocka_unit_test(test_watch_table_many),
        cmocka_unit_test(test_watch_table_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
