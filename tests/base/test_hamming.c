#include "scratch.h"

#include <signet/codes.h>
#include <signet/random.h>

/* The reference: bit by bit. */
static unsigned distance_of(const uint8_t *a, const uint8_t *b, size_t nbytes)
{
    unsigned distance = 0;
    for (size_t k = 0; k < 8 * nbytes; k++) distance += (a[k / 8] >> k % 8 & 1) != (b[k / 8] >> k % 8 & 1);
    return distance;
}

/* Rows of random bytes, some all zeros or ones, so that the extremes occur. */
static void fill(uint8_t *bytes, size_t n, size_t nbytes, sg_rng *rng)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t kind = sg_rng_u32(rng) % 8;
        for (size_t j = 0; j < nbytes; j++)
            bytes[i * nbytes + j] = kind == 0 ? 0 : kind == 1 ? 0xff : (uint8_t)sg_rng_u32(rng);
    }
}

typedef void scan_function(uint16_t *dist, const uint8_t *query, const uint8_t *codes, size_t n,
                           size_t nbytes);

/* Exactly sized blocks from malloc, `shift` bytes off alignment: the sanitizer sees a byte read too far. */
static void check_scan(scan_function *scan, size_t n, size_t nbytes, size_t shift, sg_rng *rng)
{
    uint8_t *codes = malloc(n * nbytes + shift + 1), *query = malloc(nbytes + shift);
    uint16_t *dist = malloc((n + 1) * sizeof *dist);
    fill(codes + shift, n, nbytes, rng);
    fill(query + shift, 1, nbytes, rng);
    dist[n] = 0xabcd;
    scan(dist, query + shift, codes + shift, n, nbytes);
    for (size_t i = 0; i < n; i++) {
        unsigned expected = distance_of(query + shift, codes + shift + i * nbytes, nbytes);
        if (dist[i] != expected)
            fail_msg("n %zu nbytes %zu shift %zu row %zu: %u, not %u", n, nbytes, shift, i, dist[i],
                     expected);
        assert_int_equal(sg_hamming(query + shift, codes + shift + i * nbytes, nbytes), expected);
    }
    assert_int_equal(dist[n], 0xabcd);
    free(dist);
    free(query);
    free(codes);
}

static size_t sliced(const sg_hamming_impl *impl, uint32_t *hits, const uint8_t *query, const uint8_t *codes,
                     size_t n, size_t nbytes, unsigned bound)
{
    size_t groups = (n + impl->sliced_rows - 1) / impl->sliced_rows;
    uint64_t *planes = sg_alloc_aligned(groups * impl->sliced_rows, 2 * nbytes);
    uint16_t *slots = malloc(8 * nbytes * sizeof *slots);
    sg_hamming_slots(slots, query, nbytes, impl->sliced_rows);
    impl->slice(planes, codes, n, nbytes);
    size_t found = impl->sliced(hits, planes, slots, query, codes, n, nbytes, bound);
    free(slots);
    sg_free_aligned(planes);
    return found;
}

/* The rows that pass a bound, against all distances; at each of a few bounds, sliced and not. */
static void check_filter(const sg_hamming_impl *impl, size_t n, size_t nbytes, size_t shift, sg_rng *rng)
{
    uint8_t *codes = malloc(n * nbytes + shift + 1), *query = malloc(nbytes);
    uint32_t *hits = malloc((n + 1) * sizeof *hits);
    fill(codes + shift, n, nbytes, rng);
    fill(query, 1, nbytes, rng);
    const unsigned bounds[] = {0, 1, (unsigned)nbytes * 7 / 2, (unsigned)nbytes * 4, (unsigned)nbytes * 8};
    for (size_t b = 0; b < 2 * (sizeof bounds / sizeof *bounds); b++) {
        unsigned bound = bounds[b / 2];
        size_t found = 0;
        hits[n] = 0xabcdabcd;
        size_t count = b % 2 ? sliced(impl, hits, query, codes + shift, n, nbytes, bound)
                             : impl->filter(hits, query, codes + shift, n, nbytes, bound);
        for (size_t i = 0; i < n; i++) {
            unsigned d = distance_of(query, codes + shift + i * nbytes, nbytes);
            if (d > bound) continue;
            if (found >= count || hits[found] != (d << 16 | (uint32_t)i))
                fail_msg("%s: n %zu nbytes %zu bound %u: row %zu at %u is not there", impl->name, n, nbytes,
                         bound, i, d);
            found++;
        }
        assert_int_equal(count, found);
        assert_int_equal(hits[n], 0xabcdabcd);
    }
    free(hits);
    free(query);
    free(codes);
}

static void test_filters_against_bits(void **state)
{
    (void)state;
    size_t kernels;
    const sg_hamming_impl *impls = sg_hamming_impls(&kernels);
    for (size_t k = 0; k < kernels; k++) {
        sg_rng rng = sg_rng_at(k, SG_RNG_TEST, 1, 0);
        for (size_t nbytes = 1; impls[k].usable() && nbytes <= SG_BITS_MAX / 8; nbytes += nbytes < 20 ? 1 : 4)
            for (size_t n = 0; n <= 700; n += n < 3 ? 1 : 199)
                check_filter(&impls[k], n, nbytes, n % 9, &rng);
        if (impls[k].usable()) check_filter(&impls[k], SG_HAMMING_ROWS_MAX, 1, 0, &rng);
    }
}

static void test_kernels_against_bits(void **state)
{
    (void)state;
    size_t kernels;
    const sg_hamming_impl *impls = sg_hamming_impls(&kernels);
    for (size_t k = 0; k < kernels; k++) {
        if (!impls[k].usable()) {
            print_message("%s: not on this processor\n", impls[k].name);
            continue;
        }
        sg_rng rng = sg_rng_at(k, SG_RNG_TEST, 0, 0);
        for (size_t nbytes = 1; nbytes <= SG_BITS_MAX / 8; nbytes++) {
            for (size_t n = 0; n <= 35; n += n < 19 ? 1 : 5)
                check_scan(impls[k].scan, n, nbytes, n % 3, &rng);
            for (size_t shift = 0; shift < 8; shift++) check_scan(impls[k].scan, 9, nbytes, shift, &rng);
        }
        static const size_t common[] = {2, 4, 6, 8, 16, 32, 64, 128};
        for (size_t i = 0; i < sizeof common / sizeof *common; i++)
            check_scan(impls[k].scan, 1003, common[i], 1, &rng);
    }
}

static void test_the_chosen_kernel(void **state)
{
    (void)state;
    size_t kernels, usable = 0;
    const sg_hamming_impl *impls = sg_hamming_impls(&kernels), *last = NULL;
    for (size_t k = 0; k < kernels; k++)
        if (impls[k].usable()) last = &impls[k], usable++;
    assert_true(usable >= 1);
    assert_string_equal(impls[0].name, "portable");
    assert_string_equal(sg_hamming_kernel(), last->name);
    sg_rng rng = sg_rng_at(9, SG_RNG_TEST, 0, 0);
    for (size_t nbytes = 1; nbytes <= 40; nbytes++) check_scan(sg_hamming_scan, 77, nbytes, 0, &rng);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels_against_bits),
        cmocka_unit_test(test_filters_against_bits),
        cmocka_unit_test(test_the_chosen_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
