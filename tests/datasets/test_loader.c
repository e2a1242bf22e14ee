#include "datasets/pictures.h"

#include <signet/interrupt.h>
#include <signet/loader.h>

static sg_dataset *open_miniature(void)
{
    sg_dataset *ds;
    assert_true(sg_dataset_open(&ds, "fashion-mnist", fixture("idx"), NULL));
    return ds;
}

/* Every other item, so that places and items differ. */
enum { NITEMS = 29 };
static const uint32_t *some_items(void)
{
    static uint32_t items[NITEMS];
    for (uint32_t i = 0; i < NITEMS; i++) items[i] = 59 - 2 * i;
    return items;
}

static sg_loader_options some_options(int threads)
{
    return (sg_loader_options){.items = some_items(),
                               .nitems = NITEMS,
                               .preprocess = {.channels = 3, .width = 20, .height = 18, .resize = 22},
                               .batch = 8,
                               .seed = 11,
                               .threads = threads};
}

static sg_loader *open_loader(const sg_dataset *ds, const sg_loader_options *options)
{
    sg_loader *loader;
    sg_error err = {0};
    if (!sg_loader_open(&loader, ds, options, &err)) fail_msg("%s", err.message);
    return loader;
}

/* One row against loading, preprocessing and laying out by hand. */
static void check_row(const uint8_t *row, const sg_dataset *ds, uint32_t item, const sg_preprocess *pp)
{
    sg_image image, out;
    uint8_t planar[3 * 20 * 18];
    assert_true(sg_dataset_load(&image, ds, item, &(sg_decode_options){.channels = pp->channels}, NULL));
    assert_true(sg_preprocess_image(&out, &image, pp, NULL));
    sg_image_to_planar(planar, &out);
    assert_memory_equal(row, planar, image_nbytes(&out));
    sg_image_clear(&out);
    sg_image_clear(&image);
}

/* A whole pass, every row checked; order (NITEMS) gets the places. Returns how many there were. */
static size_t run_pass(uint32_t *order, sg_loader *loader, const sg_dataset *ds, const sg_loader_options *o,
                       uint64_t epoch)
{
    sg_error err = {0};
    sg_batch batch;
    size_t n = 0, nbatches = 0,
           row_nbytes = (size_t)(o->preprocess.channels * o->preprocess.width * o->preprocess.height);
    assert_true(sg_loader_start(loader, epoch, &err));
    for (;;) {
        if (!sg_loader_next(&batch, loader, &err)) fail_msg("%s", err.message);
        if (batch.n == 0) break;
        nbatches++;
        for (size_t i = 0; i < batch.n; i++) {
            assert_int_equal(batch.items[i], o->items[batch.places[i]]);
            check_row(batch.pixels + i * row_nbytes, ds, batch.items[i], &o->preprocess);
            order[n++] = batch.places[i];
        }
        for (size_t i = batch.n * row_nbytes; i < o->batch * row_nbytes; i++)
            assert_int_equal(batch.pixels[i], 0);
    }
    assert_int_equal(nbatches, sg_loader_batches(loader));
    assert_true(sg_loader_next(&batch, loader, &err)); /* and over it stays */
    assert_int_equal(batch.n, 0);
    return n;
}

static void test_in_order(void **state)
{
    (void)state;
    sg_dataset *ds = open_miniature();
    for (int threads = 0; threads <= 5; threads++) {
        sg_loader_options o = some_options(threads);
        sg_loader *loader = open_loader(ds, &o);
        assert_int_equal(sg_loader_batches(loader), 4);
        uint32_t order[NITEMS];
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            assert_int_equal(run_pass(order, loader, ds, &o, epoch), NITEMS);
            for (uint32_t i = 0; i < NITEMS; i++) assert_int_equal(order[i], i);
        }
        sg_loader_close(loader);
    }
    sg_dataset_close(ds);
}

static void test_shuffled(void **state)
{
    (void)state;
    sg_dataset *ds = open_miniature();
    uint32_t first[2][NITEMS], order[NITEMS];
    for (int threads = 1; threads <= 6; threads++) {
        sg_loader_options o = some_options(threads);
        o.shuffle = true;
        sg_loader *loader = open_loader(ds, &o);
        for (uint64_t epoch = 0; epoch < 2; epoch++) {
            assert_int_equal(run_pass(order, loader, ds, &o, epoch), NITEMS);
            uint32_t seen = 0;
            for (int i = 0; i < NITEMS; i++) seen |= 1u << order[i];
            assert_int_equal(seen, (1u << NITEMS) - 1);
            if (threads == 1) memcpy(first[epoch], order, sizeof order);
            assert_memory_equal(order, first[epoch], sizeof order);
        }
        sg_loader_close(loader);
        o.seed = 12;
        loader = open_loader(ds, &o);
        run_pass(order, loader, ds, &o, 0);
        assert_memory_not_equal(order, first[0], sizeof order);
        sg_loader_close(loader);
    }
    assert_memory_not_equal(first[0], first[1], sizeof order);
    sg_dataset_close(ds);
}

