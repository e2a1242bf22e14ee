#include "shelf.h"

#include <signet/attributes.h>
#include <signet/interrupt.h>
#include <signet/vote.h>

#define NBYTES  2
#define N       300
#define NLABELS 7

static const char *const names[NLABELS] = {"ant", "bee", "cat", "dog", "eel", "fox", "gnu"};

typedef struct herd {
    sg_store *store;
    uint8_t codes[N * NBYTES];
    uint64_t ids[N];
    bool has[N][NLABELS];
} herd;

/* One in four has no label, one in four two or more. */
static void fill(herd *h, uint64_t seed)
{
    sg_error err = {0};
    sg_rng rng = sg_rng_at(seed, SG_RNG_TEST, 3, 0);
    memset(h, 0, sizeof *h);
    h->store = shelf_make(8 * NBYTES);
    draw_codes(h->codes, N, NBYTES, seed);
    assert_true(sg_store_begin(h->store, &err));
    for (size_t i = 0; i < N; i++) {
        char path[32];
        sg_attributes attributes = SG_ATTRIBUTES_INIT;
        uint64_t kind = sg_rng_below(&rng, 4);
        for (uint64_t some = kind == 0 ? 0 : kind == 1 ? 3 : 1; some > 0; some--) {
            uint64_t label = sg_rng_below(&rng, NLABELS);
            h->has[i][label] = true;
            assert_true(sg_attributes_add(&attributes, "label", names[label], &err));
        }
        assert_true(sg_attributes_add(&attributes, "colour", "red", &err));
        assert_true(sg_attributes_add(&attributes, "labels", "none", &err));
        snprintf(path, sizeof path, "/p/%zu", i);
        h->ids[i] =
            shelf_put(h->store, path, h->codes + i * NBYTES, (unsigned)i, attributes.data, attributes.nbytes);
        sg_attributes_clear(&attributes);
    }
    assert_true(sg_store_commit(h->store, &err));
}

static bool labelled(const herd *h, size_t i)
{
    for (size_t l = 0; l < NLABELS; l++)
        if (h->has[i][l]) return true;
    return false;
}

/* The vote by hand: how many are nearer than each; those with fewer than k before them vote. */
static void assert_votes(const herd *h, const sg_votes *votes, const uint8_t *code, size_t k)
{
    size_t voters = 0, counts[NLABELS] = {0}, seen = 0;
    uint64_t nearest[NLABELS];
    memset(nearest, 0xff, sizeof nearest);
    for (size_t i = 0; i < N; i++) {
        unsigned distance = naive_distance(code, h->codes + i * NBYTES, NBYTES);
        size_t nearer = 0;
        for (size_t j = 0; j < N; j++)
            nearer += labelled(h, j) && naive_distance(code, h->codes + j * NBYTES, NBYTES) < distance;
        if (!labelled(h, i) || nearer >= k) continue;
        voters++;
        for (size_t l = 0; l < NLABELS; l++) {
            uint64_t place = (uint64_t)distance << 32 | h->ids[i];
            counts[l] += h->has[i][l];
            if (h->has[i][l] && place < nearest[l]) nearest[l] = place;
        }
    }
    assert_int_equal(votes->nvoters, voters);
    for (size_t v = 0; v < votes->n; v++) {
        const sg_vote *vote = &votes->items[v];
        size_t l = (size_t)(vote->label[0] - 'a');
        assert_string_equal(vote->label, names[l]);
        assert_int_equal(vote->count, counts[l]);
        assert_true(vote->share == (double)counts[l] / (double)voters);
        assert_int_equal((uint64_t)vote->distance << 32 | vote->id, nearest[l]);
        seen++;
        if (v == 0) continue;
        size_t before = (size_t)(votes->items[v - 1].label[0] - 'a');
        assert_true(counts[before] > counts[l] ||
                    (counts[before] == counts[l] &&
                     (nearest[before] < nearest[l] || (nearest[before] == nearest[l] && before < l))));
    }
    for (size_t l = 0; l < NLABELS; l++) seen -= counts[l] > 0;
    assert_int_equal(seen, 0);
}

