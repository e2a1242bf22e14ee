/* Optimisers and schedules against PyTorch (tests/fixtures/encoder/optim.py). */
#include "base/scratch.h"
#include "encoder/sample.h"
#include <math.h>
#include <signet/file.h>
#include <signet/json.h>
#include <signet/optim.h>

enum { NTENSORS = 4, BLOCK = 80 };

/* The three tensors of the script, and running statistics that no optimiser may touch, with gaps between. */
typedef struct fixture {
    float block[BLOCK], grads[BLOCK];
    sg_tensor tensors[NTENSORS];
    sg_params params;
} fixture;

static void fixture_init(fixture *f)
{
    *f = (fixture){
        .tensors = {
            {.name = "conv.weight", .role = SG_TENSOR_WEIGHT, .offset = 0, .size = 35},
            {.name = "conv.bias", .role = SG_TENSOR_BIAS, .offset = 48, .size = 7},
            {.name = "head.weight", .role = SG_TENSOR_WEIGHT, .offset = 64, .size = 12, .head = true},
            {.name = "bn.running_mean", .role = SG_TENSOR_BN_MEAN, .offset = 76, .size = 4},
        }};
    f->params = (sg_params){f->block, BLOCK, f->tensors, NTENSORS};
    for (uint32_t t = 0; t < NTENSORS; t++)
        for (uint32_t i = 0; i < f->tensors[t].size; i++)
            f->block[f->tensors[t].offset + i] = sample_number(t, i);
}

static void set_grads(fixture *f, uint32_t step)
{
    for (uint32_t t = 0; t < NTENSORS; t++)
        for (uint32_t i = 0; i < f->tensors[t].size; i++)
            f->grads[f->tensors[t].offset + i] = sample_number(100 + 10 * step + t, i);
}

static double number(const sg_json *json)
{
    double value = NAN;
    assert_true(sg_json_number(&value, json));
    return value;
}

static void set_option(float *option, const sg_json *options, const char *key)
{
    const sg_json *value = sg_json_get(options, key);
    if (value) *option = (float)number(value);
}

static void check_case(const sg_json *c, uint32_t steps)
{
    fixture f;
    sg_optim *optim;
    sg_optim_options o;
    const sg_json *options = sg_json_get(c, "options"), *weights = sg_json_get(c, "weights");
    assert_true(sg_optim_defaults(&o, sg_json_string(sg_json_get(c, "name")), NULL));
    set_option(&o.lr, options, "lr");
    set_option(&o.momentum, options, "momentum");
    set_option(&o.weight_decay, options, "weight_decay");
    set_option(&o.head_lr, c, "head_lr");
    fixture_init(&f);
    assert_true(sg_optim_new(&optim, &o, &f.params, NULL));
    for (uint32_t step = 0; step < steps; step++) {
        set_grads(&f, step);
        uint64_t made = sg_mem_count();
        sg_optim_step(optim, &f.params, f.grads, 1.0f);
        assert_int_equal(sg_mem_count(), made);
    }
    assert_int_equal(*sg_optim_count(optim), steps);
    for (size_t t = 0; t < 3; t++)
        for (size_t i = 0; i < f.tensors[t].size; i++) {
            double expected = number(sg_json_at(sg_json_at(weights, t), i));
            assert_true(fabs((double)f.block[f.tensors[t].offset + i] - expected) < 3e-6);
        }
    for (uint32_t i = 0; i < 4; i++) assert_true(f.block[76 + i] == sample_number(3, i));
    for (size_t i = 35; i < 48; i++) assert_true(f.block[i] == 0.0f);
    sg_optim_free(optim);
}

static sg_json *fixture_read(void)
{
    char *text;
    size_t nbytes;
    sg_json *json;
    sg_error err = {0};
    if (!sg_file_read(&text, &nbytes, "fixtures/encoder/optim.json", 1 << 20, &err))
        fail_msg("%s", err.message);
    assert_true(sg_json_parse(&json, text, nbytes, &err));
    sg_free(text);
    return json;
}

static void test_pytorch(void **state)
{
    (void)state;
    sg_json *json = fixture_read();
    const sg_json *cases = sg_json_get(json, "cases");
    assert_int_equal(sg_json_size(cases), 5);
    for (size_t i = 0; i < sg_json_size(cases); i++)
        check_case(sg_json_at(cases, i), (uint32_t)number(sg_json_get(json, "steps")));
    sg_json_free(json);
}

static void check_rates(const sg_json *rates, const sg_schedule *schedule)
{
    assert_true(sg_schedule_check(schedule, NULL));
    assert_int_equal(sg_json_size(rates), 12);
    for (size_t step = 0; step < 12; step++)
        assert_true(fabs((double)sg_schedule_rate(schedule, step) - number(sg_json_at(rates, step))) < 1e-6);
}

