/* Profiles: every step is in them, rows add up to no more than the whole, and results are the same with and without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "encoder/onednn_impl.h"
#include "support.h"

#include <signet/mem.h>
#include <signet/profile.h>
#include <signet/progress.h>
#include <string.h>

enum { BATCH = 3, SIDE = 16, OUTPUTS = 8, STEPS = 2 };

/* A net with a plan, and what it gave in the last of STEPS steps. */
typedef struct ran {
    test_net t;
    sg_plan *plan;
    float *x, *z, *dz, *dx, *grads;
    size_t nz, nx;
} ran;

static ran run(sg_purpose purpose, sg_precision precision, sg_profile *profile)
{
    ran r = {.t = test_net_of("resnet20", 3, SIDE, OUTPUTS), .nz = BATCH * OUTPUTS};
    const sg_plan_options options = {.purpose = purpose, .batch = BATCH, .precision = precision};
    sg_error err = {0};
    r.nx = BATCH * sg_net_input_size(r.t.net);
    assert_true(sg_plan_new(&r.plan, r.t.net, &options, &err));
    sg_plan_profile(r.plan, profile);
    r.x = test_random(r.nx, 0, 1, 1);
    r.dz = test_random(r.nz, -1, 1, 2);
    r.z = sg_calloc(r.nz, sizeof *r.z);
    r.dx = sg_calloc(r.nx, sizeof *r.dx);
    r.grads = sg_calloc(r.t.params->size, sizeof *r.grads);
    assert_true(r.z && r.dx && r.grads);
    for (int step = 0; step < STEPS; step++) {
        sg_plan_load(r.plan, r.t.params, NULL, 0);
        sg_plan_forward(r.plan, r.x, r.z);
        if (purpose != SG_ENCODE) sg_plan_backward(r.plan, r.dz, r.grads, r.dx);
    }
    return r;
}

static void ran_free(ran *r)
{
    sg_plan_free(r->plan);
    test_net_free(&r->t);
    sg_free(r->x);
    sg_free(r->z);
    sg_free(r->dz);
    sg_free(r->dx);
    sg_free(r->grads);
}

/* The calls of the node's rows of a kind (SG_PROFILE_KINDS: of any), all kernels together. */
static uint64_t calls_of(const sg_profile *profile, const char *node, sg_profile_kind kind)
{
    size_t n;
    const sg_profile_row *rows = sg_profile_rows(&n, profile);
    uint64_t calls = 0;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(rows[i].node, node) && (kind == SG_PROFILE_KINDS || rows[i].kind == kind))
            calls += rows[i].calls;
    return calls;
}

static void check_sum(const sg_profile *profile)
{
    size_t n;
    const sg_profile_row *rows = sg_profile_rows(&n, profile);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(rows[i].seconds >= 0);
        sum += rows[i].seconds;
    }
    assert_true(sum > 0 && sum <= sg_profile_seconds(profile));
}

/* Every step, and of every convolution the kinds of work that this purpose has. */
static void check_steps(const ran *r, const sg_profile *profile)
{
    const sg_purpose purpose = r->plan->options.purpose;
    for (size_t i = 0; i < r->plan->nsteps; i++) {
        const sg_step *step = &r->plan->steps[i];
        const char *name = step->node->name;
        assert_true(calls_of(profile, name, SG_PROFILE_KINDS) >= STEPS);
        if (step->node->op == &sg_op_batchnorm)
            assert_int_equal(calls_of(profile, name, SG_PROFILE_BATCHNORM), 2 * STEPS);
        if (step->node->op != &sg_op_conv && step->node->op != &sg_op_linear) continue;
        assert_int_equal(calls_of(profile, name, SG_PROFILE_FORWARD), STEPS);
        assert_true(calls_of(profile, name, SG_PROFILE_LOAD) >= STEPS);
        const bool first = step->src[0]->view.lanes == 1;
        assert_int_equal(calls_of(profile, name, SG_PROFILE_BACKWARD_WEIGHTS),
                         purpose == SG_TRAIN ? STEPS : 0);
        assert_int_equal(calls_of(profile, name, SG_PROFILE_BACKWARD_DATA),
                         purpose == SG_ATTACK || (purpose == SG_TRAIN && !first) ? STEPS : 0);
    }
}

static void check_precision(sg_precision precision)
{
    for (sg_purpose purpose = SG_ENCODE; purpose <= SG_TRAIN; purpose++) {
        sg_profile *profile;
        assert_true(sg_profile_new(&profile, NULL));
        ran timed = run(purpose, precision, profile), plain = run(purpose, precision, NULL);
        check_steps(&timed, profile);
        check_sum(profile);
        assert_memory_equal(timed.z, plain.z, timed.nz * sizeof(float));
        assert_memory_equal(timed.dx, plain.dx, timed.nx * sizeof(float));
        assert_memory_equal(timed.grads, plain.grads, timed.t.params->size * sizeof(float));
        ran_free(&timed);
        ran_free(&plain);
        sg_profile_free(profile);
    }
}

