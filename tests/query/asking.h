/* For tests of what is asked beside a picture's nearest: an index, and every item of its store, looked at here. */
#ifndef SIGNET_TESTS_ASKING_H
#define SIGNET_TESTS_ASKING_H

#include "album.h"

/* --- the reference --- */

typedef struct row {
    uint64_t id;
    unsigned distance;
    double score;
    uint8_t code[BITS / 8];
} row;

typedef struct table {
    row rows[200];
    size_t n;
    bool (*takes)(uint64_t id); /* NULL: all */
} table;

static inline bool take_row(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    table *t = context;
    if (t->takes && !t->takes(item->id)) return true;
    row *r = &t->rows[t->n++];
    *r = (row){.id = item->id};
    memcpy(r->code, item->code, sizeof r->code);
    return true;
}

static inline int compare_rows(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* All items of the store that are taken, by (distance, id). */
static inline void fill(table *t, sg_index *index, const uint8_t *code, bool (*takes)(uint64_t id))
{
    sg_error err = {0};
    *t = (table){.takes = takes};
    assert_true(sg_store_each(sg_index_store(index), take_row, t, &err));
    for (size_t i = 0; i < t->n; i++)
        for (int k = 0; k < BITS; k++)
            t->rows[i].distance += (t->rows[i].code[k / 8] ^ code[k / 8]) >> k % 8 & 1;
    qsort(t->rows, t->n, sizeof *t->rows, compare_rows);
}

static inline void assert_rows(const sg_answer *answer, const table *t, size_t k)
{
    size_t n = k < t->n ? k : t->n;
    assert_int_equal(answer->result.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(answer->result.hits[i].id, t->rows[i].id);
        assert_int_equal(answer->result.hits[i].distance, t->rows[i].distance);
    }
}

/* --- the index: 90 pictures, of which three each are alike --- */

enum { PICTURES = 90, ALIKE = 3 };

static inline sg_searcher *open_many(void)
{
    sg_error err = {0};
    char path[64];
    sg_searcher *searcher;
    make_index();
    make_folder("many");
    for (int i = 0; i < PICTURES; i++) {
        snprintf(path, sizeof path, "many/%03d.png", i);
        put_picture(path, (uint64_t)(i % (PICTURES / ALIKE)));
    }
    assert_int_equal(add_path("many", NULL).added, PICTURES);
    if (!sg_searcher_open(&searcher, "idx", SG_INDEX_ENCODE, 1, &err)) fail_msg("%s", err.message);
    return searcher;
}

static inline void code_of(uint8_t *code, sg_index *index, uint64_t id)
{
    static table t;
    const uint8_t zero[BITS / 8] = {0};
    fill(&t, index, zero, NULL);
    for (size_t i = 0; i < t.n; i++)
        if (t.rows[i].id == id) memcpy(code, t.rows[i].code, BITS / 8);
}

static uint64_t left_out;

static inline bool all_but_one(uint64_t id)
{
    return id != left_out;
}

#endif
