/* The board: a reader's page stays as it is while the thread that made it goes on putting up others; nothing is freed under anybody, nothing is left.
 * Run under TSan as well. */
#include "poll/board.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "check.h"

#define PUTS 2000

static struct sc_board_page *page_of(uint64_t number)
{
    struct sc_board_page *page = sc_board_page_new(3, 1, 32);
    assert_non_null(page);
    snprintf(page->names, 32, "%llu", (unsigned long long)number);
    page->type_count = 3;
    for (unsigned i = 0; i < 3; i++)
        page->types[i] = (struct sc_board_type){.integration = page->names, .counts.read = number};
    page->made_ms = (int64_t)number;
    return page;
}

static void test_board_newest(void **state)
{
    (void)state;
    struct sc_board *board = sc_board_new(2);
    CHECK_TRUE("nothing yet", !sc_board_take(board, 0));
    sc_board_put(board, 0, page_of(1));
    const struct sc_board_page *held = sc_board_take(board, 0);
    sc_board_put(board, 0, page_of(2));
    const struct sc_board_page *newer = sc_board_take(board, 0);
    CHECK_INT("what is held stays", held->types[2].counts.read, 1);
    CHECK_TEXT("with its names", held->types[0].integration, "1");
    CHECK_INT("the newer one is the newer one", newer->made_ms, 2);
    CHECK_TRUE("each thread has its own", !sc_board_take(board, 1));
    sc_board_give_back(board, newer);
    sc_board_give_back(board, held);
    CHECK_TRUE("free() takes nothing", !sc_board_free(NULL) && !sc_board_free(board));
}

static void *put_many(void *arg)
{
    for (uint64_t n = 1; n <= PUTS; n++)
        sc_board_put(arg, 0, page_of(n));
    return NULL;
}

static void test_board_threads(void **state)
{
    (void)state;
    struct sc_board *board = sc_board_new(1);
    pthread_t thread;
    int64_t newest = 0;
    assert_int_equal(pthread_create(&thread, NULL, put_many, board), 0);
    while (newest < PUTS) {
        const struct sc_board_page *page = sc_board_take(board, 0);
        if (!page)
            continue;
        char text[32];
        snprintf(text, sizeof text, "%lld", (long long)page->made_ms);
        CHECK_TRUE("never an older one", page->made_ms >= newest);
        CHECK_TEXT("of one piece", page->types[1].integration, text);
        CHECK_INT("of one piece", page->types[2].counts.read, page->made_ms);
        newest = page->made_ms;
        sc_board_give_back(board, page);
    }
    pthread_join(thread, NULL);
    sc_board_free(board);
}

static void test_board_classes(void **state)
{
    static const struct {
        int status;
        const char *want;
    } rows[] = {{200, "2xx"}, {204, "2xx"}, {304, "3xx"}, {400, "4xx"}, {404, "4xx"}, {429, "429"}, {500, "5xx"}, {599, "5xx"}, {0, "none"},
                {100, "none"}, {600, "none"}, {999, "none"}, {-1, "none"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_TEXT(rows[i].want, sc_reply_class_name(sc_reply_class(rows[i].status)), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_board_newest), cmocka_unit_test(test_board_threads), cmocka_unit_test(test_board_classes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
