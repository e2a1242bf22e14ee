/* The cost of HEIF files that are written here box by box: grids of grids, in all the ways that cost too much. */
#include "datasets/heif_impl.h"
#include "datasets/pictures.h"

#include <signet/buf.h>

#define ANY_PIXELS 200000000

static void put(sg_buf *out, uint64_t value, unsigned nbytes)
{
    for (unsigned i = nbytes; i-- > 0;) sg_buf_put(out, &(char){(char)(value >> 8 * i)}, 1);
}

static void put_box(sg_buf *out, const char *type, sg_buf *content)
{
    put(out, content->size + 8, 4);
    sg_buf_puts(out, type);
    sg_buf_put(out, sg_buf_text(content), content->size);
    sg_buf_clear(content);
}

/* A picture of grids with ids from 1, the first of them the one to show. */
typedef struct picture {
    unsigned n, width, height; /* items, and the size that each of their grids states */
    struct {
        unsigned from, to;
    } references[16];
    size_t nreferences, references_padding;
    unsigned extents;      /* of each item */
    unsigned data_nbytes;  /* of each item's extent, from the start of idat */
    unsigned twice;        /* this item is listed a second time */
    unsigned number_sizes; /* of iloc */
    unsigned metas;
} picture;

static void put_items(sg_buf *meta, const picture *p)
{
    sg_buf items = SG_BUF_INIT;
    put(&items, 0, 4);
    put(&items, p->n + (p->twice > 0), 2);
    for (unsigned i = 1; i <= p->n + (p->twice > 0); i++) {
        sg_buf item = SG_BUF_INIT;
        put(&item, 2u << 24, 4);
        put(&item, i <= p->n ? i : p->twice, 2);
        put(&item, 0, 2);
        sg_buf_puts(&item, "grid");
        put(&item, 0, 1);
        put_box(&items, "infe", &item);
    }
    put_box(meta, "iinf", &items);
}

static void put_locations(sg_buf *meta, const picture *p)
{
    sg_buf box = SG_BUF_INIT;
    put(&box, 1u << 24, 4);
    put(&box, p->number_sizes, 2);
    put(&box, p->n, 2);
    for (unsigned i = 1; i <= p->n; i++) {
        put(&box, i, 2);
        put(&box, 1, 2); /* in idat */
        put(&box, 0, 2);
        put(&box, p->extents, 2);
        for (unsigned e = 0; e < p->extents; e++) {
            put(&box, 0, 4);
            put(&box, p->data_nbytes, 4);
        }
    }
    put_box(meta, "iloc", &box);
}

static void put_references(sg_buf *meta, const picture *p)
{
    sg_buf box = SG_BUF_INIT;
    put(&box, 0, 4);
    for (size_t i = 0; i < p->nreferences; i++) {
        sg_buf reference = SG_BUF_INIT;
        put(&reference, p->references[i].from, 2);
        put(&reference, 1, 2);
        put(&reference, p->references[i].to, 2);
        put_box(&box, "dimg", &reference);
    }
    sg_buf padding = SG_BUF_INIT;
    for (size_t i = 0; i < p->references_padding; i++) put(&padding, 0, 1);
    put_box(&box, "free", &padding);
    put_box(meta, "iref", &box);
}

static void put_meta(sg_buf *file, const picture *p)
{
    sg_buf meta = SG_BUF_INIT, primary = SG_BUF_INIT, grid = SG_BUF_INIT;
    put(&meta, 0, 4);
    put(&primary, 0, 4);
    put(&primary, 1, 2);
    put_box(&meta, "pitm", &primary);
    put_items(&meta, p);
    put_locations(&meta, p);
    put_references(&meta, p);
    put(&grid, 1u << 16, 4); /* sides of 4 bytes, 1 x 1 tiles */
    put(&grid, p->width, 4);
    put(&grid, p->height, 4);
    for (int i = 0; i < 988; i++) put(&grid, 0, 1);
    put_box(&meta, "idat", &grid);
    put_box(file, "meta", &meta);
}

static bool check(const picture *p, uint64_t max_pixels, sg_error *err)
{
    sg_buf file = SG_BUF_INIT, brand = SG_BUF_INIT;
    sg_buf_puts(&brand, "heic");
    put(&brand, 0, 4);
    put_box(&file, "ftyp", &brand);
    for (unsigned i = 0; i < p->metas; i++) put_meta(&file, p);
    assert_true(sg_buf_ok(&file));
    unsigned char *exact = malloc(file.size);
    memcpy(exact, sg_buf_text(&file), file.size);
    bool ok = sg_heif_check(exact, file.size, max_pixels, err);
    free(exact);
    sg_buf_clear(&file);
    return ok;
}

