/* Damaged indexes and what repair makes of them. Which pages of the old file hold something of an item is looked up in
 * its bytes. */
#ifndef SIGNET_TESTS_REPAIRING_H
#define SIGNET_TESTS_REPAIRING_H

#include "world.h"

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
    const world *w;
    sg_store *store;
    uint64_t n;
    bool *missing, *named; /* by id: not in the new index; named as lost */
    bool resurrected;
} judgement;

static inline bool judge_item(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    judgement *j = context;
    j->n++;
    if (!is_right(j->w, item)) fail_msg("item %llu is wrong", (unsigned long long)item->id);
    if (!j->w->live[item->id]) j->resurrected = true;
    j->missing[item->id] = false;
    return true;
}

static inline void name_lost(void *context, uint64_t id, const char *path, const char *what)
{
    judgement *j = context;
    const world *w = j->w;
    char want[32];
    assert_true(id >= 1 && id <= w->n && strlen(what) > 0);
    path_of(want, w, id);
    if (path) assert_string_equal(path, want);
    bool is_saved = strcmp(what, "its outputs") == 0 || strcmp(what, "perhaps its newest record") == 0;
    if (!is_saved) j->named[id] = true;
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
static inline int64_t repair_and_judge(const world *w, const damage *d, bool strict)
{
    sg_error err = {0};
    sg_repair_counts counts;
    judgement j = {.w = w};
    const sg_repair_options options = {.lost = name_lost, .context = &j};
    float outputs[NBITS], want[NBITS];
    uint64_t pairs = 0, npairs = 0, missing = 0, named = 0;
    bool found, *blocks_hit = calloc(w->n / BLOCK + 1, sizeof *blocks_hit);
    j.named = calloc(w->n + 2, sizeof *j.named);
    j.missing = calloc(w->n + 2, sizeof *j.missing);
    memcpy(j.missing, w->live, w->n + 2);
    if (!sg_store_repair(&counts, "idx", "new", &options, &err)) {
        if (err.code != SG_ERR_FORMAT) fail_msg("%s", err.message);
        assert_false(sg_path_exists("new"));
        free(blocks_hit);
        free(j.named);
        free(j.missing);
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
        npairs += paired(w, id) && !j.missing[id] && !j.missing[id + 1];
    }
    for (uint64_t id = 1; id <= w->n; id++) {
        if (j.missing[id] && !is_hit(w, d, id, blocks_hit)) fail_msg("%llu is lost", (unsigned long long)id);
        if (j.named[id] && w->live[id]) assert_true(j.missing[id]);
        missing += j.missing[id];
        named += j.missing[id] && j.named[id];
        if (j.missing[id] || !w->live[id]) continue;
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
    free(j.named);
    free(j.missing);
    return (int64_t)missing;
}

/* Single bytes, from `first` on every step-th. */
static inline void repair_flips(const world *w, size_t first, size_t step)
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
static inline void repair_wrecks(const world *w, int trials, uint64_t seed)
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
