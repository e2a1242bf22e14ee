/* Snapshots of search kinds: whatever the file is, answers are those of the codes. */
#include "index/mih_impl.h"

#include "base/scratch.h"
#include "crowd.h"
#include <math.h>
#include <signal.h>
#include <signet/cpu.h>
#include <signet/hash.h>
#include <signet/interrupt.h>
#include <signet/search.h>
#include <signet/snapshot.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define FINGERPRINT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER       "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

#define FIRST_ID ((uint64_t)1 << 33)

/* A store as a search sees it. */
typedef struct live {
    size_t nbits, n;
    uint8_t *codes;
    uint64_t *ids, next_id, generation;
} live;

static live make_live(size_t nbits, size_t n, uint64_t seed)
{
    live l = {nbits, n, calloc(2 * n + 64, nbits / 8), calloc(2 * n + 64, sizeof *l.ids), FIRST_ID + n, 10};
    crowd_codes(l.codes, 0, n, nbits, 3, seed);
    for (size_t i = 0; i < n; i++) l.ids[i] = FIRST_ID + i;
    return l;
}

static void free_live(live *l)
{
    free(l->codes);
    free(l->ids);
}

static void drop(live *l, size_t position)
{
    const size_t nbytes = l->nbits / 8;
    memmove(l->codes + position * nbytes, l->codes + (position + 1) * nbytes, (l->n - position - 1) * nbytes);
    memmove(l->ids + position, l->ids + position + 1, (l->n - position - 1) * sizeof *l->ids);
    l->n--;
    l->generation++;
}

static void put(live *l, size_t count, uint64_t seed)
{
    crowd_codes(l->codes + l->n * (l->nbits / 8), 0, count, l->nbits, 3, seed);
    for (size_t i = 0; i < count; i++) l->ids[l->n++] = l->next_id++;
    l->generation++;
}

typedef struct kind {
    const char *name, *key, *value; /* parameters with which it is exact */
} kind;
static const kind mih = {"mih", "tables", "2"}, ivf = {"ivf", "lists", "6"};
/* A list a code: FAISS has nothing to train. */
static const kind quick_ivf = {"ivf", "lists", "50"};

static bool begin(sg_search **search, const live *l, const kind *k, sg_error *err)
{
    uint8_t *codes;
    uint64_t *ids;
    sg_kv kv = SG_KV_INIT;
    bool ok = sg_kv_set(&kv, k->key, k->value, err) &&
              (strcmp(k->name, "ivf") != 0 || sg_kv_set(&kv, "probes", k->value, err)) &&
              sg_search_begin(search, k->name, &kv, l->nbits, l->n, &codes, &ids, err);
    sg_kv_clear(&kv);
    if (!ok) return false;
    if (l->n > 0) memcpy(codes, l->codes, l->n * (l->nbits / 8));
    if (l->n > 0) memcpy(ids, l->ids, l->n * sizeof *ids);
    return true;
}

static sg_search *open_with(sg_snapshot_use *use, const live *l, const kind *k, const char *folder,
                            const char *fingerprint)
{
    sg_error err = {0};
    sg_search *search;
    if (!begin(&search, l, k, &err)) fail_msg("%s", err.message);
    if (!sg_snapshot_build(use, search, folder, fingerprint, l->generation, &err))
        fail_msg("%s", err.message);
    return search;
}

/* masked: only every third position may be found. */
static void check_ask(const sg_search *search, const live *l, const uint8_t *query, sg_search_ask ask,
                      bool masked)
{
    sg_near *want = calloc(l->n + 1, sizeof *want);
    uint64_t *ids = calloc(l->n + 1, sizeof *ids), *mask = NULL;
    const unsigned radius = ask.radius < 0 ? (unsigned)l->nbits : (unsigned)ask.radius;
    const size_t all = naive_nearest(want, query, l->codes, l->n, l->nbits / 8, 0, radius);
    size_t n = 0;
    sg_error err = {0};
    sg_search_result result;
    for (size_t i = 0; i < all; i++)
        if (!masked || want[i].position % 3 == 0) want[n++] = want[i];
    if (ask.k > 0 && ask.k < n) n = ask.k;
    for (size_t i = 0; 3 * i < l->n; i++) ids[i] = l->ids[3 * i];
    if (masked && !sg_search_mask(&mask, search, ids, (l->n + 2) / 3, &err)) fail_msg("%s", err.message);
    ask.mask = mask;
    if (!sg_search_run(&result, search, query, 1, &ask, &err)) fail_msg("%s", err.message);
    assert_true(result.exact);
    assert_int_equal(result.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_true(result.hits[i].id == l->ids[want[i].position]);
        assert_int_equal(result.hits[i].distance, want[i].distance);
    }
    sg_search_result_clear(&result);
    sg_free(mask);
    free(ids);
    free(want);
}

