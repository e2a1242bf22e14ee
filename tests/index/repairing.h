/* Damaged indexes and what repair makes of them. All that an item has follows from its id, so that what is found in the
 * new index can be judged by itself; and which pages of the old file hold something of it is looked up in its bytes. */
#ifndef SIGNET_TESTS_REPAIRING_H
#define SIGNET_TESTS_REPAIRING_H

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
    bool *missing, *named; /* by id: not in the new index; named as lost */
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
    w->missing = calloc(n + 2, sizeof *w->missing);
    w->named = calloc(n + 2, sizeof *w->named);
    assert_true(sg_kv_set(&recipe, "resize", "32", &err));
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
    free(w->missing);
    free(w->named);
    sg_free(w->sound);
}

/* --- damage --- */

typedef struct damage {
    bool *pages; /* those that are not as they were */
    size_t npages;
    int fd;
} damage;

static inline damage begin_damage(const world *w)
{
    damage d = {.npages = w->nbytes / PAGE, .fd = open("idx/data.mdb", O_RDWR)};
    d.pages = calloc(d.npages, sizeof *d.pages);
    return d;
}

static inline void change_byte(damage *d, size_t at, uint8_t mask)
{
    uint8_t byte;
    assert_int_equal(pread(d->fd, &byte, 1, (off_t)at), 1);
    byte ^= mask;
    assert_int_equal(pwrite(d->fd, &byte, 1, (off_t)at), 1);
    d->pages[at / PAGE] = true;
}

static inline void zero_page(damage *d, size_t page)
{
    static const uint8_t zero[PAGE];
    assert_int_equal(pwrite(d->fd, zero, PAGE, (off_t)(page * PAGE)), PAGE);
    d->pages[page] = true;
}

static inline void cut(damage *d, size_t nbytes)
{
    assert_int_equal(ftruncate(d->fd, (off_t)nbytes), 0);
    for (size_t page = nbytes / PAGE; page < d->npages; page++) d->pages[page] = true;
}

static inline void end_damage(damage *d, const world *w)
{
    assert_int_equal(pwrite(d->fd, w->sound, w->nbytes, 0), w->nbytes);
    close(d->fd);
    free(d->pages);
}

static inline bool page_holds(const world *w, const damage *d, const void *bytes, size_t nbytes)
{
    for (size_t page = 0; page < d->npages; page++)
        if (d->pages[page] && memmem(w->sound + page * PAGE, PAGE, bytes, nbytes)) return true;
    return false;
}

/* Has anything been damaged that id, or a code of its block, or the one behind it stands on? */
static inline bool is_hit(const world *w, const damage *d, uint64_t id, const bool *blocks_hit)
{
    char path[32];
    path_of(path, w, id);
    return blocks_hit[id / BLOCK] || (!is_bare(w, id) && page_holds(w, d, path, strlen(path) + 1));
}

/* --- what is in the new index --- */

typedef struct judgement {
    world *w;
    sg_store *store;
    uint64_t n;
    bool resurrected;
} judgement;

static inline bool judge_item(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    judgement *j = context;
    const world *w = j->w;
    uint8_t code[NBITS / 8];
    char path[32];
    j->n++;
    assert_true(item->id >= 1 && item->id <= w->n);
    path_of(path, w, item->id);
    sg_item want = make_item(path, item->id, item->id, (int64_t)item->id, code, NBITS);
    assert_memory_equal(item->code, code, sizeof code);
    if (!w->live[item->id]) j->resurrected = true;
    w->missing[item->id] = false;
    if (is_bare(w, item->id)) {
        assert_null(item->path);
        return true;
    }
    assert_string_equal(item->path, path);
    assert_int_equal(item->nbytes, want.nbytes);
    assert_int_equal(item->mtime_ns, want.mtime_ns);
    assert_int_equal(item->foreign, want.foreign);
    assert_memory_equal(item->content, want.content, SG_CONTENT_NBYTES);
    assert_int_equal(sg_attributes_has(item->attributes, item->attributes_nbytes, "label", path),
                     has_label(item->id));
    return true;
}

static inline void name_lost(void *context, uint64_t id, const char *path, const char *what)
{
    world *w = context;
    char want[32];
    assert_true(id >= 1 && id <= w->n && strlen(what) > 0);
    path_of(want, w, id);
    if (path) assert_string_equal(path, want);
    if (strcmp(what, "its outputs") != 0) w->named[id] = true;
}

static inline bool count_pair(void *context, uint64_t a, uint64_t b, sg_error *err)
{
    (void)err;
    assert_true(b == a + 1 && a % 10 == 1);
    ++*(uint64_t *)context;
    return true;
}

