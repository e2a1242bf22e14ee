/* Import and export: round trips, the rule of merging, and files that are not what they should be. */
#include "things.h"

#include <signet/exchange.h>
#include <signet/npy.h>

static uint64_t export_to(const char *dir, const char *path, const char *ids)
{
    sg_error err = {0};
    const sg_format *format;
    uint64_t n;
    assert_true(sg_format_find(&format, NULL, path, &err));
    sg_store *store = open_store(dir, false);
    if (!sg_store_export(&n, store, path, format, ids, &err)) fail_msg("%s", err.message);
    sg_store_close(store);
    return n;
}

static bool import(sg_join_counts *counts, const char *dir, const char *path, const sg_import_options *o,
                   sg_error *err)
{
    const sg_format *format;
    assert_true(sg_format_find(&format, NULL, path, err));
    sg_store *store = open_store(dir, !o->only_check);
    bool ok = sg_store_import(counts, store, path, format, o, err);
    sg_store_close(store);
    return ok;
}

static sg_join_counts import_well(const char *dir, const char *path, const sg_import_options *o)
{
    sg_error err = {0};
    sg_join_counts counts;
    if (!import(&counts, dir, path, o, &err)) fail_msg("%s", err.message);
    return counts;
}

static const sg_import_options plain = {.keep_ids = false}, keep = {.keep_ids = true};

/* All that the text formats hold comes back, with ids and without. */
static void test_text_round_trip(void **state)
{
    (void)state;
    static const char *const files[] = {"x.jsonl", "x.csv"};
    for (size_t nbits = 32; nbits <= 1024; nbits *= 32) {
        make_things("from", nbits, nbits, 700, 400);
        things from = things_read("from", nbits);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(export_to("from", files[i], NULL), from.n);
            create_store("kept", nbits);
            create_store("fresh", nbits);
            sg_join_counts counts = import_well("kept", files[i], &keep);
            assert_int_equal(counts.first_id, from.items[0].item.id);
            counts = import_well("fresh", files[i], &plain);
            assert_int_equal(counts.added + counts.codes, from.n);
            things kept = things_read("kept", nbits), fresh = things_read("fresh", nbits);
            assert_things(&kept, &from, true);
            assert_things(&fresh, &from, false);
            for (size_t k = 0; k < fresh.n; k++) assert_int_equal(fresh.items[k].item.id, k + 1);
            things_free(&kept);
            things_free(&fresh);
            assert_int_equal(
                nftw("kept", scratch_remove, 8, FTW_DEPTH) | nftw("fresh", scratch_remove, 8, FTW_DEPTH), 0);
        }
        things_free(&from);
        assert_int_equal(nftw("from", scratch_remove, 8, FTW_DEPTH), 0);
    }
}

/* FAISS's and NumPy's files hold codes and ids. */
static void test_code_round_trip(void **state)
{
    (void)state;
    static const char *const files[] = {"x.faiss", "x.npy"};
    make_things("from", 64, 5, 5000, 4000);
    things from = things_read("from", 64);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(export_to("from", files[i], i ? "ids.npy" : NULL), from.n);
        char kept_dir[] = "kept0", fresh_dir[] = "fresh0";
        kept_dir[4] = fresh_dir[5] = (char)('0' + i);
        create_store(kept_dir, 64);
        create_store(fresh_dir, 64);
        sg_import_options with = {.keep_ids = i == 0, .ids_path = i ? "ids.npy" : NULL};
        sg_join_counts counts = import_well(kept_dir, files[i], &with);
        assert_int_equal(counts.codes, from.n);
        import_well(fresh_dir, files[i], &plain);
        things kept = things_read(kept_dir, 64), fresh = things_read(fresh_dir, 64);
        assert_int_equal(kept.n, from.n);
        assert_int_equal(fresh.n, from.n);
        for (size_t k = 0; k < from.n; k++) {
            assert_null(kept.items[k].path);
            assert_memory_equal(kept.items[k].code, from.items[k].code, 8);
            assert_memory_equal(fresh.items[k].code, from.items[k].code, 8);
            assert_int_equal(kept.items[k].item.id, from.items[k].item.id);
            assert_int_equal(fresh.items[k].item.id, k + 1);
        }
        things_free(&kept);
        things_free(&fresh);
    }
    things_free(&from);
}

