/* Foreign tensors into networks: which is taken for which, and what is said of those that do not fit. */
#include "base/scratch.h"
#include "encoder/safetensors_impl.h"
#include "encoder/sample.h"

#include <math.h>
#include <signet/file.h>
#include <signet/import.h>

static const sg_net_spec lenet = {.arch = "lenet",
                                  .channels = 1,
                                  .height = 32,
                                  .width = 32,
                                  .head = SG_HEAD_CLASSIFIER,
                                  .outputs = 3,
                                  .std = {1}};
static const sg_net_spec resnet20 = {.arch = "resnet20",
                                     .channels = 3,
                                     .height = 32,
                                     .width = 32,
                                     .head = SG_HEAD_CLASSIFIER,
                                     .outputs = 3,
                                     .std = {1, 1, 1}};

static sg_model *plain(const sg_net_spec *spec, sg_head head, int64_t outputs)
{
    sg_model *model;
    sg_error err = {0};
    sg_net_spec wanted = *spec;
    wanted.head = head;
    wanted.outputs = outputs;
    if (!sg_model_new(&model, &wanted, NULL, &err)) fail_msg("%s", err.message);
    return model;
}

/* A model whose every number tells its tensor and place; above 0, as variances are. */
static sg_model *numbered(const sg_net_spec *spec, sg_head head, int64_t outputs)
{
    sg_model *model = plain(spec, head, outputs);
    for (uint32_t t = 0; t < model->params->ntensors; t++)
        for (uint32_t i = 0; i < model->params->tensors[t].size; i++)
            model->params->block[model->params->tensors[t].offset + i] = 2 + sample_number(t, i);
    return model;
}

/* How a file's tensors differ from a model's: each name goes through `rename`, which gives false for one left out. */
typedef bool renaming(char out[160], const char *name);

static bool keep(char out[160], const char *name)
{
    return snprintf(out, 160, "%s", name) > 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const sg_st_tensor *)a)->name, ((const sg_st_tensor *)b)->name);
}

/* Writes "f"; with `extra`, one more tensor of that name, two numbers. */
static void put(const sg_model *model, renaming *rename, const char *extra)
{
    static char names[200][160];
    sg_st_tensor tensors[200];
    size_t n = 0, nbytes = 0;
    for (size_t t = 0; t < model->params->ntensors; t++) {
        const sg_tensor *from = &model->params->tensors[t];
        if (!rename(names[n], from->name)) continue;
        tensors[n] =
            (sg_st_tensor){.name = names[n], .ndim = from->ndim, .nbytes = from->size * sizeof(float)};
        tensors[n].begin = from->offset;
        memcpy(tensors[n].dims, from->dims, sizeof from->dims);
        nbytes += tensors[n++].nbytes;
    }
    if (extra) {
        tensors[n++] = (sg_st_tensor){.name = (char *)extra, .ndim = 1, .dims = {2}, .nbytes = 8};
        nbytes += 8;
    }
    qsort(tensors, n, sizeof *tensors, by_name);
    char *data = calloc(nbytes, 1), *at = data;
    for (size_t i = 0; i < n; at += tensors[i++].nbytes)
        if (tensors[i].name != extra) memcpy(at, model->params->block + tensors[i].begin, tensors[i].nbytes);
    const sg_kv none = SG_KV_INIT;
    sg_error err = {0};
    if (!sg_safetensors_write("f", &none, tensors, n, data, &err)) fail_msg("%s", err.message);
    free(data);
}

static bool take(sg_import *import, sg_model *model, sg_error *err)
{
    sg_weights *weights;
    *import = (sg_import){0};
    if (!sg_weights_open(&weights, "f", err)) return false;
    bool ok = sg_import_weights(import, model, weights, err);
    sg_weights_close(weights);
    return ok;
}

static void check_taken(const sg_model *from, const sg_net_spec *spec, sg_head head, int64_t outputs,
                        bool head_taken)
{
    sg_import import;
    sg_error err = {0};
    sg_model *model = plain(spec, head, outputs);
    if (!take(&import, model, &err)) fail_msg("%s", err.message);
    assert_int_equal(import.head_taken, head_taken);
    assert_int_equal(import.nlines, 0);
    for (size_t t = 0; t < model->params->ntensors; t++) {
        const sg_tensor *to = &model->params->tensors[t], *of = sg_params_find(from->params, to->name);
        if (to->head && !head_taken) {
            for (size_t i = 0; i < to->size; i++) assert_true(model->params->block[to->offset + i] == 0.0f);
        } else {
            assert_memory_equal(model->params->block + to->offset, from->params->block + of->offset,
                                to->size * sizeof(float));
        }
    }
    sg_import_clear(&import);
    sg_model_free(model);
}

/* ---- names ---- */

