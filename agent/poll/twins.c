#include "poll/twins.h"

#include <stdlib.h>

static struct sc_twin *cell_of(struct sc_twin *cells, uint32_t size, uint64_t fingerprint)
{
    uint32_t at = (uint32_t)(fingerprint >> 7) & (size - 1);
    while (cells[at].count && cells[at].fingerprint != fingerprint)
        at = (at + 1) & (size - 1);
    return &cells[at];
}

/* A cell that undo has brought down to 0 would end the search for those behind it: it stays in use until the table grows or the page ends, with
 * its lowest value meaning "none". */
#define MET 1u

uint32_t sc_twins_next(const struct sc_twins *twins, uint64_t fingerprint)
{
    if (!twins->size)
        return 1;
    const struct sc_twin *cell = cell_of(twins->cells, twins->size, fingerprint);
    return cell->count ? cell->count - MET + 1 : 1;
}

static int grow(struct sc_twins *twins)
{
    uint32_t size = twins->size ? twins->size * 2 : 256;
    struct sc_twin *cells = size ? calloc(size, sizeof *cells) : NULL;
    if (!cells)
        return -1;
    for (uint32_t i = 0; i < twins->size; i++) {
        if (twins->cells[i].count)
            *cell_of(cells, size, twins->cells[i].fingerprint) = twins->cells[i];
    }
    free(twins->cells);
    twins->cells = cells;
    twins->size = size;
    return 0;
}

static int note(struct sc_twins *twins, uint64_t fingerprint)
{
    if (twins->recent_count == twins->recent_cap) {
        uint32_t cap = twins->recent_cap ? twins->recent_cap * 2 : 256;
        uint64_t *grown = cap ? realloc(twins->recent, cap * sizeof *grown) : NULL;
        if (!grown)
            return -1;
        twins->recent = grown;
        twins->recent_cap = cap;
    }
    twins->recent[twins->recent_count++] = fingerprint;
    return 0;
}

int sc_twins_add(struct sc_twins *twins, uint64_t fingerprint)
{
    if ((twins->size == 0 || twins->used + 1 > twins->size / 2) && grow(twins))
        return -1;
    if (note(twins, fingerprint))
        return -1;
    struct sc_twin *cell = cell_of(twins->cells, twins->size, fingerprint);
    if (!cell->count) {
        *cell = (struct sc_twin){fingerprint, MET};
        twins->used++;
    }
    cell->count++;
    return 0;
}

void sc_twins_keep(struct sc_twins *twins)
{
    twins->recent_count = 0;
}

void sc_twins_undo(struct sc_twins *twins)
{
    while (twins->recent_count)
        cell_of(twins->cells, twins->size, twins->recent[--twins->recent_count])->count--;
}

void sc_twins_forget(struct sc_twins *twins)
{
    free(twins->cells);
    free(twins->recent);
    *twins = (struct sc_twins){0};
}
