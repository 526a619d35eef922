/* See xml_memory.h. */
#include "decode/xml_memory.h"

#include <stdlib.h>

/* Before each block. */
union head {
    struct {
        struct sc_xml_memory *memory;
        size_t size;
    } of;
    max_align_t align;
};

static _Thread_local struct sc_xml_memory *account;

void sc_xml_memory_use(struct sc_xml_memory *memory)
{
    account = memory;
}

static bool take(struct sc_xml_memory *memory, size_t size)
{
    if (size > memory->max - memory->used) {
        memory->full = true;
        return false;
    }
    memory->used += size;
    return true;
}

static void *block(size_t size)
{
    union head *head;

    if (!take(account, size))
        return NULL;
    head = malloc(sizeof(*head) + size);
    if (!head) {
        account->used -= size;
        return NULL;
    }
    head->of.memory = account;
    head->of.size = size;
    return head + 1;
}

static void release(void *ptr)
{
    union head *head = ptr ? (union head *)ptr - 1 : NULL;

    if (head)
        head->of.memory->used -= head->of.size;
    free(head);
}

static void *resize(void *ptr, size_t size)
{
    union head *head, *grown;
    size_t before;

    if (!ptr)
        return block(size);
    head = (union head *)ptr - 1;
    before = head->of.size;
    if (size > before && !take(head->of.memory, size - before))
        return NULL;
    grown = realloc(head, sizeof(*head) + size);
    if (!grown) {
        if (size > before)
            head->of.memory->used -= size - before;
        return NULL;
    }
    if (size < before)
        grown->of.memory->used -= before - size;
    grown->of.size = size;
    return grown + 1;
}

const XML_Memory_Handling_Suite *sc_xml_memory_suite(void)
{
    static const XML_Memory_Handling_Suite suite = {block, resize, release};

    return &suite;
}
