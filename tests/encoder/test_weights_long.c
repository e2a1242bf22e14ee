/* Files of weights with every byte set to many values, and with pieces changed, moved, doubled and lost at random: each is
 * read or refused within 2 seconds and 1 GiB. */
#include "encoder/weight_files.h"

#include <fcntl.h>
#include <signet/random.h>
#include <sys/resource.h>
#include <time.h>

#define NVICTIMS (sizeof victims / sizeof *victims)
#define MIXED    5000 /* random variants a file */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void check_bounded(double *slowest)
{
    double begin = now();
    check_survived();
    double took = now() - begin;
    if (took > *slowest) *slowest = took;
    assert_true(took < 2);
}

static void check_peak(const char *what, double slowest)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    print_message("%s: slowest %.3f s, peak %ld MiB\n", what, slowest, usage.ru_maxrss >> 10);
    assert_true(usage.ru_maxrss < 1 << 20);
}

static void test_every_byte(void **state)
{
    (void)state;
    for (size_t f = 0; f < NVICTIMS; f++) {
        size_t nbytes;
        double slowest = 0;
        char *bytes = copy_fixture(&nbytes, victims[f]);
        int file = open("f", O_WRONLY);
        for (size_t i = 0; i < nbytes; i++) {
            for (int value = (int)(i % 11); value < 256; value += 11) {
                put_byte(file, i, (char)value);
                check_bounded(&slowest);
            }
            put_byte(file, i, bytes[i]);
        }
        close(file);
        sg_free(bytes);
        check_peak(victims[f], slowest);
    }
}

/* One change to bytes, which hold at most `max`. */
static void change(char *bytes, size_t *nbytes, size_t max, sg_rng *rng)
{
    size_t at = sg_rng_below(rng, *nbytes), to = sg_rng_below(rng, *nbytes),
           length = 1 + sg_rng_below(rng, 64);
    size_t room = *nbytes - (at > to ? at : to);
    if (length > room) length = room;
    switch (sg_rng_below(rng, 4)) {
    case 0: /* a byte */
        bytes[at] = (char)sg_rng_u32(rng);
        break;
    case 1: /* a piece over another */
        memmove(bytes + to, bytes + at, length);
        break;
    case 2: /* a piece lost */
        memmove(bytes + at, bytes + at + length, *nbytes - at - length);
        if (*nbytes > length) *nbytes -= length;
        break;
    default: /* a piece doubled */
        if (*nbytes + length > max) break;
        memmove(bytes + at + length, bytes + at, *nbytes - at);
        *nbytes += length;
    }
}

static void test_mixed(void **state)
{
    (void)state;
    for (size_t f = 0; f < NVICTIMS; f++) {
        size_t nbytes;
        double slowest = 0;
        char *bytes = copy_fixture(&nbytes, victims[f]);
        size_t max = 2 * nbytes;
        char *changed = malloc(max);
        for (uint64_t i = 0; i < MIXED; i++) {
            sg_rng rng = sg_rng_at(1, SG_RNG_TEST, f, i);
            size_t n = nbytes;
            memcpy(changed, bytes, n);
            for (uint64_t times = 1 + sg_rng_below(&rng, 4); times > 0; times--)
                change(changed, &n, max, &rng);
            scratch_put("f", changed, n);
            check_bounded(&slowest);
        }
        free(changed);
        sg_free(bytes);
        check_peak(victims[f], slowest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {scratch_test(test_every_byte), scratch_test(test_mixed)};
    return cmocka_run_group_tests(tests, find_fixtures, NULL);
}