static void test_schedules(void **state)
{
    (void)state;
    sg_json *json = fixture_read();
    const sg_json *schedules = sg_json_get(json, "schedules");
    sg_schedule s = {.name = "step", .gamma = 0.1f, .every = 1, .steps_per_epoch = 4, .epochs = 3};
    check_rates(sg_json_get(schedules, "step"), &s);
    s.name = "cosine";
    check_rates(sg_json_get(schedules, "cosine"), &s);
    s.warmup = 3;
    check_rates(sg_json_get(schedules, "cosine_warm"), &s);
    s.name = "constant";
    assert_true(sg_schedule_rate(&s, 0) == 1.0f / 3.0f && sg_schedule_rate(&s, 7) == 1.0f);
    sg_json_free(json);
}

static void test_head_only(void **state)
{
    (void)state;
    fixture f, before;
    sg_optim *optim;
    sg_optim_options o;
    assert_true(sg_optim_defaults(&o, "adam", NULL));
    o.head_only = true;
    fixture_init(&f);
    set_grads(&f, 0);
    before = f;
    assert_true(sg_optim_new(&optim, &o, &f.params, NULL));
    sg_optim_step(optim, &f.params, f.grads, 1.0f);
    assert_memory_equal(f.block, before.block, 64 * sizeof *f.block);
    for (size_t i = 64; i < 76; i++) assert_true(f.block[i] != before.block[i]);
    /* A rate of 0 moves nothing, but its moments. */
    before = f;
    sg_optim_step(optim, &f.params, f.grads, 0.0f);
    assert_memory_equal(f.block, before.block, sizeof f.block);
    assert_int_equal(sg_optim_blocks(optim), 2);
    assert_true(sg_optim_block(optim, 0)[64] != 0.0f && sg_optim_block(optim, 0)[0] == 0.0f);
    sg_optim_free(optim);
}

static void check_refused(const sg_optim_options *o, const char *word)
{
    fixture f;
    sg_optim *optim = (sg_optim *)1;
    sg_error err = {0};
    fixture_init(&f);
    assert_false(sg_optim_new(&optim, o, &f.params, &err));
    assert_null(optim);
    assert_int_equal(err.code, SG_ERR_USAGE);
    if (!strstr(err.message, word)) fail_msg("'%s' is not in '%s'", word, err.message);
}

static void test_refusals(void **state)
{
    (void)state;
    sg_optim_options sgd, o;
    sg_error err = {0};
    assert_false(sg_optim_defaults(&o, "adamx", &err));
    assert_non_null(strstr(err.message, "unknown optimiser 'adamx' (there are sgd, adam)"));
    assert_true(sg_optim_defaults(&sgd, "sgd", NULL));
    check_refused((o = sgd, o.lr = -1.0f, &o), "learning rate");
    check_refused((o = sgd, o.lr = NAN, &o), "learning rate");
    check_refused((o = sgd, o.momentum = 1.0f, &o), "momentum");
    check_refused((o = sgd, o.weight_decay = -0.1f, &o), "weight decay");
    check_refused((o = sgd, o.beta2 = 1.5f, &o), "beta2");
    check_refused((o = sgd, o.head_lr = -2.0f, &o), "head");
    check_refused((o = sgd, o.name = "lion", &o), "lion");
}

static void test_schedule_refusals(void **state)
{
    (void)state;
    const sg_schedule sound = {.name = "step", .gamma = 0.1f, .every = 1, .steps_per_epoch = 4, .epochs = 3};
    sg_schedule s;
    sg_error err;
    assert_true(sg_schedule_check(&sound, NULL));
    assert_false(sg_schedule_check((s = sound, s.name = "linear", &s), &err));
    assert_non_null(strstr(err.message, "unknown schedule 'linear'"));
    assert_false(sg_schedule_check((s = sound, s.every = 0, &s), &err));
    assert_false(sg_schedule_check((s = sound, s.gamma = 0.0f, &s), &err));
    assert_false(sg_schedule_check((s = sound, s.gamma = NAN, &s), &err));
    assert_false(sg_schedule_check((s = sound, s.warmup = 12, &s), &err));
    assert_non_null(strstr(err.message, "warm-up of 12 steps"));
    assert_false(sg_schedule_check((s = sound, s.epochs = 0, &s), &err));
    assert_int_equal(err.code, SG_ERR_USAGE);
}

static void test_memory(void **state)
{
    (void)state;
    fixture f;
    sg_optim_options o;
    fixture_init(&f);
    assert_true(sg_optim_defaults(&o, "adam", NULL));
    sg_optim *optim;
    assert_survives_allocation_failures(sg_optim_new(&optim, &o, &f.params, &err));
    sg_optim_free(optim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pytorch),           cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_head_only),         cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_schedule_refusals), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