/* The buckets themselves, which so few codes are scanned sooner than looked for in: of the codes that they know. */
static void check_buckets(const sg_search *search, const live *l, const uint8_t *query, unsigned radius)
{
    const sg_search_rows known = {l->nbits, search->known, l->codes};
    sg_near *want = calloc(l->n + 1, sizeof *want);
    sg_near_list got = {0};
    const size_t n = naive_nearest(want, query, l->codes, known.n, l->nbits / 8, 0, radius);
    assert_int_equal(sg_mih_seek(&got, search->state, &known, query, SIZE_MAX, radius, INFINITY),
                     SG_MIH_FOUND);
    sg_near_sort(got.items, got.n);
    assert_int_equal(got.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(got.items[i].position, want[i].position);
        assert_int_equal(got.items[i].distance, want[i].distance);
    }
    sg_free(got.items);
    free(want);
}

static void check_answers(const sg_search *search, const live *l)
{
    const size_t positions[] = {0, l->n / 2, l->n - 1};
    const sg_search_ask asks[] = {
        {.k = 7, .radius = -1}, {.k = l->n + 1, .radius = -1}, {.k = 0, .radius = 3}};
    for (int q = 0; q < 3; q++) {
        const uint8_t *query = l->codes + positions[q] * (l->nbits / 8);
        for (int a = 0; a < 3; a++)
            for (int masked = 0; masked < 2; masked++) check_ask(search, l, query, asks[a], masked);
        if (search->kind == &sg_search_mih) check_buckets(search, l, query, 3);
    }
}

static void assert_use(sg_snapshot_use want, const live *l, const kind *k)
{
    sg_snapshot_use use;
    sg_search *search = open_with(&use, l, k, ".", FINGERPRINT);
    assert_int_equal(use, want);
    check_answers(search, l);
    sg_search_free(search);
}

static void check_use(const kind *k, size_t nbits)
{
    live l = make_live(nbits, 400, 1);
    assert_use(SG_SNAPSHOT_REBUILT, &l, k);
    assert_use(SG_SNAPSHOT_CURRENT, &l, k);
    drop(&l, 0);
    drop(&l, 17);
    drop(&l, l.n - 1);
    assert_use(SG_SNAPSHOT_REPLAYED, &l, k);
    put(&l, 30, 2);
    drop(&l, l.n - 5); /* one that no snapshot has seen */
    assert_use(SG_SNAPSHOT_REPLAYED, &l, k);
    for (int n = 0; n < 47; n++) drop(&l, (size_t)n * 5);
    assert_use(SG_SNAPSHOT_REPLAYED, &l, k); /* 50 gone, 29 new: of 400 a fifth but one */
    drop(&l, 3);
    assert_use(SG_SNAPSHOT_REPLAYED, &l, k);
    drop(&l, 3);
    assert_use(SG_SNAPSHOT_REBUILT, &l, k);
    assert_use(SG_SNAPSHOT_CURRENT, &l, k);
    free_live(&l);
}

static void test_use(void **state)
{
    (void)state;
    static const size_t sizes[] = {64, 40, 104};
    for (size_t i = 0; i < 3; i++) {
        check_use(&mih, sizes[i]);
        check_use(&ivf, sizes[i]);
    }
    assert_true(sg_path_exists("search.mih") && sg_path_exists("search.ivf"));
    sg_error err = {0};
    assert_true(sg_snapshot_remove(".", "ivf", &err));
    assert_true(sg_path_exists("search.mih") && !sg_path_exists("search.ivf"));
    assert_true(sg_snapshot_remove(".", "ivf", &err));
    assert_true(sg_snapshot_remove(".", "mih", &err));
    assert_false(sg_path_exists("search.mih"));
}

/* flat has none, nor has an index without codes. */
static void test_none(void **state)
{
    (void)state;
    sg_snapshot_use use;
    sg_error err = {0};
    sg_search *search;
    uint8_t *codes;
    uint64_t *ids;
    live l = make_live(64, 10, 1);
    assert_true(sg_search_begin(&search, "flat", NULL, 64, l.n, &codes, &ids, &err));
    memcpy(codes, l.codes, 80);
    memcpy(ids, l.ids, 80);
    assert_true(sg_snapshot_build(&use, search, ".", FINGERPRINT, 1, &err));
    assert_int_equal(use, SG_SNAPSHOT_NONE);
    check_answers(search, &l);
    sg_search_free(search);
    l.n = 0;
    search = open_with(&use, &l, &ivf, ".", FINGERPRINT);
    assert_int_equal(use, SG_SNAPSHOT_NONE);
    assert_int_equal(sg_search_size(search), 0);
    sg_search_free(search);
    assert_false(sg_path_exists("search.flat") || sg_path_exists("search.ivf"));
    free_live(&l);
}