/* Into an index that holds something: as merge does it. */
static void test_import_is_a_merge(void **state)
{
    (void)state;
    static const char *const files[] = {"x.jsonl", "x.csv"};
    make_things("from", 64, 6, 3000, 2000);
    things from = things_read("from", 64);
    for (int i = 0; i < 2; i++) {
        char dir[] = "into0";
        dir[4] = (char)('0' + i);
        export_to("from", files[i], NULL);
        make_things(dir, 64, 7, 1000, 1500);
        things want = things_read(dir, 64), before = things_read(dir, 64);
        sg_join_counts expected = merge_plain(&want, &from, false);
        sg_join_counts asked = import_well(dir, files[i], &(sg_import_options){.only_check = true});
        things still = things_read(dir, 64);
        assert_things(&still, &before, true);
        sg_join_counts counts = import_well(dir, files[i], &plain);
        uint64_t first_id = counts.first_id;
        counts.first_id = 0;
        assert_true(first_id > before.items[before.n - 1].item.id);
        assert_memory_equal(&expected, &counts, sizeof counts);
        assert_memory_equal(&asked, &counts, sizeof counts);
        things got = things_read(dir, 64);
        assert_things(&got, &want, false);
        things_free(&got);
        things_free(&still);
        things_free(&before);
        things_free(&want);
    }
    things_free(&from);
}

/* --- what is not taken ---------------------------------------------------------------------------------------- */

#define CONTENT "00112233445566778899aabbccddeeff"

static const struct {
    const char *path, *text, *message;
} bad[] = {
    {"x.jsonl", "{\"code\":\"00000000\"}\n\n{\"code\":\"0000000\"}\n",
     "x.jsonl: line 3: code is not the hex of a code of the index"},
    {"x.jsonl", "{\"code\":\"00000000\"}\n{", "x.jsonl: line 2: *"},
    {"x.jsonl", "[]\n", "x.jsonl: line 1: has no code"},
    {"x.jsonl", "{\"id\":-1,\"code\":\"00000000\"}", "x.jsonl: line 1: id is not a number above 0"},
    {"x.jsonl", "{\"path\":\"/a\",\"code\":\"00000000\"}", "x.jsonl: line 1: content is not 32 hex digits"},
    {"x.jsonl", "{\"path\":\"a\",\"code\":\"00000000\",\"content\":\"" CONTENT "\",\"size\":1,\"mtime\":5}",
     "x.jsonl: line 1: the path is not absolute"},
    {"x.jsonl", "{\"path\":\"/a\",\"code\":\"00000000\",\"content\":\"" CONTENT "\",\"size\":-1,\"mtime\":5}",
     "x.jsonl: line 1: size is not a number of bytes"},
    {"x.jsonl",
     "{\"path\":\"/a\",\"code\":\"00000000\",\"content\":\"" CONTENT "\",\"size\":1,\"mtime\":1e99}",
     "x.jsonl: line 1: mtime_ns is not a number of nanoseconds"},
    {"x.jsonl",
     "{\"path_hex\":\"2f00\",\"code\":\"00000000\",\"content\":\"" CONTENT "\",\"size\":1,\"mtime\":1}",
     "x.jsonl: line 1: path_hex is not the hex of a path"},
    {"x.jsonl", "{\"code\":\"00000000\",\"attributes\":{\"a\":[\"b\"]}}",
     "x.jsonl: line 1: has no path, but what only an item with a path has"},
    {"x.jsonl", "{\"code\":\"00000000\",\"size\":5}",
     "x.jsonl: line 1: has no path, but what only an item with a path has"},
    {"x.jsonl", "{\"code\":\"00000000\",\"attributes\":{\"a\":[1]}}",
     "x.jsonl: line 1: attributes are lists of strings"},
    {"x.jsonl", "{\"code\":\"00000000\",\"attributes\":{\"a=\":[\"1\"]}}", "x.jsonl: line 1: *"},
    {"x.jsonl", "{\"code\":\"00000000\",\"attributes\":[[\"1\"]]}",
     "x.jsonl: line 1: attributes are no object"},
    {"x.jsonl", "{\"code\":\"00000000\",\"attributes_hex\":\"6100\"}",
     "x.jsonl: line 1: attributes_hex are no attributes"},
    {"x.csv", "", "x.csv: line 1: a header is needed, with a column \"code\""},
    {"x.csv", "id,path\r\n", "x.csv: line 1: a header is needed, with a column \"code\""},
    {"x.csv", "code,code\n", "x.csv: line 1: a column that is there twice"},
    {"x.csv", "code,id\n\"00000000\",\n00000000\n",
     "x.csv: line 3: another number of fields than the header has"},
    {"x.csv", "code,\"a\nb\"\n00000000,\"x\n\ny\"\nzz,\n",
     "x.csv: line 6: code is not the hex of a code of the index"},
    {"x.csv", "code\n\"00000000\n", "x.csv: line 2: a quote that does not end"},
    {"x.csv", "code\n\"00000000\"x\n", "x.csv: line 2: text behind a quote"},
    {"x.csv", "code\n00\"000000\n", "x.csv: line 2: a quote within a field"},
    {"x.csv", "code\n00000000\r00000000\n", "x.csv: line 2: a carriage return within a line"},
    {"x.csv", "code,path,content,size,mtime_ns,foreign\n00000000,/a," CONTENT ",1,1,yes\n",
     "x.csv: line 2: foreign is neither 1 nor empty"},
    {"x.csv", "code,path,content,size,mtime_ns,attributes\n00000000,/a," CONTENT ",1,1,label\n",
     "x.csv: line 2: *"},
    {"x.faiss", "", "x.faiss: byte 0: no flat binary index of FAISS (IBxF, or within IBMp or IBM2)"},
    {"x.faiss", "IxFI and so on",
     "x.faiss: byte 0: no flat binary index of FAISS (IBxF, or within IBMp or IBM2)"},
    {"x.faiss", "IBxF", "x.faiss: byte 0: the file ends in a head"},
    {"x.npy", "\x93NUMPY", "x.npy: is no npy file"},
};

