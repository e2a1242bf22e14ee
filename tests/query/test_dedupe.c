/* Groups of duplicates, against all pairs and what follows from the definition. */
#include "shelf.h"

#include <signet/dedupe.h>
#include <signet/interrupt.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define NBYTES 4
#define MOST   400

/* What a store holds, as the tests know it. The items after nfiles are bare codes. */
typedef struct shelf {
    sg_store *store;
    size_t n, nfiles;
    uint8_t codes[MOST * NBYTES];
    unsigned contents[MOST];
    uint64_t ids[MOST];
    bool apart[MOST][MOST];
} shelf;

static bool are_near(const shelf *s, size_t i, size_t j, int radius)
{
    if (i < s->nfiles && j < s->nfiles && s->contents[i] == s->contents[j]) return true;
    return (int)naive_distance(s->codes + i * NBYTES, s->codes + j * NBYTES, NBYTES) <= radius;
}

/* Clusters about some centres, of codes with up to 4 bits flipped; equal codes and equal contents among them. */
static void fill(shelf *s, size_t n, size_t nbare, size_t centres, uint64_t seed)
{
    sg_error err = {0};
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 1, 0);
    uint8_t centre[MOST * NBYTES];
    memset(s, 0, sizeof *s);
    s->store = shelf_make(8 * NBYTES);
    s->n = n;
    s->nfiles = n - nbare;
    draw_codes(centre, centres, NBYTES, seed);
    assert_true(sg_store_begin(s->store, &err));
    for (size_t i = 0; i < n; i++) {
        uint8_t *code = s->codes + i * NBYTES;
        char path[32];
        s->contents[i] = (unsigned)i;
        if (i > 0 && i < s->nfiles && sg_rng_below(&rng, 8) == 0) { /* a copy: the content decides the code */
            size_t of = sg_rng_below(&rng, i);
            s->contents[i] = s->contents[of];
            memcpy(code, s->codes + of * NBYTES, NBYTES);
        } else {
            memcpy(code, centre + sg_rng_below(&rng, centres) * NBYTES, NBYTES);
            for (uint64_t flips = sg_rng_below(&rng, 5); flips > 0; flips--) {
                uint64_t bit = sg_rng_below(&rng, 8 * NBYTES);
                code[bit / 8] ^= (uint8_t)(1 << bit % 8);
            }
        }
        snprintf(path, sizeof path, "/p/%zu", i);
        if (i < s->nfiles)
            s->ids[i] = shelf_put(s->store, path, code, s->contents[i], NULL, 0);
        else
            assert_true(sg_store_put_codes(&s->ids[i], s->store, code, 1, &err));
    }
    assert_true(sg_store_commit(s->store, &err));
}

static void keep_apart(shelf *s, size_t i, size_t j)
{
    sg_error err = {0};
    s->apart[i][j] = s->apart[j][i] = true;
    assert_true(sg_store_begin(s->store, &err));
    if (!sg_store_pair_set(s->store, s->ids[i], s->ids[j], true, &err)) fail_msg("%s", err.message);
    assert_true(sg_store_commit(s->store, &err));
}

static sg_groups find(const shelf *s, int radius)
{
    sg_error err = {0};
    sg_groups groups;
    if (!sg_groups_find(&groups, s->store, radius, NULL, &err)) fail_msg("%s", err.message);
    assert_int_equal(groups.nitems, s->n);
    assert_int_equal(groups.nbits, 8 * NBYTES);
    return groups;
}

/* The group of each item, by number; those in none get numbers of their own. Checks the order of groups and ids, and codes. */
static void number(size_t of[MOST], const sg_groups *groups, const shelf *s)
{
    for (size_t i = 0; i < s->n; i++) of[i] = groups->n + i;
    for (size_t g = 0; g < groups->n; g++) {
        assert_true(groups->starts[g + 1] >= groups->starts[g] + 2);
        if (g > 0) assert_true(groups->ids[groups->starts[g]] > groups->ids[groups->starts[g - 1]]);
        for (size_t at = groups->starts[g]; at < groups->starts[g + 1]; at++) {
            size_t i = 0;
            if (at > groups->starts[g]) assert_true(groups->ids[at] > groups->ids[at - 1]);
            while (i < s->n && s->ids[i] != groups->ids[at]) i++;
            assert_true(i < s->n && of[i] == groups->n + i);
            of[i] = g;
            assert_memory_equal(groups->codes + at * NBYTES, s->codes + i * NBYTES, NBYTES);
        }
    }
}