/* Repairs and looks at what came of it. strict: the damage is small, so nothing that was removed may come back.
 * Returns how many are missing; -1: nothing could be saved. */
static inline int64_t repair_and_judge(world *w, const damage *d, bool strict)
{
    sg_error err = {0};
    sg_repair_counts counts;
    const sg_repair_options options = {.lost = name_lost, .context = w};
    judgement j = {.w = w};
    float outputs[NBITS], want[NBITS];
    uint64_t pairs = 0, npairs = 0, missing = 0, named = 0;
    bool found, *blocks_hit = calloc(w->n / BLOCK + 1, sizeof *blocks_hit);
    memset(w->named, 0, w->n + 2);
    for (uint64_t id = 1; id <= w->n; id++) w->missing[id] = w->live[id];
    if (!sg_store_repair(&counts, "idx", "new", &options, &err)) {
        if (err.code != SG_ERR_FORMAT) fail_msg("%s", err.message);
        assert_false(sg_path_exists("new"));
        free(blocks_hit);
        return -1;
    }
    j.store = open_store("new", false);
    assert_sound(j.store);
    if (!sg_store_each(j.store, judge_item, &j, &err)) fail_msg("%s", err.message);
    assert_int_equal(j.n, counts.saved);
    if (strict) assert_false(j.resurrected);
    for (uint64_t id = 1; id <= w->n; id++) {
        uint8_t code[NBITS / 8];
        make_item("/", id, 0, 0, code, NBITS);
        if (!blocks_hit[id / BLOCK]) blocks_hit[id / BLOCK] = page_holds(w, d, code, sizeof code);
        npairs += paired(w, id) && !w->missing[id] && !w->missing[id + 1];
    }
    for (uint64_t id = 1; id <= w->n; id++) {
        if (w->missing[id] && !is_hit(w, d, id, blocks_hit)) fail_msg("%llu is lost", (unsigned long long)id);
        if (w->named[id] && w->live[id]) assert_true(w->missing[id]);
        missing += w->missing[id];
        named += w->missing[id] && w->named[id];
        if (w->missing[id] || !w->live[id]) continue;
        if (!sg_store_outputs(outputs, &found, j.store, id, &err)) fail_msg("%s", err.message);
        outputs_of(want, id);
        if (found) assert_memory_equal(outputs, want, sizeof want);
        if (!found) assert_true(counts.partly > 0);
    }
    if (strict) assert_int_equal(named + counts.unknown, missing);
    assert_true(sg_store_pairs(j.store, count_pair, &pairs, &err));
    assert_true(pairs <= npairs || !strict);
    sg_store_close(j.store);
    assert_int_equal(system("rm -r new"), 0);
    free(blocks_hit);
    return (int64_t)missing;
}

/* Single bytes, from `first` on every step-th. */
static inline void repair_flips(world *w, size_t first, size_t step)
{
    size_t trials = 0, harmless = 0;
    for (size_t at = first; at < w->nbytes; at += step, trials++) {
        damage d = begin_damage(w);
        change_byte(&d, at, trials % 2 ? 0xff : (uint8_t)(1u << trials / 2 % 8));
        int64_t missing = repair_and_judge(w, &d, true);
        if (missing < 0) fail_msg("byte %zu: nothing was saved", at);
        harmless += missing == 0;
        end_damage(&d, w);
    }
    print_message("%zu bytes changed one by one: nothing lost in %zu\n", trials, harmless);
}

/* Several bytes and pages at once, and ends that are missing. */
static inline void repair_wrecks(world *w, int trials, uint64_t seed)
{
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 0, 0);
    int hopeless = 0;
    for (int i = 0; i < trials; i++) {
        damage d = begin_damage(w);
        for (uint32_t n = sg_rng_below(&rng, 6); n > 0; n--)
            change_byte(&d, sg_rng_below(&rng, (uint32_t)w->nbytes), (uint8_t)(1 + sg_rng_below(&rng, 255)));
        for (uint32_t n = sg_rng_below(&rng, 4); n > 0; n--)
            zero_page(&d, sg_rng_below(&rng, (uint32_t)d.npages));
        if (i % 3 == 0) cut(&d, w->nbytes - sg_rng_below(&rng, (uint32_t)w->nbytes));
        hopeless += repair_and_judge(w, &d, false) < 0;
        end_damage(&d, w);
    }
    print_message("%d wrecks, of which %d had nothing to save\n", trials, hopeless);
    assert_true(hopeless < trials / 2);
}

#endif