static bool as_module(char out[160], const char *name)
{
    return snprintf(out, 160, "module.%s", name) > 0;
}

/* What akamaster's and BioTorch's ResNets for small images call their last layer; wrapped twice. */
static bool as_linear(char out[160], const char *name)
{
    bool head = strncmp(name, "fc.", 3) == 0;
    return snprintf(out, 160, "_orig_mod.module.%s%s", head ? "linear." : "", head ? name + 3 : name) > 0;
}

static void test_names(void **state)
{
    (void)state;
    sg_model *from = numbered(&resnet20, SG_HEAD_CLASSIFIER, 3);
    renaming *const ways[] = {keep, as_module, as_linear};
    for (size_t i = 0; i < 3; i++) {
        put(from, ways[i], NULL);
        check_taken(from, &resnet20, SG_HEAD_CLASSIFIER, 3, true);
        check_taken(from, &resnet20, SG_HEAD_CLASSIFIER, 5, false);
        check_taken(from, &resnet20, SG_HEAD_HASH, 16, false);
        check_taken(from, &resnet20, SG_HEAD_FEATURES, 0, true);
    }
    sg_model_free(from);
    from = numbered(&resnet20, SG_HEAD_HASH, 16);
    put(from, keep, NULL);
    check_taken(from, &resnet20, SG_HEAD_HASH, 16, true);
    check_taken(from, &resnet20, SG_HEAD_HASH, 32, false);
    check_taken(from, &resnet20, SG_HEAD_CLASSIFIER, 3, false);
    sg_model_free(from);
}

/* ---- what does not fit ---- */

static bool without_conv2(char out[160], const char *name)
{
    return strcmp(name, "conv2.weight") != 0 && keep(out, name);
}

/* conv2.bias is called as another wrapped would be. */
static bool with_conv1_twice(char out[160], const char *name)
{
    return keep(out, strcmp(name, "conv2.bias") == 0 ? "module.conv1.bias" : name);
}

static void check_refused(const sg_net_spec *spec, sg_code code, const char *message, size_t nlines)
{
    sg_import import;
    sg_error err = {0};
    sg_model *model = plain(spec, SG_HEAD_CLASSIFIER, 3);
    assert_false(take(&import, model, &err));
    if (!strstr(err.message, message)) fail_msg("'%s' is not in '%s'", message, err.message);
    assert_int_equal(err.code, code);
    assert_int_equal(strncmp(err.message, "f: ", 3), 0);
    assert_int_equal(import.nlines, nlines);
    assert_int_equal(import.missing + import.unexpected + import.misshapen, nlines);
    sg_import_clear(&import);
    sg_model_free(model);
}

static void test_mismatch(void **state)
{
    (void)state;
    sg_model *from = numbered(&lenet, SG_HEAD_CLASSIFIER, 3);
    put(from, without_conv2, NULL);
    check_refused(&lenet, SG_ERR_MISMATCH,
                  "do not fit lenet (1 missing): missing: conv2.weight (16 x 6 x 5 x 5)", 1);
    put(from, keep, "conv9.bias");
    check_refused(&lenet, SG_ERR_MISMATCH, "do not fit lenet (1 unexpected): unexpected: conv9.bias (2)", 1);
    put(from, without_conv2, "module.conv2.weight");
    check_refused(
        &lenet, SG_ERR_MISMATCH,
        "(1 of another shape): of another shape: module.conv2.weight (2, the network has 16 x 6 x 5 x 5)", 1);
    put(from, with_conv1_twice, NULL);
    check_refused(&lenet, SG_ERR_MISMATCH,
                  "(1 missing, 1 unexpected): missing: conv2.bias (16); unexpected: module.conv1", 2);
    put(from, keep, NULL);
    const sg_net_spec other = {
        .arch = "lenet-cifar", .channels = 3, .height = 32, .width = 32, .std = {1, 1, 1}, .outputs = 3};
    check_refused(&other, SG_ERR_MISMATCH, "; ... (--verbose lists them all)", 8);
    check_refused(&resnet20, SG_ERR_MISMATCH, "do not fit resnet20 (", 104);
    sg_model_free(from);
}

static void test_numbers(void **state)
{
    (void)state;
    sg_model *from = numbered(&resnet20, SG_HEAD_CLASSIFIER, 3);
    const sg_tensor *var = sg_params_find(from->params, "layer1.0.bn1.running_var");
    from->params->block[var->offset + 2] = -1;
    put(from, keep, NULL);
    check_refused(&resnet20, SG_ERR_FORMAT,
                  "tensor 'layer1.0.bn1.running_var': number 2 is a variance below 0", 0);
    from->params->block[var->offset + 2] = NAN;
    put(from, keep, NULL);
    check_refused(&resnet20, SG_ERR_FORMAT, "tensor 'layer1.0.bn1.running_var': number 2 is not finite", 0);
    sg_model_free(from);
}