static void test_by_hand(void **state)
{
    (void)state;
    static herd h;
    sg_error err = {0};
    sg_voter *voter;
    sg_votes votes;
    size_t nlabelled = 0;
    fill(&h, 1);
    for (size_t i = 0; i < N; i++) nlabelled += labelled(&h, i);
    if (!sg_voter_new(&voter, h.store, &err)) fail_msg("%s", err.message);
    assert_int_equal(sg_voter_size(voter), nlabelled);
    static const size_t ks[] = {1, 2, 3, 10, 100, 1000};
    uint8_t queries[30 * NBYTES];
    draw_codes(queries, 30, NBYTES, 99);
    for (size_t q = 0; q < 30; q++)
        for (size_t i = 0; i < sizeof ks / sizeof *ks; i++) {
            if (!sg_voter_ask(&votes, voter, queries + q * NBYTES, ks[i], &err)) fail_msg("%s", err.message);
            assert_votes(&h, &votes, queries + q * NBYTES, ks[i]);
            sg_votes_clear(&votes);
        }
    assert_false(sg_voter_ask(&votes, voter, queries, 0, &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
    sg_voter_free(voter);
    sg_store_close(h.store);
}

/* More labels than the table begins with room for. */
static void test_many_labels(void **state)
{
    (void)state;
    enum { MANY = 500 };
    sg_error err = {0};
    sg_voter *voter;
    sg_votes votes;
    sg_store *store = shelf_make(16);
    assert_true(sg_store_begin(store, &err));
    for (unsigned i = 0; i < MANY; i++) {
        sg_attributes attributes = SG_ATTRIBUTES_INIT;
        char path[32], label[32];
        uint8_t code[2] = {(uint8_t)i, (uint8_t)(i >> 8)};
        snprintf(path, sizeof path, "/p/%u", i);
        snprintf(label, sizeof label, "label %u", i / 2);
        assert_true(sg_attributes_add(&attributes, "label", label, &err));
        shelf_put(store, path, code, i, attributes.data, attributes.nbytes);
        sg_attributes_clear(&attributes);
    }
    assert_true(sg_store_commit(store, &err) && sg_voter_new(&voter, store, &err));
    assert_int_equal(sg_voter_size(voter), MANY);
    for (unsigned i = 0; i < MANY; i++) {
        char label[32];
        uint8_t code[2] = {(uint8_t)i, (uint8_t)(i >> 8)};
        assert_true(sg_voter_ask(&votes, voter, code, 1, &err));
        snprintf(label, sizeof label, "label %u", i / 2);
        assert_int_equal(votes.n, 1);
        assert_string_equal(votes.items[0].label, label);
        assert_true(votes.items[0].share == 1 && votes.items[0].distance == 0);
        sg_votes_clear(&votes);
    }
    assert_true(sg_voter_ask(&votes, voter, (const uint8_t[]){0, 0}, MANY, &err));
    assert_int_equal(votes.n, MANY / 2);
    sg_votes_clear(&votes);
    sg_voter_free(voter);
    sg_store_close(store);
}

static void test_without_labels(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_voter *voter;
    sg_store *store = shelf_make(16);
    assert_false(sg_voter_new(&voter, store, &err));
    assert_null(voter);
    assert_int_equal(err.code, SG_ERR_NOT_FOUND);
    sg_store_close(store);
}

static bool whole(sg_store *store, sg_error *err)
{
    sg_voter *voter;
    sg_votes votes;
    if (!sg_voter_new(&voter, store, err)) return false;
    bool ok = sg_voter_ask(&votes, voter, (const uint8_t[]){1, 2}, 5, err);
    if (ok) sg_votes_clear(&votes);
    sg_voter_free(voter);
    return ok;
}

static void test_without_memory(void **state)
{
    (void)state;
    static herd h;
    fill(&h, 2);
    assert_survives_allocation_failures(whole(h.store, &err));
    sg_error err = {0};
    sg_interrupt_set(true);
    assert_false(whole(h.store, &err));
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    sg_interrupt_set(false);
    sg_store_close(h.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_by_hand),
        scratch_test(test_many_labels),
        scratch_test(test_without_labels),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