/* A snapshot of something else is not believed. */
static void test_foreign(void **state)
{
    (void)state;
    static const kind *const kinds[] = {&mih, &ivf};
    static const kind others[] = {{"mih", "tables", "3"}, {"ivf", "lists", "7"}};
    for (size_t i = 0; i < 2; i++) {
        const kind *k = kinds[i];
        live l = make_live(64, 200, 1), m = make_live(64, 200, 2);
        sg_snapshot_use use;
        assert_use(SG_SNAPSHOT_REBUILT, &l, k);
        sg_search_free(open_with(&use, &l, k, ".", OTHER));
        assert_int_equal(use, SG_SNAPSHOT_REBUILT);
        assert_use(SG_SNAPSHOT_REBUILT, &l, k);
        assert_use(SG_SNAPSHOT_REBUILT, &l, &others[i]);
        assert_use(SG_SNAPSHOT_REBUILT, &l, k);
        l.generation--; /* the store is older than its snapshot: it was put back */
        assert_use(SG_SNAPSHOT_REBUILT, &l, k);
        assert_use(SG_SNAPSHOT_REBUILT, &m, k); /* the same ids, other codes */
        drop(&m, 5);
        m.generation--; /* the same generation, other ids */
        assert_use(SG_SNAPSHOT_REBUILT, &m, k);
        m.ids[4] = FIRST_ID + 5; /* an id that was not there before, and is not new */
        m.generation++;
        assert_use(SG_SNAPSHOT_REBUILT, &m, k);
        free_live(&l);
        free_live(&m);
    }
}

/* Who cannot write here has lost nothing. */
static void test_unwritable(void **state)
{
    (void)state;
    sg_snapshot_use use;
    live l = make_live(64, 200, 1);
    assert_int_equal(mkdir("search.ivf", 0777), 0);
    assert_use(SG_SNAPSHOT_REBUILT, &l, &ivf);
    sg_error err = {0};
    assert_false(sg_snapshot_remove(".", "ivf", &err));
    assert_string_equal(err.message, "./search.ivf: cannot remove: Is a directory");
    assert_int_equal(rmdir("search.ivf"), 0);
    sg_search *search = open_with(&use, &l, &mih, "absent", FINGERPRINT);
    assert_int_equal(use, SG_SNAPSHOT_REBUILT);
    check_answers(search, &l);
    sg_search_free(search);
    free_live(&l);
}

/* Interrupted while it is read: not built instead. */
static void test_interrupt(void **state)
{
    (void)state;
    static const kind *const kinds[] = {&mih, &ivf};
    for (size_t i = 0; i < 2; i++) {
        live l = make_live(64, 200, 1);
        sg_error err = {0};
        sg_search *search;
        assert_use(SG_SNAPSHOT_REBUILT, &l, kinds[i]);
        assert_true(begin(&search, &l, kinds[i], &err));
        sg_interrupt_set(true);
        const bool ok = sg_snapshot_build(NULL, search, ".", FINGERPRINT, l.generation, &err);
        sg_interrupt_set(false);
        assert_false(ok);
        assert_int_equal(err.code, SG_ERR_INTERRUPTED);
        sg_search_free(search);
        assert_use(SG_SNAPSHOT_CURRENT, &l, kinds[i]);
        free_live(&l);
    }
}

static const char *file_of(const kind *k)
{
    return k == &mih ? "search.mih" : "search.ivf";
}

/* No file may grow meanwhile, so that the damaged one stays: the loops are many, and a write that lasts is slow. */
static sg_search *open_without_writing(sg_snapshot_use *use, const live *l, const kind *k)
{
    struct rlimit usual, none;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
    none = (struct rlimit){0, usual.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    sg_search *search = open_with(use, l, k, ".", FINGERPRINT);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &usual), 0);
    return search;
}

static void use_damaged(const live *l, const kind *k, const char *bytes, size_t nbytes)
{
    sg_snapshot_use use;
    scratch_put(file_of(k), bytes, nbytes);
    sg_search *search = open_without_writing(&use, l, k);
    assert_int_equal(use, SG_SNAPSHOT_REBUILT);
    check_answers(search, l);
    sg_search_free(search);
}