/* ---- whole models ---- */

static bool without_head(char out[160], const char *name)
{
    return strncmp(name, "fc.", 3) != 0 && keep(out, name);
}

static bool import_model(sg_model **model, const char *arch, const char *const *classes, size_t nclasses,
                         sg_error *err)
{
    sg_weights *weights;
    sg_import import;
    const sg_net_spec spec = {.arch = arch, .height = 32, .width = 32, .std = {1, 1, 1}};
    if (!sg_weights_open(&weights, "f", err)) return false;
    bool ok = sg_import_model(model, &import, weights, &spec, classes, nclasses, err);
    sg_import_clear(&import);
    sg_weights_close(weights);
    return ok;
}

static void test_models(void **state)
{
    (void)state;
    static const char *const names[] = {"cat", "dog", "bird"};
    sg_model *model;
    sg_error err = {0};
    for (int64_t channels = 1; channels <= 3; channels += 2) {
        sg_net_spec spec = resnet20;
        spec.channels = channels;
        sg_model *from = numbered(&spec, SG_HEAD_CLASSIFIER, 3);
        put(from, as_linear, NULL);
        if (!import_model(&model, "resnet20", names, 3, &err)) fail_msg("%s", err.message);
        assert_true(sg_model_spec(model)->head == SG_HEAD_CLASSIFIER && sg_model_spec(model)->outputs == 3);
        assert_int_equal(sg_model_spec(model)->channels, channels);
        assert_string_equal(model->classes[2], "bird");
        sg_model_free(model);
        assert_false(import_model(&model, "resnet20", names, 2, &err));
        assert_string_equal(err.message, "f: 2 class names for 3 classes");
        assert_int_equal(err.code, SG_ERR_USAGE);
        put(from, without_head, NULL);
        if (!import_model(&model, "resnet20", NULL, 0, &err)) fail_msg("%s", err.message);
        assert_true(sg_model_spec(model)->head == SG_HEAD_FEATURES);
        sg_model_free(model);
        assert_false(import_model(&model, "resnet20", names, 3, &err));
        assert_string_equal(err.message, "f: class names, but no classifier's last layer");
        sg_model_free(from);
    }
    assert_false(import_model(&model, "resnet21", NULL, 0, &err));
    assert_non_null(strstr(err.message, "resnet21"));
    assert_int_equal(err.code, SG_ERR_USAGE);
}

/* What is exported is foreign, and comes back the same; a hash as a hash. */
static void test_export(void **state)
{
    (void)state;
    static const sg_head heads[] = {SG_HEAD_CLASSIFIER, SG_HEAD_HASH};
    for (size_t i = 0; i < 2; i++) {
        sg_model *model, *from = numbered(&resnet20, heads[i], 16);
        sg_error err = {0};
        assert_true(sg_model_export(from, "f", &err));
        assert_false(sg_model_load(&model, "f", &err));
        assert_non_null(strstr(
            err.message, "f: no model of signet, but 97 tensors of other weights: signet model import"));
        if (!import_model(&model, "resnet20", NULL, 0, &err)) fail_msg("%s", err.message);
        assert_int_equal(sg_model_spec(model)->head, heads[i]);
        assert_int_equal(model->params->size, from->params->size);
        assert_memory_equal(model->params->block, from->params->block, from->params->size * sizeof(float));
        sg_model_free(model);
        sg_model_free(from);
    }
    sg_model *from = numbered(&lenet, SG_HEAD_CLASSIFIER, 3);
    sg_error err = {0};
    from->params->block[0] = INFINITY;
    assert_false(sg_model_export(from, "g", &err));
    assert_string_equal(err.message, "g: tensor 'conv1.weight': number 0 is not finite");
    sg_model_free(from);
}

static void test_memory(void **state)
{
    (void)state;
    sg_model *model, *from = numbered(&lenet, SG_HEAD_CLASSIFIER, 3);
    put(from, keep, NULL);
    assert_survives_allocation_failures(import_model(&model, "lenet", NULL, 0, &err));
    sg_model_free(model);
    sg_import import;
    put(from, without_conv2, "conv9.bias");
    model = plain(&lenet, SG_HEAD_CLASSIFIER, 3);
    for (uint64_t nth = 1;; nth++) {
        sg_error err = {0};
        sg_mem_fail_at(nth);
        assert_false(take(&import, model, &err));
        sg_mem_fail_at(0);
        sg_import_clear(&import);
        if (err.code == SG_ERR_MISMATCH) break;
        assert_int_equal(err.code, SG_ERR_MEMORY);
    }
    sg_model_free(model);
    sg_model_free(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        scratch_test(test_names),  scratch_test(test_mismatch), scratch_test(test_numbers),
        scratch_test(test_models), scratch_test(test_export),   scratch_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