static void assert_refused(const picture *p, uint64_t max_pixels, sg_code code, const char *text)
{
    sg_error err = {0};
    assert_false(check(p, max_pixels, &err));
    assert_message(err, code, text);
}

static const picture plain = {
    .n = 3, .width = 100, .height = 50, .extents = 1, .data_nbytes = 12, .number_sizes = 0x4400, .metas = 1};

static void test_what_is_sound(void **state)
{
    (void)state;
    picture p = plain;
    sg_error err = {0};
    assert_true(check(&p, 5000, &err));
    p.references[p.nreferences].from = 1, p.references[p.nreferences++].to = 2;
    p.references[p.nreferences].from = 1, p.references[p.nreferences++].to = 3;
    assert_true(check(&p, 5010, &err)); /* three of 5000 and one each: three times what is allowed */
}

static void test_sizes(void **state)
{
    (void)state;
    picture p = plain;
    assert_refused(&p, 4999, SG_ERR_LIMIT, "declares 100 x 50 pixels, more than 4999");
    p.width = 100000, p.height = 1000;
    assert_refused(&p, ANY_PIXELS, SG_ERR_LIMIT, "declares 100000 x 1000 pixels in ");
    p.height = 0;
    assert_refused(&p, ANY_PIXELS, SG_ERR_FORMAT, "width or height of 0");
}

static void test_parts_add_up(void **state)
{
    (void)state;
    picture p = plain;
    for (unsigned i = 0; i < 4; i++)
        p.references[p.nreferences].from = 1, p.references[p.nreferences++].to = 2 + i % 2;
    assert_refused(&p, 5010, SG_ERR_LIMIT, "HEIF is put together from more than 15030 pixels in all");
    p = plain;
    p.n = 9; /* each of them twice the next: 512 in all */
    for (unsigned i = 0; i < 16; i++)
        p.references[p.nreferences].from = 1 + i / 2, p.references[p.nreferences++].to = 2 + i / 2;
    assert_refused(&p, 5000 * 100, SG_ERR_LIMIT, "from more than 1500000 pixels");
    sg_error err = {0};
    assert_true(check(&p, 5001 * 171, &err));
}

static void test_circles(void **state)
{
    (void)state;
    picture p = plain;
    p.references[p.nreferences].from = 1, p.references[p.nreferences++].to = 2;
    p.references[p.nreferences].from = 2, p.references[p.nreferences++].to = 1;
    assert_refused(&p, ANY_PIXELS, SG_ERR_LIMIT, "in circles");
    p = plain;
    p.n = 12;
    for (unsigned i = 1; i < 12; i++)
        p.references[p.nreferences].from = i, p.references[p.nreferences++].to = i + 1;
    assert_refused(&p, ANY_PIXELS, SG_ERR_LIMIT, "more than 8 steps");
}

static void test_limits(void **state)
{
    (void)state;
    picture p = plain;
    p.n = 4097;
    assert_refused(&p, ANY_PIXELS, SG_ERR_LIMIT, "HEIF has 4097 items, more than 4096");
    p = plain;
    p.references_padding = 1 << 16;
    assert_refused(&p, ANY_PIXELS, SG_ERR_LIMIT, "HEIF has references of more than 65536 bytes");
    p = plain;
    p.twice = 2;
    assert_refused(&p, ANY_PIXELS, SG_ERR_FORMAT, "item 2 is there twice");
    p = plain;
    p.number_sizes = 0x9400;
    assert_refused(&p, ANY_PIXELS, SG_ERR_FORMAT, "numbers of more than 8 bytes");
    p = plain;
    p.extents = 2;
    assert_refused(&p, ANY_PIXELS, SG_ERR_UNSUPPORTED, "in pieces");
    p = plain;
    p.metas = 2;
    assert_refused(&p, ANY_PIXELS, SG_ERR_FORMAT, "two meta boxes");
    p = plain;
    p.n = 14;
    p.data_nbytes = 1000;
    for (unsigned i = 2; i < 15; i++)
        p.references[p.nreferences].from = 1, p.references[p.nreferences++].to = i;
    assert_refused(&p, ANY_PIXELS, SG_ERR_LIMIT, "the same bytes to more than one picture");
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    picture p = plain;
    sg_buf file = SG_BUF_INIT;
    put_meta(&file, &p);
    assert_survives_allocation_failures(
        sg_heif_check((const unsigned char *)sg_buf_text(&file), file.size, ANY_PIXELS, &err));
    sg_buf_clear(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_sound), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_parts_add_up),  cmocka_unit_test(test_circles),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