static void test_drop_last(void **state)
{
    (void)state;
    sg_dataset *ds = open_miniature();
    static const struct {
        size_t nitems, batch, rows;
    } cases[] = {{29, 8, 24}, {24, 8, 24}, {7, 8, 0}, {0, 8, 0}, {29, 1, 29}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        for (int drop = 0; drop < 2; drop++) {
            sg_loader_options o = some_options(2);
            uint32_t order[NITEMS];
            o.nitems = cases[k].nitems;
            o.batch = cases[k].batch;
            o.drop_last = drop;
            sg_loader *loader = open_loader(ds, &o);
            assert_int_equal(run_pass(order, loader, ds, &o, 0), drop ? cases[k].rows : cases[k].nitems);
            sg_loader_close(loader);
        }
    sg_dataset_close(ds);
}

enum { SMALL_NBYTES = 3 * 12 * 12 };

/* One pass; rows (60, SMALL_NBYTES) by item. */
static void augmented_pass(uint8_t *rows, const sg_dataset *ds, const sg_loader_options *o, uint64_t epoch)
{
    sg_loader *loader = open_loader(ds, o);
    sg_batch batch;
    assert_true(sg_loader_start(loader, epoch, NULL));
    do {
        assert_true(sg_loader_next(&batch, loader, NULL));
        for (size_t i = 0; i < batch.n; i++)
            memcpy(rows + batch.items[i] * SMALL_NBYTES, batch.pixels + i * SMALL_NBYTES, SMALL_NBYTES);
    } while (batch.n > 0);
    sg_loader_close(loader);
}

/* An image's changes hang on the seed, the epoch and the item alone: not on threads, order, batch or company. */
static void test_augmented(void **state)
{
    (void)state;
    sg_dataset *ds = open_miniature();
    const char *const names[] = {"crop", "flip"};
    static uint8_t want[60 * SMALL_NBYTES], got[60 * SMALL_NBYTES];
    sg_loader_options o = some_options(1);
    o.preprocess = (sg_preprocess){.channels = 3, .width = 12, .height = 12, .resize = 14};
    assert_true(sg_augment_parse(&o.augment, names, 2, NULL));
    for (uint32_t i = 0; i < NITEMS; i++) {
        uint32_t item = o.items[i];
        sg_rng rng = sg_rng_at(o.seed, SG_RNG_AUGMENT, 7, item);
        sg_image image;
        assert_true(sg_dataset_load(&image, ds, item, &(sg_decode_options){.channels = 3}, NULL));
        assert_true(
            sg_augment_planar(want + item * SMALL_NBYTES, &image, &o.preprocess, &o.augment, &rng, NULL));
        sg_image_clear(&image);
    }
    for (int threads = 1; threads <= 5; threads++) {
        o.threads = threads;
        o.batch = 3 + 4 * (size_t)threads;
        o.shuffle = threads % 2;
        o.nitems = threads == 5 ? 10 : NITEMS;
        memset(got, 0, sizeof got);
        augmented_pass(got, ds, &o, 7);
        for (size_t i = 0; i < o.nitems; i++)
            assert_memory_equal(got + o.items[i] * SMALL_NBYTES, want + o.items[i] * SMALL_NBYTES,
                                SMALL_NBYTES);
    }
    o.nitems = NITEMS;
    augmented_pass(got, ds, &o, 8);
    assert_memory_not_equal(got, want, sizeof got);
    o.seed++;
    augmented_pass(got, ds, &o, 7);
    assert_memory_not_equal(got, want, sizeof got);
    sg_dataset_close(ds);
}

/* The batch in hand does not change while workers run ahead. */
static void test_borrowed_until_next(void **state)
{
    (void)state;
    sg_dataset *ds = open_miniature();
    uint32_t many[600];
    for (uint32_t i = 0; i < 600; i++) many[i] = i % 60;
    sg_loader_options o = some_options(4);
    o.items = many;
    o.nitems = 600;
    o.preprocess = (sg_preprocess){.channels = 1, .width = 20, .height = 18, .resize = 0};
    sg_loader *loader = open_loader(ds, &o);
    sg_batch batch;
    assert_true(sg_loader_start(loader, 0, NULL));
    for (size_t k = 0; k < 75; k++) {
        assert_true(sg_loader_next(&batch, loader, NULL));
        if (k % 10 == 0) usleep(2000);
        for (size_t i = 0; i < batch.n; i++) {
            assert_int_equal(batch.places[i], k * 8 + i);
            check_row(batch.pixels + i * 20 * 18, ds, batch.items[i], &o.preprocess);
        }
    }
    sg_loader_close(loader);
    sg_dataset_close(ds);
}

static void test_given_up(void **state)
{
    (void)state;
    sg_dataset *ds = open_miniature();
    for (int threads = 1; threads <= 4; threads++)
        for (int taken = 0; taken < 4; taken++) {
            sg_loader_options o = some_options(threads);
            sg_loader *loader = open_loader(ds, &o);
            sg_batch batch;
            uint32_t order[NITEMS];
            assert_true(sg_loader_start(loader, 0, NULL));
            for (int i = 0; i < taken; i++) assert_true(sg_loader_next(&batch, loader, NULL));
            assert_int_equal(run_pass(order, loader, ds, &o, 1), NITEMS);
            assert_true(sg_loader_start(loader, 0, NULL));
            for (int i = 0; i < taken; i++) assert_true(sg_loader_next(&batch, loader, NULL));
            sg_loader_close(loader);
        }
    sg_loader_close(NULL);
    sg_dataset_close(ds);
}

static void test_interrupt(void **state)
{
    (void)state;
    sg_dataset *ds = open_miniature();
    sg_loader_options o = some_options(2);
    sg_loader *loader = open_loader(ds, &o);
    sg_batch batch;
    sg_error err = {0};
    uint32_t order[NITEMS];
    assert_true(sg_loader_start(loader, 0, &err));
    assert_true(sg_loader_next(&batch, loader, &err));
    sg_interrupt_set(true);
    bool next = sg_loader_next(&batch, loader, &err), start = sg_loader_start(loader, 0, NULL);
    sg_interrupt_set(false);
    assert_false(next);
    assert_false(start);
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    assert_int_equal(run_pass(order, loader, ds, &o, 0), NITEMS);
    sg_loader_close(loader);
    sg_dataset_close(ds);
}

/* Two broken images in one batch: the first in order is named, whatever the threads; the batches before it come. */
static void test_broken_image(void **state)
{
    (void)state;
    char path[32];
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "%02d.png", i);
        assert_true(sg_file_copy(fixture("images/rgb8.png"), path, NULL));
    }
    scratch_put("20.png", "\x89PNG\r\n\x1a\nno more", 15);
    scratch_put("22.png", "\x89PNG\r\n\x1a\nno more", 15);
    sg_dataset *ds;
    assert_true(sg_dataset_open(&ds, "folder:.", NULL, NULL));
    uint32_t items[40];
    for (uint32_t i = 0; i < 40; i++) items[i] = i;
    for (int threads = 1; threads <= 6; threads++) {
        sg_loader_options o = {
            .items = items, .nitems = 40, .preprocess = {1, 8, 8, 0}, .batch = 8, .threads = threads};
        sg_loader *loader = open_loader(ds, &o);
        for (uint64_t pass = 0; pass < 2; pass++) {
            sg_batch batch;
            sg_error err = {0};
            assert_true(sg_loader_start(loader, pass, &err));
            assert_true(sg_loader_next(&batch, loader, &err));
            assert_true(sg_loader_next(&batch, loader, &err));
            assert_int_equal(batch.items[7], 15);
            assert_false(sg_loader_next(&batch, loader, &err));
            assert_int_equal(batch.n, 0);
            assert_message(err, SG_ERR_FORMAT, "./20.png: PNG ends early");
        }
        sg_loader_close(loader);

        o.tolerant = true;
        loader = open_loader(ds, &o);
        for (uint64_t pass = 0; pass < 2; pass++) {
            sg_batch batch;
            assert_true(sg_loader_start(loader, pass, NULL));
            for (size_t n = 0; n < 40; n += batch.n) {
                assert_true(sg_loader_next(&batch, loader, NULL));
                assert_int_equal(batch.n, 8);
                for (size_t i = 0; i < 8; i++) {
                    bool bad = batch.items[i] == 20 || batch.items[i] == 22;
                    assert_int_equal(batch.errors[i].code, bad ? SG_ERR_FORMAT : SG_OK);
                    if (bad) assert_non_null(strstr(batch.errors[i].message, "png: PNG ends early"));
                    for (size_t k = 0; bad && k < 64; k++) assert_int_equal(batch.pixels[i * 64 + k], 0);
                }
            }
        }
        sg_loader_close(loader);
    }
    /* What cannot be preprocessed is named too. */
    sg_loader_options o = {
        .items = items, .nitems = 8, .preprocess = {1, 80, 8, 8}, .batch = 8, .threads = 2};
    sg_loader *loader = open_loader(ds, &o);
    sg_batch batch;
    sg_error err = {0};
    assert_true(sg_loader_start(loader, 0, &err));
    assert_false(sg_loader_next(&batch, loader, &err));
    assert_message(err, SG_ERR_MISMATCH, "00.png: a crop of 80 x 8 does not fit");
    sg_loader_close(loader);
    sg_dataset_close(ds);
}

static bool load_once(const sg_dataset *ds, sg_error *err)
{
    sg_loader_options o = some_options(1);
    sg_loader *loader;
    if (!sg_loader_open(&loader, ds, &o, err)) return false;
    sg_batch batch = {.n = 1};
    bool ok = sg_loader_start(loader, 0, err);
    while (ok && batch.n > 0) ok = sg_loader_next(&batch, loader, err);
    sg_loader_close(loader);
    return ok;
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    sg_dataset *ds = open_miniature();
    assert_survives_allocation_failures(load_once(ds, &err));
    sg_dataset_close(ds);
}

int main(void)
{
    fixture("");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_shuffled),
        cmocka_unit_test(test_augmented),
        cmocka_unit_test(test_drop_last),
        cmocka_unit_test(test_borrowed_until_next),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_interrupt),
        scratch_test(test_broken_image),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