static void test_damage(void **state)
{
    (void)state;
    static const kind *const kinds[] = {&mih, &quick_ivf};
    for (size_t i = 0; i < 2; i++) {
        const kind *k = kinds[i];
        sg_error err = {0};
        char *bytes;
        size_t nbytes;
        live l = make_live(16, 40, 1);
        assert_use(SG_SNAPSHOT_REBUILT, &l, k);
        assert_use(SG_SNAPSHOT_CURRENT, &l, k);
        assert_true(sg_file_read(&bytes, &nbytes, file_of(k), SIZE_MAX / 2, &err));
        print_message("%s of %zu bytes\n", file_of(k), nbytes);
        for (size_t size = 0; size < nbytes; size++) use_damaged(&l, k, bytes, size);
        for (size_t at = 0; at < nbytes; at++) {
            bytes[at] ^= (char)(1 << at % 8);
            use_damaged(&l, k, bytes, nbytes);
            bytes[at] ^= (char)(1 << at % 8);
        }
        sg_free(bytes);
        free_live(&l);
    }
}

static void seek_anything(const sg_search *search, const uint8_t *query)
{
    sg_near_list list = {0};
    assert_int_equal(sg_mih_seek(&list, search->state, &search->codes, query, SIZE_MAX, 12, INFINITY),
                     SG_MIH_FOUND);
    sg_free(list.items);
}

/* Bytes that nobody damaged by accident, with a right sum: no harm, whatever the answers are. */
static void test_forged(void **state)
{
    (void)state;
    static const kind *const kinds[] = {&mih, &quick_ivf};
    sg_rng rng = sg_rng_at(5, SG_RNG_TEST, 0, 0);
    for (size_t i = 0; i < 2; i++) {
        const kind *k = kinds[i];
        sg_error err = {0};
        char *bytes;
        size_t nbytes, refused = 0;
        live l = make_live(16, 40, 1);
        assert_use(SG_SNAPSHOT_REBUILT, &l, k);
        assert_true(sg_file_read(&bytes, &nbytes, file_of(k), SIZE_MAX / 2, &err));
        for (size_t at = 8; at < nbytes; at++) {
            const char kept = bytes[at];
            sg_snapshot_use use;
            bytes[at] = (char)(sg_rng_below(&rng, 2) ? kept ^ (1 << sg_rng_below(&rng, 8))
                                                     : (int)sg_rng_below(&rng, 256));
            const uint64_t sum = sg_xxh3_64(bytes + 8, nbytes - 8);
            memcpy(bytes, &sum, sizeof sum);
            scratch_put(file_of(k), bytes, nbytes);
            sg_search *search = open_without_writing(&use, &l, k);
            refused += use == SG_SNAPSHOT_REBUILT;
            sg_search_result result;
            const sg_search_ask asks[] = {{.k = 40, .radius = -1}, {.k = 0, .radius = 12}};
            for (int a = 0; a < 2; a++) {
                assert_true(sg_search_run(&result, search, l.codes, 1, &asks[a], &err));
                sg_search_result_clear(&result);
            }
            if (k == &mih) seek_anything(search, l.codes);
            sg_search_free(search);
            bytes[at] = kept;
        }
        assert_true(refused > 152); /* all of the head, to say the least */
        sg_free(bytes);
        free_live(&l);
    }
}

static bool whole_use(const kind *k, sg_error *err)
{
    live l = make_live(64, 30, 1);
    sg_search *first = NULL, *second = NULL;
    bool ok =
        begin(&first, &l, k, err) && sg_snapshot_build(NULL, first, ".", FINGERPRINT, l.generation, err) &&
        begin(&second, &l, k, err) && sg_snapshot_build(NULL, second, ".", FINGERPRINT, l.generation, err);
    sg_search_free(first);
    sg_search_free(second);
    free_live(&l);
    return ok;
}

/* Where no snapshot can be read or written, it goes without. */
static void test_without_memory(void **state)
{
    (void)state;
    static const kind *const kinds[] = {&mih, &quick_ivf};
    for (size_t i = 0; i < 2; i++)
        for (uint64_t nth = 1;; nth++) {
            sg_error err = {0};
            const uint64_t before = sg_mem_count();
            sg_mem_fail_at(nth);
            const bool ok = whole_use(kinds[i], &err);
            sg_mem_fail_at(0);
            if (!ok) assert_int_equal(err.code, SG_ERR_MEMORY);
            if (sg_mem_count() - before < nth) break;
        }
}

/* For tests that build many times over: so few codes take less time than threads to wake. */
static int enter_alone(void **state)
{
    sg_threads_set(1);
    return scratch_enter(state);
}

static int leave_alone(void **state)
{
    sg_threads_set(0);
    return scratch_leave(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_use),
        scratch_test(test_none),
        scratch_test(test_foreign),
        scratch_test(test_unwritable),
        scratch_test(test_interrupt),
        cmocka_unit_test_setup_teardown(test_damage, enter_alone, leave_alone),
        cmocka_unit_test_setup_teardown(test_forged, enter_alone, leave_alone),
        cmocka_unit_test_setup_teardown(test_without_memory, enter_alone, leave_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
