#include "scratch.h"

#include <signet/table.h>

static void assert_prints(const sg_table *table, const char *expected)
{
    char text[2000] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    sg_error err = {0};
    assert_true(sg_table_print(table, out, &err));
    fclose(out);
    assert_string_equal(text, expected);
}

static void test_aligns(void **state)
{
    (void)state;
    sg_table *table = sg_table_new(5, (const char *const[]){"rule", "mAP", "eps", "note", "n"});
    static const char *const rows[][5] = {{"bp", "0.81", "8/255", "", "1000"},
                                          {"caf\xc3\xa9", "12.5", "0", "ok", "-"},
                                          {"usf", "-", "2/255", "12", ""}};
    for (size_t r = 0; r < 3; r++)
        for (size_t c = 0; c < 5; c++) sg_table_cell(table, "%s", rows[r][c]);
    assert_prints(table, "rule   mAP    eps  note     n\n"
                         "----  ----  -----  ----  ----\n"
                         "bp    0.81  8/255        1000\n"
                         "caf\xc3\xa9  12.5      0  ok       -\n"
                         "usf      -  2/255  12\n");
    sg_table_free(table);
}

static void test_heads_alone_and_half_a_row(void **state)
{
    (void)state;
    sg_table *table = sg_table_new(2, (const char *const[]){"a", "wide"});
    assert_prints(table, "a  wide\n-  ----\n");
    sg_table_cell(table, "%d", 100);
    assert_prints(table, "  a  wide\n---  ----\n100\n");
    sg_table_free(table);
    sg_table_free(NULL);
}

static bool build(sg_error *err)
{
    sg_table *table = sg_table_new(3, (const char *const[]){"a", "b", "c"});
    if (!table) return sg_fail_memory(err, "table");
    for (int i = 0; i < 30; i++) sg_table_cell(table, "%d", i);
    FILE *out = fopen("/dev/null", "w");
    bool ok = sg_table_print(table, out, err);
    fclose(out);
    sg_table_free(table);
    return ok;
}

static void test_without_memory_and_room(void **state)
{
    (void)state;
    assert_survives_allocation_failures(build(&err));
    sg_table *table = sg_table_new(1, (const char *const[]){"head"});
    FILE *out = fopen("/dev/full", "w");
    sg_error err = {0};
    setvbuf(out, NULL, _IONBF, 0);
    assert_false(sg_table_print(table, out, &err));
    assert_string_equal(err.message, "cannot write the table: No space left on device");
    fclose(out);
    sg_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aligns),
        cmocka_unit_test(test_heads_alone_and_half_a_row),
        cmocka_unit_test(test_without_memory_and_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
