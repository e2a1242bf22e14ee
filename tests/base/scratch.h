/* For tests of base: cmocka with what it needs, a folder that goes away, and the loop over failing
 * allocations. */
#ifndef SIGNET_TESTS_SCRATCH_H
#define SIGNET_TESTS_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <signet/error.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A new folder in *state, which is also the working folder while the test runs: setup and teardown of
 * cmocka. */
typedef struct scratch {
    char folder[64];
    char before[4096];
} scratch;

static inline int scratch_enter(void **state)
{
    scratch *s = calloc(1, sizeof *s);
    if (!s || !getcwd(s->before, sizeof s->before)) return -1;
    strcpy(s->folder, "/tmp/signet-test-XXXXXX");
    *state = s;
    return mkdtemp(s->folder) && chdir(s->folder) == 0 ? 0 : -1;
}

static inline int scratch_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline int scratch_leave(void **state)
{
    scratch *s = *state;
    int failed = chdir(s->before);
    failed |= nftw(s->folder, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
    free(s);
    return failed;
}

#define scratch_test(f) cmocka_unit_test_setup_teardown(f, scratch_enter, scratch_leave)

static inline void scratch_put(const char *path, const void *bytes, size_t nbytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, nbytes, file), nbytes);
    assert_int_equal(fclose(file), 0);
}

static inline bool scratch_same(const char *a, const char *b)
{
    char *x, *y;
    size_t m, n;
    assert_true(sg_file_read(&x, &m, a, SIZE_MAX, NULL) && sg_file_read(&y, &n, b, SIZE_MAX, NULL));
    bool same = m == n && memcmp(x, y, n) == 0;
    sg_free(x);
    sg_free(y);
    return same;
}

/* Runs `call` (an expression that is true on success and may use `err`) with the 1st, 2nd, ... allocation
 * failing until it succeeds. Each failure must say so; what leaks is seen by the address sanitizer. */
#define assert_survives_allocation_failures(call)                                                            \
    do {                                                                                                     \
        bool done_ = false;                                                                                  \
        for (uint64_t nth_ = 1; !done_; nth_++) {                                                            \
            sg_error err = {0};                                                                              \
            assert_true(nth_ < 10000);                                                                       \
            sg_mem_fail_at(nth_);                                                                            \
            done_ = (call);                                                                                  \
            sg_mem_fail_at(0);                                                                               \
            if (!done_) assert_int_equal(err.code, SG_ERR_MEMORY);                                           \
        }                                                                                                    \
    } while (0)

#endif
