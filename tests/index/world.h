/* A store with everything in it: updates, removals, bare codes, attributes, outputs, pairs. All that an item has follows
 * from its id, so that what is found somewhere can be judged by itself. */
#ifndef SIGNET_TESTS_WORLD_H
#define SIGNET_TESTS_WORLD_H

#include "reference.h"

#include <fcntl.h>
#include <sys/stat.h>

#define PAGE  4096
#define BLOCK 4096
#define NBITS 64

/* Ids 1 to first are given in one batch, those up to n in a second one, which updates files of the first: id first + i
 * takes the path of id 3 i. Every 5th id of the first is a bare code; every 7th is removed. */
typedef struct world {
    uint64_t first, n;
    char *sound; /* the bytes of data.mdb, undamaged */
    size_t nbytes;
    bool *live; /* by id */
    uint64_t nlive;
} world;

static inline bool is_bare(const world *w, uint64_t id)
{
    return id <= w->first && id % 5 == 0;
}

static inline void path_of(char path[32], const world *w, uint64_t id)
{
    snprintf(path, 32, "/p/%llu", (unsigned long long)(id > w->first ? 3 * (id - w->first) : id));
}

static inline void outputs_of(float outputs[NBITS], uint64_t id)
{
    for (size_t i = 0; i < NBITS; i++) outputs[i] = (float)(id * 100 + i);
}

static inline bool has_label(uint64_t id)
{
    return id % 4 == 1;
}

static inline void put_id(sg_store *store, const world *w, uint64_t id)
{
    sg_error err = {0};
    uint8_t code[NBITS / 8];
    char path[32];
    float outputs[NBITS];
    sg_attributes attributes = SG_ATTRIBUTES_INIT;
    sg_put_kind kind;
    uint64_t given, other;
    path_of(path, w, id);
    outputs_of(outputs, id);
    sg_item item = make_item(path, id, id, (int64_t)id, code, NBITS);
    item.outputs = outputs;
    item.attributes = ""; /* not those of an updated path */
    if (is_bare(w, id)) item = (sg_item){.code = code, .outputs = outputs};
    if (has_label(id) && !is_bare(w, id)) {
        assert_true(sg_attributes_add(&attributes, "label", path, &err));
        item.attributes = attributes.data;
        item.attributes_nbytes = attributes.nbytes;
    }
    if (!sg_store_put(&kind, &given, &other, store, &item, &err)) fail_msg("%s", err.message);
    assert_int_equal(given, id);
    sg_attributes_clear(&attributes);
    w->live[id] = true;
    uint64_t old = 3 * (id - w->first);
    if (id > w->first && !is_bare(w, old)) w->live[old] = false;
}

static inline bool paired(const world *w, uint64_t id)
{
    return id % 10 == 1 && id + 1 <= w->n && w->live[id] && w->live[id + 1];
}

static inline void make_world(world *w, uint64_t first, uint64_t n)
{
    sg_error err = {0};
    sg_kv recipe = SG_KV_INIT;
    *w = (world){.first = first, .n = n};
    w->live = calloc(n + 2, sizeof *w->live);
    assert_true(sg_kv_set(&recipe, "resize", "32", &err));
    assert_int_equal(system("rm -rf idx"), 0);
    if (!sg_store_create("idx", NBITS, FINGERPRINT, &recipe, "mih", &recipe, true, NULL, NULL, &err))
        fail_msg("%s", err.message);
    sg_kv_clear(&recipe);
    sg_store *store = open_store("idx", true);
    begin(store);
    for (uint64_t id = 1; id <= first; id++) put_id(store, w, id);
    commit(store);
    begin(store);
    for (uint64_t id = 7; id <= first; id += 7) {
        assert_true(sg_store_remove(store, id, &err));
        w->live[id] = false;
    }
    commit(store);
    begin(store);
    for (uint64_t id = first + 1; id <= n; id++) put_id(store, w, id);
    commit(store);
    begin(store);
    for (uint64_t id = 1; id <= n; id++)
        if (paired(w, id)) assert_true(sg_store_pair_set(store, id, id + 1, true, &err));
    commit(store);
    assert_sound(store);
    sg_store_close(store);
    for (uint64_t id = 1; id <= n; id++) w->nlive += w->live[id];
    assert_true(sg_file_read(&w->sound, &w->nbytes, "idx/data.mdb", SIZE_MAX, &err));
}

static inline void free_world(world *w)
{
    free(w->live);
    sg_free(w->sound);
}

/* Is it what its id says? */
static inline bool is_right(const world *w, const sg_item *item)
{
    uint8_t code[NBITS / 8];
    char path[32];
    if (item->id < 1 || item->id > w->n) return false;
    path_of(path, w, item->id);
    sg_item want = make_item(path, item->id, item->id, (int64_t)item->id, code, NBITS);
    if (item->code && memcmp(item->code, code, sizeof code) != 0) return false;
    if (is_bare(w, item->id)) return !item->path && item->attributes_nbytes == 0;
    return item->path && strcmp(item->path, path) == 0 && item->nbytes == want.nbytes &&
           item->mtime_ns == want.mtime_ns && item->foreign == want.foreign &&
           memcmp(item->content, want.content, SG_CONTENT_NBYTES) == 0 &&
           sg_attributes_has(item->attributes, item->attributes_nbytes, "label", path) ==
               has_label(item->id) &&
           (has_label(item->id) || item->attributes_nbytes == 0);
}

#endif