static bool matches(const char *text, const char *pattern)
{
    size_t n = strlen(pattern);
    return pattern[n - 1] == '*' ? strncmp(text, pattern, n - 1) == 0 && strlen(text) >= n
                                 : strcmp(text, pattern) == 0;
}

static void test_bad_files(void **state)
{
    (void)state;
    make_things("idx", 32, 9, 30, 30);
    things before = things_read("idx", 32);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sg_error err = {0};
        sg_join_counts counts;
        scratch_put(bad[i].path, bad[i].text, strlen(bad[i].text));
        if (import(&counts, "idx", bad[i].path, &plain, &err)) fail_msg("taken: %s", bad[i].text);
        if (!matches(err.message, bad[i].message)) fail_msg("'%s' is not '%s'", err.message, bad[i].message);
        assert_int_equal(err.code, SG_ERR_FORMAT);
    }
    things after = things_read("idx", 32);
    assert_things(&after, &before, true);
    things_free(&after);
    things_free(&before);
}

static void test_other_mistakes(void **state)
{
    (void)state;
    sg_error err = {0};
    sg_join_counts counts;
    const sg_format *format;
    uint64_t n;
    make_things("wide", 64, 9, 30, 30);
    export_to("wide", "x.faiss", NULL);
    export_to("wide", "x.npy", "ids.npy");
    make_things("idx", 32, 9, 30, 30);
    assert_false(import(&counts, "idx", "x.faiss", &plain, &err));
    assert_string_equal(err.message, "x.faiss: holds codes of 64 bits, the index of 32");
    assert_false(import(&counts, "idx", "x.npy", &plain, &err));
    assert_string_equal(err.message, "x.npy: holds codes of 64 bits, the index of 32");
    assert_false(import(&counts, "wide", "ids.npy", &plain, &err));
    assert_string_equal(err.message, "ids.npy: is no array of codes (uint8, a code a row)");
    assert_false(import(&counts, "wide", "x.npy", &(sg_import_options){.ids_path = "x.npy"}, &err));
    assert_true(matches(err.message, "x.npy: is no list of *"));
    assert_false(import(&counts, "wide", "x.npy", &(sg_import_options){.ids_path = "ids.npy"}, &err));
    assert_true(matches(err.message, "x.npy: row 1: id 1 cannot be kept: the next free one is *"));
    assert_int_equal(err.code, SG_ERR_MISMATCH);
    assert_false(import(&counts, "wide", "x.npy", &keep, &err));
    assert_string_equal(err.message, "x.npy: row 1: has no id that could be kept");
    assert_false(import(&counts, "wide", "x.faiss", &(sg_import_options){.ids_path = "ids.npy"}, &err));
    assert_string_equal(err.message, "faiss files hold their ids themselves");
    assert_false(import(&counts, "wide", "absent.csv", &plain, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    assert_false(sg_format_find(&format, "xml", "x.csv", &err));
    assert_string_equal(err.message, "no format 'xml' (faiss, npy, jsonl, csv)");
    assert_false(sg_format_find(&format, NULL, "csv", &err));
    assert_string_equal(err.message, "csv: its name tells no format: give --format (faiss, npy, jsonl, csv)");
    assert_true(sg_format_find(&format, "csv", "x", &err));
    sg_store *store = open_store("wide", false);
    assert_false(sg_store_export(&n, store, "missing/x", format, NULL, &err));
    assert_int_equal(err.code, SG_ERR_IO);
    sg_store_close(store);
}

/* Whatever byte of a file is another, wherever it ends: an error that leaves the index alone, or a sound import. */
static void test_every_byte(void **state)
{
    (void)state;
    static const char *const files[] = {"x.faiss", "x.npy", "x.jsonl", "x.csv"};
    make_things("from", 64, 11, 6, 6);
    create_store("idx", 64);
    things before = things_read("idx", 64);
    for (int i = 0; i < 4; i++) {
        char *bytes, hurt[16];
        size_t n, refused = 0;
        export_to("from", files[i], NULL);
        assert_true(sg_file_read(&bytes, &n, files[i], SIZE_MAX, NULL));
        snprintf(hurt, sizeof hurt, "hurt%s", files[i] + 1);
        sg_store *store = open_store("idx", false);
        for (size_t at = 0; at < 2 * n; at++) {
            const sg_format *format;
            sg_error err = {0};
            sg_join_counts counts;
            uint8_t mask = (uint8_t)(1u << (at % 8));
            if (at < n) bytes[at] = (char)((uint8_t)bytes[at] ^ mask);
            scratch_put(hurt, bytes, at < n ? n : at - n);
            if (at < n) bytes[at] = (char)((uint8_t)bytes[at] ^ mask);
            assert_true(sg_format_find(&format, NULL, hurt, NULL));
            sg_import_options check = {.only_check = true, .keep_ids = i != 1};
            if (sg_store_import(&counts, store, hurt, format, &check, &err)) continue;
            refused++;
            assert_true(err.code == SG_ERR_FORMAT || err.code == SG_ERR_MISMATCH);
            assert_int_equal(strncmp(err.message, hurt, strlen(hurt)), 0);
        }
        assert_true(refused > n);
        sg_store_close(store);
        sg_free(bytes);
    }
    things after = things_read("idx", 64);
    assert_things(&after, &before, true);
    things_free(&after);
    things_free(&before);
}

static void test_failing_allocations(void **state)
{
    (void)state;
    static const char *const files[] = {"x.faiss", "x.npy", "x.jsonl", "x.csv"};
    make_things("from", 64, 12, 12, 12);
    for (int i = 0; i < 4; i++) {
        const sg_format *format;
        uint64_t n;
        sg_join_counts counts;
        char dir[] = "idx0";
        dir[3] = (char)('0' + i);
        create_store(dir, 64);
        assert_true(sg_format_find(&format, NULL, files[i], NULL));
        sg_store *store = open_store("from", false);
        assert_survives_allocation_failures(sg_store_export(&n, store, files[i], format, NULL, &err));
        sg_store_close(store);
        store = open_store(dir, true);
        assert_survives_allocation_failures(sg_store_import(&counts, store, files[i], format, &plain, &err));
        sg_store_close(store);
        things got = things_read(dir, 64);
        assert_int_equal(got.n, n);
        things_free(&got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_text_round_trip),     scratch_test(test_code_round_trip),
        scratch_test(test_import_is_a_merge),   scratch_test(test_bad_files),
        scratch_test(test_other_mistakes),      scratch_test(test_every_byte),
        scratch_test(test_failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
