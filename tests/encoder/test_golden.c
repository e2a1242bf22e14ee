/* Ten training steps of LeNet against PyTorch (tests/fixtures/encoder/golden.py): plan, loss and optimiser together.
 * Then the one batch is learned by heart. */
#include "base/scratch.h"

#include "encoder/sample.h"
#include <math.h>
#include <signet/cpu.h>
#include <signet/file.h>
#include <signet/json.h>
#include <signet/loss.h>
#include <signet/optim.h>
#include <signet/plan.h>
#include <signet/preprocess.h>

enum { BATCH = 8, STEPS = 10, PIXELS = 32 * 32 };

typedef struct golden {
    sg_net *net;
    sg_params *params;
    sg_plan *plan;
    sg_loss *loss;
    sg_optim *optim;
    sg_labels labels;
    float x[BATCH * PIXELS], z[BATCH * 10], dz[BATCH * 10], *grads;
} golden;

static void golden_init(golden *g, const sg_optim_options *optim)
{
    const sg_net_spec spec = {.arch = "lenet",
                              .channels = 1,
                              .height = 32,
                              .width = 32,
                              .head = SG_HEAD_CLASSIFIER,
                              .outputs = 10,
                              .mean = {0.286f},
                              .std = {0.353f}};
    const sg_plan_options plan = {.purpose = SG_TRAIN, .batch = BATCH};
    const sg_loss_options loss = {.outputs = 10, .classes = 10, .batch = BATCH};
    sg_error err = {0};
    uint8_t pixels[BATCH * PIXELS];
    if (!sg_net_new(&g->net, &spec, &err) || !sg_params_new(&g->params, g->net, &err) ||
        !sg_plan_new(&g->plan, g->net, &plan, &err) || !sg_loss_new(&g->loss, "ce", &loss, &err) ||
        !sg_optim_new(&g->optim, optim, g->params, &err) ||
        !sg_labels_init(&g->labels, BATCH, 10, false, &err))
        fail_msg("%s", err.message);
    g->grads = sg_alloc_aligned(g->params->size, sizeof(float));
    for (uint32_t t = 0, fan_in = 1; t < g->params->ntensors; t++) {
        const sg_tensor *tensor = &g->params->tensors[t];
        if (tensor->role == SG_TENSOR_WEIGHT)
            fan_in = (uint32_t)tensor->fan_in; /* a bias follows its weight */
        for (uint32_t i = 0; i < tensor->size; i++)
            g->params->block[tensor->offset + i] = sample_number(t, i) * (float)(1.0 / sqrt(fan_in));
    }
    for (uint32_t i = 0; i < BATCH * PIXELS; i++) pixels[i] = (uint8_t)(sample_word(1000, i) >> 24);
    for (uint32_t i = 0; i < BATCH; i++) g->labels.ids[i] = (int32_t)(sample_word(2000, i) % 10);
    sg_pixels_to_float(g->x, pixels, BATCH * PIXELS);
}

static void golden_clear(golden *g)
{
    sg_free_aligned(g->grads);
    sg_labels_clear(&g->labels);
    sg_optim_free(g->optim);
    sg_loss_free(g->loss);
    sg_plan_free(g->plan);
    sg_params_free(g->params);
    sg_net_free(g->net);
}

static double step(golden *g, uint64_t number)
{
    sg_plan_load(g->plan, g->params, NULL, number);
    sg_plan_train_forward(g->plan, g->params, g->x, g->z);
    double loss = sg_loss_run(g->loss, g->dz, g->z, &g->labels, BATCH);
    sg_plan_backward(g->plan, g->dz, g->grads, NULL);
    sg_optim_step(g->optim, g->params, g->grads, 1.0f);
    return loss;
}

static double number(const sg_json *json)
{
    double value = NAN;
    assert_true(sg_json_number(&value, json));
    return value;
}

static void check_close(double a, double b, double bound, const char *what)
{
    if (!(fabs(a - b) <= bound)) fail_msg("%s: %.9g, PyTorch has %.9g", what, a, b);
}

static void check_tensor(const golden *g, const sg_tensor *t, const sg_json *expected, double bound)
{
    const float *values = g->params->block + t->offset;
    double squares = 0, sum = 0, norm = number(sg_json_get(expected, "norm"));
    for (size_t i = 0; i < t->size; i++) {
        squares += (double)values[i] * values[i];
        sum += values[i];
    }
    check_close(sqrt(squares), norm, bound * norm, t->name);
    check_close(sum, number(sg_json_get(expected, "sum")), bound * norm * sqrt((double)t->size), t->name);
    const sg_json *at = sg_json_get(expected, "at"), *entries = sg_json_get(expected, "values");
    for (size_t i = 0; i < sg_json_size(at); i++) {
        size_t place = (size_t)number(sg_json_at(at, i));
        check_close((double)values[place], number(sg_json_at(entries, i)), 10 * bound, t->name);
    }
}

static void check_run(const char *name, const sg_optim_options *optim, double bound)
{
    char *text;
    size_t nbytes;
    sg_json *json;
    sg_error err = {0};
    if (!sg_file_read(&text, &nbytes, "fixtures/encoder/golden.json", 1 << 20, &err))
        fail_msg("%s", err.message);
    assert_true(sg_json_parse(&json, text, nbytes, &err));
    const sg_json *run = sg_json_get(json, name), *losses = sg_json_get(run, "losses");
    golden *g = calloc(1, sizeof *g);
    golden_init(g, optim);
    assert_int_equal(sg_json_size(losses), STEPS);
    for (size_t i = 0; i < STEPS; i++) check_close(step(g, i), number(sg_json_at(losses, i)), bound, "loss");
    assert_int_equal(sg_json_size(sg_json_get(run, "tensors")), g->params->ntensors);
    for (size_t t = 0; t < g->params->ntensors; t++) {
        const sg_tensor *tensor = &g->params->tensors[t];
        check_tensor(g, tensor, sg_json_get(sg_json_get(run, "tensors"), tensor->name), bound);
    }
    golden_clear(g);
    free(g);
    sg_json_free(json);
    sg_free(text);
}

static void test_sgd(void **state)
{
    (void)state;
    sg_optim_options o;
    assert_true(sg_optim_defaults(&o, "sgd", NULL));
    o.lr = 0.05f;
    o.momentum = 0.9f;
    o.weight_decay = 1e-3f;
    check_run("sgd", &o, 1e-5);
}

static void test_adam(void **state)
{
    (void)state;
    sg_optim_options o;
    assert_true(sg_optim_defaults(&o, "adam", NULL));
    o.lr = 2e-3f;
    o.weight_decay = 1e-4f;
    check_run("adam", &o, 5e-5);
}

static void test_overfit(void **state)
{
    (void)state;
    sg_optim_options o;
    assert_true(sg_optim_defaults(&o, "adam", NULL));
    o.lr = 5e-3f;
    golden *g = calloc(1, sizeof *g);
    golden_init(g, &o);
    double loss = 0;
    for (uint64_t i = 0; i < 60; i++) loss = step(g, i);
    assert_true(loss < 1e-3);
    golden_clear(g);
    free(g);
}

int main(void)
{
    sg_threads_set(1); /* little work: waiting for each other would take longer */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgd),
        cmocka_unit_test(test_adam),
        cmocka_unit_test(test_overfit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
