/* The board: pages by thread under one lock, which is held for a few instructions alone. */
#include "poll/board.h"

#include <pthread.h>
#include <stdlib.h>

struct sc_board {
    pthread_mutex_t lock;
    unsigned threads;
    struct sc_board_page *pages[];
};

const uint32_t sc_request_bucket_ms[SC_REQUEST_BUCKETS] = {100, 300, 1000, 3000, 10000, 60000};

const char *sc_poll_state_name(enum sc_poll_state state)
{
    static const char *const names[] = {"active", "processing", "waiting", "paused", "rate_limited", "error"};
    _Static_assert(sizeof names / sizeof *names == SC_STATE_COUNT, "each state has its name");
    return names[state];
}

const char *sc_promise_name(enum sc_promise promise)
{
    static const char *const names[] = {"exact", "bounded", "at_least_once"};
    _Static_assert(sizeof names / sizeof *names == SC_PROMISE_COUNT, "each promise has its name");
    return names[promise];
}

const char *sc_reply_class_name(enum sc_reply_class cls)
{
    static const char *const names[] = {"2xx", "3xx", "429", "4xx", "5xx", "none"};
    _Static_assert(sizeof names / sizeof *names == SC_REPLY_CLASSES, "each class has its name");
    return names[cls];
}

enum sc_reply_class sc_reply_class(int status)
{
    static const enum sc_reply_class by_hundred[] = {SC_REPLY_NONE, SC_REPLY_NONE, SC_REPLY_2XX, SC_REPLY_3XX, SC_REPLY_4XX, SC_REPLY_5XX};
    if (status == 429)
        return SC_REPLY_429;
    return status >= 0 && status < 600 ? by_hundred[status / 100] : SC_REPLY_NONE;
}

struct sc_board *sc_board_new(unsigned threads)
{
    struct sc_board *board = calloc(1, sizeof *board + threads * sizeof *board->pages);
    if (!board)
        return NULL;
    pthread_mutex_init(&board->lock, NULL);
    board->threads = threads;
    return board;
}

struct sc_board *sc_board_free(struct sc_board *board)
{
    if (!board)
        return NULL;
    for (unsigned i = 0; i < board->threads; i++)
        sc_board_page_free(board->pages[i]);
    pthread_mutex_destroy(&board->lock);
    free(board);
    return NULL;
}

unsigned sc_board_threads(const struct sc_board *board)
{
    return board->threads;
}

/* Under the lock; the page is freed by the caller without it. */
static struct sc_board_page *let_go(struct sc_board_page *page)
{
    return page && --page->refs == 0 ? page : NULL;
}

void sc_board_put(struct sc_board *board, unsigned thread, struct sc_board_page *page)
{
    page->refs = 1;
    pthread_mutex_lock(&board->lock);
    struct sc_board_page *old = let_go(board->pages[thread]);
    board->pages[thread] = page;
    pthread_mutex_unlock(&board->lock);
    sc_board_page_free(old);
}

const struct sc_board_page *sc_board_take(struct sc_board *board, unsigned thread)
{
    pthread_mutex_lock(&board->lock);
    struct sc_board_page *page = board->pages[thread];
    if (page)
        page->refs++;
    pthread_mutex_unlock(&board->lock);
    return page;
}

void sc_board_give_back(struct sc_board *board, const struct sc_board_page *page)
{
    struct sc_board_page *own = (struct sc_board_page *)(uintptr_t)page; /* const for the reader, who may not change it */
    pthread_mutex_lock(&board->lock);
    struct sc_board_page *old = let_go(own);
    pthread_mutex_unlock(&board->lock);
    sc_board_page_free(old);
}

struct sc_board_page *sc_board_page_new(uint32_t types, uint32_t sources, size_t name_bytes)
{
    struct sc_board_page *page = calloc(1, sizeof *page);
    if (!page)
        return NULL;
    page->types = calloc(types ? types : 1, sizeof *page->types);
    page->sources = calloc(sources ? sources : 1, sizeof *page->sources);
    page->names = malloc(name_bytes ? name_bytes : 1);
    if (page->types && page->sources && page->names)
        return page;
    sc_board_page_free(page);
    return NULL;
}

void sc_board_page_free(struct sc_board_page *page)
{
    if (!page)
        return;
    free(page->types);
    free(page->sources);
    free(page->names);
    free(page);
}
