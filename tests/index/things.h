/* For tests of merge, import and export: all that a store says of its items, in a plain array. */
#ifndef SIGNET_TESTS_THINGS_H
#define SIGNET_TESTS_THINGS_H

#include "reference.h"

#include <signet/attributes.h>
#include <signet/join.h>

typedef struct thing {
    sg_item item; /* id, content, nbytes, mtime_ns, foreign; the rest is below */
    char *path;   /* NULL: a bare code */
    uint8_t code[SG_BITS_MAX / 8];
    sg_attributes attributes;
} thing;

typedef struct things {
    size_t nbits, n, cap;
    thing *items; /* in the order of ids */
} things;

static inline thing *thing_add(things *all, const sg_item *item)
{
    if (all->n == all->cap) {
        all->cap = all->cap ? 2 * all->cap : 16;
        all->items = realloc(all->items, all->cap * sizeof *all->items);
    }
    thing *t = &all->items[all->n++];
    *t = (thing){.item = *item, .path = item->path ? strdup(item->path) : NULL};
    memcpy(t->code, item->code, all->nbits / 8);
    const char *key, *value;
    for (size_t at = 0; sg_attributes_next(&key, &value, item->attributes, item->attributes_nbytes, &at);)
        assert_true(sg_attributes_add(&t->attributes, key, value, NULL));
    return t;
}

static inline void thing_clear(thing *t)
{
    free(t->path);
    sg_attributes_clear(&t->attributes);
}

static inline void things_free(things *all)
{
    for (size_t i = 0; i < all->n; i++) thing_clear(&all->items[i]);
    free(all->items);
    *all = (things){0};
}

static inline void things_remove(things *all, thing *t)
{
    thing_clear(t);
    memmove(t, t + 1, (size_t)(all->items + --all->n - t) * sizeof *t);
}

static inline thing *things_find(things *all, const char *path)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].path && strcmp(all->items[i].path, path) == 0) return &all->items[i];
    return NULL;
}

/* As the store takes it. */
static inline sg_item thing_item(const thing *t)
{
    sg_item item = t->item;
    item.path = t->path;
    item.code = t->code;
    item.attributes = t->attributes.data;
    item.attributes_nbytes = t->attributes.nbytes;
    return item;
}

static inline bool things_take(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    thing_add(context, item);
    return true;
}

static inline things things_read(const char *dir, size_t nbits)
{
    sg_error err = {0};
    things all = {.nbits = nbits};
    sg_store *store = open_store(dir, false);
    if (!sg_store_each(store, things_take, &all, &err)) fail_msg("%s", err.message);
    assert_sound(store);
    sg_store_close(store);
    return all;
}

static inline void assert_thing(const thing *a, const thing *b, size_t nbits)
{
    assert_int_equal(!a->path, !b->path);
    if (a->path) assert_string_equal(a->path, b->path);
    assert_memory_equal(a->code, b->code, nbits / 8);
    assert_memory_equal(a->item.content, b->item.content, SG_CONTENT_NBYTES);
    assert_int_equal(a->item.nbytes, b->item.nbytes);
    assert_int_equal(a->item.mtime_ns, b->item.mtime_ns);
    assert_int_equal(a->item.foreign, b->item.foreign);
    assert_int_equal(a->attributes.nbytes, b->attributes.nbytes);
    if (a->attributes.nbytes)
        assert_memory_equal(a->attributes.data, b->attributes.data, a->attributes.nbytes);
}

static inline void assert_things(const things *a, const things *b, bool ids)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_thing(&a->items[i], &b->items[i], a->nbits);
        if (ids) assert_int_equal(a->items[i].item.id, b->items[i].item.id);
    }
}

static inline bool same_content(const thing *a, const thing *b)
{
    return memcmp(a->item.content, b->item.content, SG_CONTENT_NBYTES) == 0;
}

/* The rule of signet/join.h, item by item. */
static inline sg_join_counts merge_plain(things *into, const things *from, bool foreign)
{
    sg_join_counts counts = {0};
    for (size_t i = 0; i < from->n; i++) {
        sg_item item = thing_item(&from->items[i]);
        thing *old = item.path ? things_find(into, item.path) : NULL;
        item.foreign |= foreign && item.path;
        counts.codes += !item.path;
        counts.added += item.path && !old;
        if (old) {
            const char *key, *value;
            for (size_t at = 0;
                 sg_attributes_next(&key, &value, item.attributes, item.attributes_nbytes, &at);)
                assert_true(sg_attributes_add(&old->attributes, key, value, NULL));
            bool same = same_content(old, &from->items[i]), newer = item.mtime_ns > old->item.mtime_ns;
            counts.unchanged += same;
            counts.updated += !same && newer;
            counts.older += !same && !newer;
            if (same || !newer) continue;
            item.attributes = NULL, item.attributes_nbytes = 0;
            sg_attributes both = old->attributes;
            old->attributes = (sg_attributes)SG_ATTRIBUTES_INIT;
            things_remove(into, old);
            thing_add(into, &item)->attributes = both;
            continue;
        }
        thing_add(into, &item);
    }
    return counts;
}

/* A store of n items: of `paths` paths, few contents, times and labels, each tenth a bare code; some come twice. */
static inline void make_things(const char *dir, size_t nbits, uint64_t seed, size_t n, uint32_t paths)
{
    static const char *const pairs[] = {"label=cat", "label=dog", "label=", "place=a, \"b\"",
                                        "k=\xe9 x",  "\xe9=1",    "\xe8=1"};
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 0, 0);
    sg_error err = {0};
    uint8_t code[SG_BITS_MAX / 8];
    create_store(dir, nbits);
    sg_store *store = open_store(dir, true);
    begin(store);
    for (size_t i = 0; i < n; i++) {
        static const char *const odd[] = {"", ",", "\"", "\n", "\xff\xfe", "\t\\"};
        char path[64];
        sg_attributes a = SG_ATTRIBUTES_INIT;
        sg_put_kind kind;
        uint64_t id, other, number = sg_rng_below(&rng, paths);
        snprintf(path, sizeof path, "/p%s/%llu", odd[number % 6], (unsigned long long)number);
        sg_item item =
            make_item(path, sg_rng_below(&rng, 10), number, (int64_t)sg_rng_below(&rng, 4) - 1, code, nbits);
        for (uint64_t k = sg_rng_below(&rng, 4); k > 0; k--)
            assert_true(sg_attributes_parse_add(&a, pairs[sg_rng_below(&rng, 7)], &err));
        item.attributes = a.data;
        item.attributes_nbytes = a.nbytes;
        item.mtime_ns += 1234567890123456789;
        if (i % 10 == 0) item = (sg_item){.code = code};
        if (!sg_store_put(&kind, &id, &other, store, &item, &err)) fail_msg("%s", err.message);
        sg_attributes_clear(&a);
    }
    commit(store);
    sg_store_close(store);
}

#endif
