#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signet/metrics.h>
#include <string.h>

enum { CLASSES = 7 };

static const float logits[][CLASSES] = {
    {1, 2, 9, 3, 4, 5, 6},   /* label 2: first */
    {1, 2, 9, 3, 4, 5, 6},   /* label 3: fifth */
    {1, 2, 9, 3, 4, 5, 6},   /* label 1: sixth */
    {5, 5, 5, 5, 5, 5, 5},   /* label 0: the lowest class wins a tie */
    {5, 5, 5, 5, 5, 5, 5},   /* label 4: fifth of the tied */
    {5, 5, 5, 5, 5, 5, 5},   /* label 5: sixth of the tied */
    {9, 1, 1, 1, 1, 1, NAN}, /* label 6: not a number is never right */
    {9, NAN, 1, 1, 1, 1, 1}, /* label 0: nor may one stand behind it */
    {9, 1, 1, 1, 1, 1, 1},   /* no label */
};

static void test_ranks(void **state)
{
    (void)state;
    int32_t ids[] = {2, 3, 1, 0, 4, 5, 6, 0, -1};
    sg_labels labels = {.n = 9, .classes = CLASSES, .ids = ids};
    double top1, top5;
    sg_accuracy(&top1, &top5, logits[0], &labels, 9, CLASSES);
    assert_true(top1 == 2.0 / 9);
    assert_true(top5 == 5.0 / 9);
}

static void test_several_labels(void **state)
{
    (void)state;
    uint8_t rows[3][CLASSES] = {{1, 0, 1, 0, 0, 0, 0}, {0, 1, 0, 1, 0, 0, 0}, {0}};
    sg_labels labels = {.n = 3, .classes = CLASSES, .rows = rows[0]};
    double top1, top5;
    sg_accuracy(&top1, &top5, logits[0], &labels, 3, CLASSES);
    assert_true(top1 == 1.0 / 3);
    assert_true(top5 == 2.0 / 3);
}

static void test_few_classes(void **state)
{
    (void)state;
    int32_t ids[] = {1, 0, 2};
    float z[] = {1, 2, 1, 2, 1, 2}; /* label 2 is no output of the network */
    sg_labels labels = {.n = 3, .classes = 3, .ids = ids};
    double top1, top5;
    sg_accuracy(&top1, &top5, z, &labels, 3, 2);
    assert_true(top1 == 1.0 / 3);
    assert_true(top5 == 2.0 / 3);
    sg_accuracy(&top1, &top5, z, &labels, 0, 2);
    assert_true(top1 == 0 && top5 == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_several_labels),
        cmocka_unit_test(test_few_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
