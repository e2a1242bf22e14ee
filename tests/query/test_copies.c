/* Which of a group to keep, and what has become of its files. */
#include "album.h"
#include "shelf.h"

#include <signet/dedupe.h>
#include <signet/interrupt.h>
#include <sys/time.h>

#define NBYTES 1

/* The file as `add` would have it, under a code of one byte. */
static uint64_t put_file(sg_store *store, const char *name, uint8_t code)
{
    sg_error err = {0};
    sg_put_kind kind;
    uint64_t id, other;
    struct stat st;
    char *path, *bytes;
    size_t nbytes;
    assert_true(sg_path_absolute(&path, name, &err) && sg_file_read(&bytes, &nbytes, path, SIZE_MAX, &err));
    assert_int_equal(stat(path, &st), 0);
    sg_item item = {.path = path,
                    .code = &code,
                    .nbytes = nbytes,
                    .mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec};
    sg_blake2b_of(item.content, sizeof item.content, bytes, nbytes);
    if (!sg_store_put(&kind, &id, &other, store, &item, &err)) fail_msg("%s", err.message);
    sg_free(bytes);
    sg_free(path);
    return id;
}

static void put_resized(const char *path, const sg_image *image, int width, int height, bool jpeg)
{
    sg_image other;
    assert_true(sg_image_resize(&other, image, width, height, NULL));
    put_image(path, &other, jpeg);
    sg_image_clear(&other);
}

/* A group's copies as "NAME STATE DISTANCE" lines. */
static void assert_group(const sg_group *group, bool kept, const char *want)
{
    static const char *const states[] = {"good", "bare", "changed", "lost"};
    char text[1024] = "";
    for (size_t i = 0; i < group->n; i++) {
        const sg_copy *copy = &group->copies[i];
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s %s %u%s%s\n",
                 copy->path ? sg_path_base(copy->path) : "-", states[copy->state], copy->distance,
                 copy->same ? " same" : "", copy->spare ? " spare" : "");
        bool told = copy->state == SG_COPY_CHANGED || copy->state == SG_COPY_LOST;
        if (told) assert_memory_equal(copy->why.message, copy->path, strlen(copy->path));
    }
    assert_string_equal(text, want);
    assert_int_equal(group->kept, kept);
}

static void look(sg_group *group, sg_groups *found, sg_store *store)
{
    sg_error err = {0};
    if (!sg_groups_find(found, store, 8, NULL, &err)) fail_msg("%s", err.message);
    assert_int_equal(found->n, 1);
    if (!sg_groups_look(group, 0, 1, found, store, 0, &err)) fail_msg("%s", err.message);
}

static void test_what_became_of_them(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_group group;
    sg_groups found;
    sg_image image = draw_picture(1, 40, 30, 3);
    sg_store *store = shelf_make(8 * NBYTES);
    put_image("small.png", &image, false);
    put_resized("soft.png", &image, 80, 60, false);
    sg_image sharp = draw_picture(1, 80, 60, 3);
    put_image("sharp.png", &sharp, false);
    put_image("again.png", &sharp, false);
    put_image("gone.png", &sharp, false);
    put_resized("changed.png", &image, 200, 160, false);
    put_resized("touched.png", &image, 79, 60, false);
    scratch_put("text.png", "text", 4);
    static const char *const names[] = {"small.png", "soft.png",    "sharp.png",   "again.png",
                                        "gone.png",  "changed.png", "touched.png", "text.png"};
    static const uint8_t codes[] = {0x03, 0x01, 0x00, 0x00, 0x00, 0x07, 0x01, 0x01};
    uint64_t first;
    assert_true(sg_store_begin(store, &err));
    for (size_t i = 0; i < 8; i++) put_file(store, names[i], codes[i]);
    assert_true(sg_store_put_codes(&first, store, (const uint8_t[]){0x80}, 1, &err));
    assert_true(sg_store_commit(store, &err));
    assert_int_equal(unlink("gone.png"), 0);
    put_image("changed.png", &image, false);
    const struct timeval times[2] = {{1000, 0}, {1000, 0}};
    assert_int_equal(utimes("touched.png", times), 0);
    look(&group, &found, store);
    assert_group(&group, true,
                 "sharp.png good 0 same\nagain.png good 0 same spare\ngone.png lost 0 same\n"
                 "soft.png good 1 spare\ntouched.png good 1 spare\ntext.png lost 1\n- bare 1\n"
                 "small.png good 2 spare\nchanged.png changed 3\n");
    assert_int_equal(group.copies[0].width, 80);
    assert_int_equal(group.copies[1].height, 60);
    assert_true(group.copies[0].sharpness == group.copies[1].sharpness);
    assert_true(group.copies[0].sharpness > group.copies[3].sharpness);
    sg_group_clear(&group);
    /* The first of a content is gone: the other is read itself. */
    assert_int_equal(unlink("sharp.png"), 0);
    assert_true(sg_groups_look(&group, 0, 1, &found, store, 0, &err));
    assert_string_equal(sg_path_base(group.copies[0].path), "again.png");
    assert_int_equal(group.copies[0].width, 80);
    sg_group_clear(&group);
    /* Bounds hold; then there is nothing to keep. */
    assert_true(sg_groups_look(&group, 0, 1, &found, store, 10, &err));
    assert_false(group.kept);
    assert_non_null(strstr(group.copies[0].why.message, "small.png"));
    sg_group_clear(&group);
    sg_groups_clear(&found);
    sg_store_close(store);
    sg_image_clear(&sharp);
    sg_image_clear(&image);
}

