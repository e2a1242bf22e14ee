/* The files of tests/fixtures/encoder/weights, and copies of them that are tampered with. */
#ifndef SIGNET_TESTS_WEIGHT_FILES_H
#define SIGNET_TESTS_WEIGHT_FILES_H

#include "base/scratch.h"

#include <signet/file.h>
#include <signet/weights.h>

static char fixtures[4096];

static inline const char *fixture(const char *name)
{
    static char path[4200];
    snprintf(path, sizeof path, "%s/%s", fixtures, name);
    return path;
}

static inline int find_fixtures(void **state)
{
    (void)state;
    char here[3900];
    if (!getcwd(here, sizeof here)) return -1;
    snprintf(fixtures, sizeof fixtures, "%s/fixtures/encoder/weights", here);
    return 0;
}

/* Opens and reads all; what a file that was tampered with may still do is nothing worse than fail with one line. */
static inline bool read_all(const char *path, sg_error *err)
{
    sg_weights *w;
    if (!sg_weights_open(&w, path, err)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < sg_weights_count(w); i++) {
        const sg_weight *t = sg_weights_at(w, i);
        if (!t->floats || t->size > 1000) continue; /* a changed stride of 0 lets a shape claim anything */
        float *values = malloc((t->size + 1) * sizeof *values);
        ok = sg_weights_read(values, w, i, err);
        free(values);
    }
    sg_weights_close(w);
    return ok;
}

static const char *const victims[] = {"zip.pth", "older.pth", "checkpoint.pth", "checkpoint-older.pth"};

/* A copy as "f", which is then changed in place. */
static inline char *copy_fixture(size_t *nbytes, const char *name)
{
    char *bytes;
    assert_true(sg_file_read(&bytes, nbytes, fixture(name), 1 << 20, NULL));
    scratch_put("f", bytes, *nbytes);
    return bytes;
}

static inline void put_byte(int file, size_t at, char byte)
{
    assert_int_equal(pwrite(file, &byte, 1, (off_t)at), 1);
}

/* "f" is read, or refused with one line that begins with its name. */
static inline void check_survived(void)
{
    sg_error err = {0};
    if (read_all("f", &err)) return;
    assert_null(strchr(err.message, '\n'));
    assert_int_equal(strncmp(err.message, "f: ", 3), 0);
    assert_true(err.code == SG_ERR_FORMAT || err.code == SG_ERR_UNSUPPORTED || err.code == SG_ERR_LIMIT);
}

#endif