static void steps_and_sums(void **state)
{
    (void)state;
    check_precision(SG_F32);
}

static void steps_and_sums_in_bf16(void **state)
{
    (void)state;
    if (!sg_precision_supported(SG_BF16)) skip();
    check_precision(SG_BF16);
}

/* After NULL nothing more is counted. */
static void taken_off(void **state)
{
    (void)state;
    sg_profile *profile;
    assert_true(sg_profile_new(&profile, NULL));
    ran r = run(SG_ENCODE, SG_F32, profile);
    uint64_t before = calls_of(profile, "head", SG_PROFILE_FORWARD);
    sg_plan_profile(r.plan, NULL);
    sg_plan_forward(r.plan, r.x, r.z);
    assert_int_equal(calls_of(profile, "head", SG_PROFILE_FORWARD), before);
    ran_free(&r);
    sg_profile_free(profile);
}

static void wait_for(double seconds)
{
    for (double end = sg_now_seconds() + seconds; sg_now_seconds() < end;) {
    }
}

/* The outer row has its own time only. */
static void nested(void **state)
{
    (void)state;
    sg_profile *profile;
    assert_true(sg_profile_new(&profile, NULL));
    sg_profile_mark outer = sg_profile_begin(profile);
    for (int i = 0; i < 2; i++) {
        sg_profile_mark inner = sg_profile_begin(profile);
        wait_for(0.01);
        sg_profile_end(profile, inner, SG_PROFILE_LOSS, "inner");
    }
    double middle = sg_profile_seconds(profile);
    sg_profile_end(profile, outer, SG_PROFILE_OTHER, "outer");
    size_t n;
    const sg_profile_row *rows = sg_profile_rows(&n, profile);
    assert_int_equal(n, 2);
    assert_string_equal(rows[0].node, "inner");
    assert_int_equal(rows[0].calls, 2);
    assert_true(rows[0].seconds >= 0.02 && rows[0].seconds <= middle);
    assert_int_equal(rows[1].calls, 1);
    assert_true(rows[1].seconds >= 0 && rows[0].seconds + rows[1].seconds <= sg_profile_seconds(profile));
    sg_profile_free(profile);
    sg_profile_mark off = sg_profile_begin(NULL);
    sg_profile_end(NULL, off, SG_PROFILE_LOSS, "nothing");
    sg_profile_images(NULL, 1);
}

static void as_json(void **state)
{
    (void)state;
    sg_profile *profile;
    sg_json *built, *json;
    char *text;
    double value, sum = 0;
    int64_t images;
    assert_true(sg_profile_new(&profile, NULL));
    ran r = run(SG_TRAIN, SG_F32, profile);
    sg_profile_images(profile, BATCH);
    sg_profile_images(profile, BATCH);
    assert_true(sg_profile_json(&built, profile, NULL));
    assert_true(sg_json_print(&text, built, false, NULL));
    assert_true(sg_json_parse(&json, text, strlen(text), NULL));
    assert_true(sg_json_int(&images, sg_json_get(json, "images")));
    assert_int_equal(images, 2 * BATCH);
    const sg_json *rows = sg_json_get(json, "rows");
    size_t n;
    sg_profile_rows(&n, profile);
    assert_int_equal(sg_json_size(rows), n);
    for (size_t i = 0; i < n; i++) {
        assert_true(sg_json_number(&value, sg_json_get(sg_json_at(rows, i), "seconds")));
        assert_non_null(sg_json_string(sg_json_get(sg_json_at(rows, i), "kind")));
        sum += value;
    }
    assert_true(sg_json_number(&value, sg_json_get(json, "seconds")));
    assert_true(sum <= value);
    sg_json_free(json);
    sg_json_free(built);
    sg_free(text);
    ran_free(&r);
    sg_profile_free(profile);
}

static void without_memory(void **state)
{
    (void)state;
    sg_profile *profile;
    sg_json *json;
    sg_error err = {0};
    assert_true(sg_profile_new(&profile, NULL));
    sg_profile_mark mark = sg_profile_begin(profile);
    sg_mem_fail_at(1);
    sg_profile_end(profile, mark, SG_PROFILE_LOSS, "lost");
    sg_mem_fail_at(0);
    assert_false(sg_profile_json(&json, profile, &err));
    assert_int_equal(err.code, SG_ERR_MEMORY);
    assert_false(sg_profile_print(profile, stderr, &err));
    sg_profile_free(profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_and_sums), cmocka_unit_test(steps_and_sums_in_bf16),
        cmocka_unit_test(taken_off),      cmocka_unit_test(nested),
        cmocka_unit_test(as_json),        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