/* Nothing in them is sharp: the larger file; then the lower id. */
static void test_ties(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_group group;
    sg_groups found;
    sg_image plain;
    sg_store *store = shelf_make(8 * NBYTES);
    assert_true(sg_image_init(&plain, 64, 64, 1, &err));
    put_image("a.png", &plain, false);
    put_image("b.jpg", &plain, true);
    put_image("c.jpg", &plain, true);
    assert_true(sg_store_begin(store, &err));
    put_file(store, "a.png", 0);
    put_file(store, "b.jpg", 0);
    put_file(store, "c.jpg", 0);
    assert_true(sg_store_commit(store, &err));
    look(&group, &found, store);
    assert_true(group.copies[0].nbytes > group.copies[2].nbytes);
    assert_group(&group, true, "b.jpg good 0 same\nc.jpg good 0 same spare\na.png good 0 spare\n");
    sg_group_clear(&group);
    /* What is removed meanwhile is left out. */
    assert_true(sg_store_begin(store, &err) && sg_store_remove(store, 2, &err) &&
                sg_store_commit(store, &err));
    assert_true(sg_groups_look(&group, 0, 1, &found, store, 0, &err));
    assert_group(&group, true, "c.jpg good 0 same\na.png good 0 spare\n");
    sg_group_clear(&group);
    sg_groups_clear(&found);
    sg_store_close(store);
    sg_image_clear(&plain);
}

/* One file by several names: who deletes it by one of them has lost it by the others. */
static void test_links(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_group group;
    sg_groups found;
    static const char *const names[] = {"a.png", "b.png", "c.png", "d/b.png", "e.png", "f.png"};
    sg_store *store = shelf_make(8 * NBYTES);
    put_picture("b.png", 1);
    put_picture("e.png", 1);
    assert_int_equal(symlink("b.png", "a.png") | link("b.png", "c.png") | symlink(".", "d"), 0);
    put_picture("f.png", 2);
    assert_true(sg_store_begin(store, &err));
    for (size_t i = 0; i < 6; i++) put_file(store, names[i], 0);
    assert_true(sg_store_commit(store, &err));
    look(&group, &found, store);
    assert_int_equal(group.n, 6);
    assert_true(group.kept);
    for (size_t i = 0; i < 6; i++) { /* f.png is kept: it may be the sharper one */
        const bool same = sg_path_same(group.copies[0].path, group.copies[i].path);
        assert_int_equal(group.copies[i].link, i > 0 && same);
        assert_int_equal(group.copies[i].spare, !same);
    }
    sg_group_clear(&group);
    /* Without the other pictures. */
    assert_int_equal(unlink("f.png") | unlink("e.png"), 0);
    assert_true(sg_groups_look(&group, 0, 1, &found, store, 0, &err));
    assert_string_equal(sg_path_base(group.copies[0].path), "a.png");
    for (size_t i = 0; i < 6; i++) assert_int_equal(group.copies[i].link, i >= 1 && i <= 3);
    sg_group_clear(&group);
    sg_groups_clear(&found);
    sg_store_close(store);
}

/* Each is near the next, but not all are near the one that is kept. */
static void test_chain(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_group group;
    sg_groups found;
    sg_image image = draw_picture(1, 80, 60, 3);
    sg_store *store = shelf_make(8 * NBYTES);
    put_image("large.png", &image, false);
    put_resized("near.png", &image, 40, 30, false);
    put_resized("far.png", &image, 40, 31, false);
    assert_true(sg_store_begin(store, &err));
    put_file(store, "large.png", 0x00);
    put_file(store, "near.png", 0x03);
    put_file(store, "far.png", 0x0f);
    assert_true(sg_store_commit(store, &err));
    assert_true(sg_groups_find(&found, store, 2, NULL, &err));
    assert_true(sg_groups_look(&group, 0, 1, &found, store, 0, &err));
    assert_group(&group, true, "large.png good 0 same\nnear.png good 2 spare\nfar.png good 4\n");
    sg_group_clear(&group);
    sg_groups_clear(&found);
    sg_store_close(store);
    sg_image_clear(&image);
}

static bool whole(const sg_groups *found, sg_store *store, sg_error *err)
{
    sg_group group;
    if (!sg_groups_look(&group, 0, 1, found, store, 0, err)) {
        assert_true(group.n == 0 && !group.copies);
        return false;
    }
    sg_group_clear(&group);
    return true;
}

/* Two pictures of one code. */
static sg_store *make_pair(sg_groups *found)
{
    sg_error err = {0};
    sg_store *store = shelf_make(8 * NBYTES);
    put_picture("a.png", 1);
    put_picture("b.png", 2);
    assert_true(sg_store_begin(store, &err));
    put_file(store, "a.png", 0);
    put_file(store, "b.png", 0);
    assert_true(sg_store_commit(store, &err) && sg_groups_find(found, store, 0, NULL, &err));
    return store;
}

static void test_interrupts(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_groups found;
    sg_store *store = make_pair(&found);
    sg_interrupt_set(true);
    assert_false(whole(&found, store, &err));
    assert_int_equal(err.code, SG_ERR_INTERRUPTED);
    sg_interrupt_set(false);
    assert_true(whole(&found, store, &err));
    sg_groups_clear(&found);
    sg_store_close(store);
}

static void test_without_memory(void **state)
{
    (void)state;
    sg_groups found;
    sg_store *store = make_pair(&found);
    sg_threads_set(1);
    assert_survives_allocation_failures(whole(&found, store, &err));
    sg_groups_clear(&found);
    sg_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_what_became_of_them),
        scratch_test(test_ties),
        scratch_test(test_links),
        scratch_test(test_chain),
        scratch_test(test_interrupts),
        scratch_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