/* Spreads the least number of an item to all that hang together with it, within `of` when it is given. */
static void flood(size_t least[MOST], const shelf *s, int radius, const size_t *of)
{
    for (size_t i = 0; i < s->n; i++) least[i] = i;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < s->n; i++)
            for (size_t j = 0; j < s->n; j++)
                if (least[j] < least[i] && (!of || of[i] == of[j]) && are_near(s, i, j, radius)) {
                    least[i] = least[j];
                    changed = true;
                }
    }
}

static void assert_groups(const shelf *s, int radius)
{
    size_t of[MOST], least[MOST];
    sg_groups groups = find(s, radius);
    number(of, &groups, s);
    flood(least, s, radius, NULL);
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < i; j++) assert_int_equal(of[i] == of[j], least[i] == least[j]);
    sg_groups_clear(&groups);
}

static void test_against_all_pairs(void **state)
{
    (void)state;
    static shelf s;
    static const size_t cases[][3] = {{0, 0, 1},    {1, 0, 1},    {2, 0, 1},     {60, 10, 3},
                                      {300, 0, 40}, {400, 50, 5}, {300, 0, 300}, {50, 50, 5}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        fill(&s, cases[c][0], cases[c][1], cases[c][2], c);
        for (int radius = -1; radius <= 7; radius++) assert_groups(&s, radius);
        assert_groups(&s, 8 * NBYTES);
        sg_store_close(s.store);
        assert_int_equal(nftw("idx", scratch_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
    }
}

/* With pairs apart: none stands in one group, no groups could be joined, and each group hangs together. */
static void assert_groups_apart(const shelf *s, int radius)
{
    size_t of[MOST], least[MOST];
    sg_groups groups = find(s, radius);
    static bool near[MOST + MOST][MOST + MOST], marked[MOST + MOST][MOST + MOST];
    memset(near, 0, sizeof near);
    memset(marked, 0, sizeof marked);
    number(of, &groups, s);
    flood(least, s, radius, of);
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < s->n; j++) {
            if (i == j) continue;
            assert_int_equal(of[i] == of[j], least[i] == least[j]);
            near[of[i]][of[j]] |= are_near(s, i, j, radius);
            marked[of[i]][of[j]] |= s->apart[i][j];
        }
    for (size_t a = 0; a < groups.n + s->n; a++) {
        assert_false(marked[a][a]);
        for (size_t b = 0; b < groups.n + s->n; b++)
            if (a != b && near[a][b]) assert_true(marked[a][b]);
    }
    sg_groups_clear(&groups);
}

static void test_apart(void **state)
{
    (void)state;
    static shelf s;
    for (uint64_t seed = 0; seed < 6; seed++) {
        sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 2, 0);
        fill(&s, 200, 20, 4 + 4 * seed, seed);
        for (int marks = 0; marks < 30; marks++) {
            size_t i = sg_rng_below(&rng, s.n), j = sg_rng_below(&rng, s.n);
            if (i != j && are_near(&s, i, j, 4)) keep_apart(&s, i, j);
        }
        for (int radius = -1; radius <= 6; radius++) assert_groups_apart(&s, radius);
        sg_store_close(s.store);
        assert_int_equal(nftw("idx", scratch_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
    }
}

/* 1 and 2 are apart; 3 is nearer to 2 than to 1, whatever the order of ids: it stands with 2. */
static void test_the_nearest_first(void **state)
{
    (void)state;
    sg_error err = {0};
    static const uint8_t codes[3][NBYTES] = {{0x0f}, {0x00}, {0x01}};
    uint64_t ids[3];
    sg_groups groups;
    sg_store *store = shelf_make(8 * NBYTES);
    assert_true(sg_store_begin(store, &err));
    for (unsigned i = 0; i < 3; i++)
        ids[i] = shelf_put(store, (const char *[]){"/a", "/b", "/c"}[i], codes[i], i, NULL, 0);
    assert_true(sg_store_commit(store, &err) && sg_store_begin(store, &err));
    assert_true(sg_store_pair_set(store, ids[1], ids[0], true, &err) && sg_store_commit(store, &err));
    assert_true(sg_groups_find(&groups, store, 4, NULL, &err));
    assert_int_equal(groups.n, 1);
    assert_int_equal(groups.starts[1], 2);
    assert_int_equal(groups.ids[0], ids[1]);
    assert_int_equal(groups.ids[1], ids[2]);
    sg_groups_clear(&groups);
    /* Taken back, all three hang together. */
    assert_true(sg_store_begin(store, &err) && sg_store_pair_set(store, ids[0], ids[1], false, &err));
    assert_true(sg_store_commit(store, &err) && sg_groups_find(&groups, store, 4, NULL, &err));
    assert_int_equal(groups.n, 1);
    assert_int_equal(groups.starts[1], 3);
    sg_groups_clear(&groups);
    sg_store_close(store);
}

/* Lonely codes, and behind them crowded ones: each of these is within the radius of all. */
static bool find_crowd(void)
{
    enum { LONELY = 1000, CROWD = 4096 };
    static uint8_t codes[LONELY + CROWD][8];
    sg_error err = {0};
    sg_groups groups;
    uint64_t first;
    struct rusage before, after;
    draw_codes(codes[0], LONELY, 8, 1);
    for (size_t i = 0; i < LONELY; i++) codes[i][0] &= 0x7f;
    for (unsigned i = 0; i < CROWD; i++)
        memcpy(codes[LONELY + i], (uint8_t[8]){0xff, (uint8_t)i, (uint8_t)(i >> 8)}, 8);
    sg_store *store = shelf_make(64);
    bool ok = sg_store_begin(store, &err) &&
              sg_store_put_codes(&first, store, codes[0], LONELY + CROWD, &err) &&
              sg_store_commit(store, &err);
    getrusage(RUSAGE_SELF, &before);
    ok = ok && sg_groups_find(&groups, store, 12, NULL, &err);
    getrusage(RUSAGE_SELF, &after);
    ok = ok && groups.n == 1 && groups.starts[1] == CROWD;
    return ok && after.ru_maxrss - before.ru_maxrss < 400 * 1024; /* 200 MB; with all answers at once 640 */
}

/* A process of its own: the most memory that it ever had is asked. */
static void test_memory_of_a_crowd(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* which keeps what was freed */
#endif
    int status;
    pid_t child = fork();
    if (child == 0) _exit(find_crowd() ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static bool whole(sg_store *store, sg_error *err)
{
    sg_groups groups;
    if (!sg_groups_find(&groups, store, 3, NULL, err)) {
        assert_true(!groups.ids && !groups.codes && !groups.starts && groups.n == 0);
        return false;
    }
    sg_groups_clear(&groups);
    return true;
}

static void test_without_memory(void **state)
{
    (void)state;
    static shelf s;
    fill(&s, 40, 5, 4, 1);
    for (size_t i = 1; i < s.n; i++)
        if (are_near(&s, 0, i, 4)) keep_apart(&s, 0, i);
    assert_survives_allocation_failures(whole(s.store, &err));
    sg_error err = {0};
    sg_interrupt_set(true);
    assert_false(whole(s.store, &err));
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    sg_interrupt_set(false);
    sg_store_close(s.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_memory_of_a_crowd), /* first: a child has no threads that its parent has made */
        scratch_test(test_against_all_pairs), scratch_test(test_apart),
        scratch_test(test_the_nearest_first), scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
