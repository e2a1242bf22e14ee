/* signet classify: labels with probabilities, by a classifier or by the vote of an index's pictures. */
#include "commands.h"

#include <math.h>
#include <signet/ingest.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/vote.h>

typedef struct classify_options {
    const char *model, *index, *precision;
    int64_t top, k;
    bool json, preprocessed;
} classify_options;

static void set_defaults(void *options)
{
    *(classify_options *)options = (classify_options){.top = 5, .k = 10};
}

/* A label of text output. */
static void print_label(const char *path, double probability, const char *name)
{
    cli_print_text(path);
    printf("\t%.4f\t", probability);
    cli_print_text(name);
    putchar('\n');
}

/* --- by a classifier --- */

/* p = softmax(z), in place, in double. */
static void softmax(double *p, const float *z, size_t n)
{
    double max = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) max = fmax(max, (double)z[i]);
    for (size_t i = 0; i < n; i++) sum += p[i] = exp((double)z[i] - max);
    for (size_t i = 0; i < n; i++) p[i] /= sum;
}

/* Takes the largest that is left (the lowest class on a tie), and takes it out. */
static size_t take_largest(double *p, size_t n, double *value)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (p[i] > p[best]) best = i;
    *value = p[best];
    p[best] = -1;
    return best;
}

static bool print_labels(const char *path, double *p, const sg_model *model, const classify_options *o,
                         sg_error *err)
{
    size_t n = (size_t)sg_model_spec(model)->outputs, top = (size_t)o->top < n ? (size_t)o->top : n;
    sg_json *root = o->json ? sg_json_object() : NULL;
    sg_json *labels = NULL;
    if (root) {
        sg_json_add_path(root, "image", path);
        labels = sg_json_add_array(root, "labels");
    }
    for (size_t i = 0; i < top; i++) {
        double value;
        size_t cls = take_largest(p, n, &value);
        char number[24];
        snprintf(number, sizeof number, "%zu", cls);
        const char *name = cls < model->nclasses ? model->classes[cls] : number;
        if (root) {
            sg_json *label = sg_json_add_object(labels, NULL);
            sg_json_add_int(label, "class", (int64_t)cls);
            sg_json_add_string(label, "name", name);
            sg_json_add_number(label, "probability", value);
        } else {
            print_label(path, value, name);
        }
    }
    return root ? cli_print_json(root, err) : cli_stdout_check(err);
}

static bool classify_all(sg_encoder *encoder, const cli_call *call, int *status, sg_error *err)
{
    const classify_options *o = call->options;
    const sg_model *model = sg_encoder_model(encoder);
    size_t n = (size_t)sg_model_spec(model)->outputs;
    uint8_t *pixels = sg_alloc(sg_net_input_size(model->net), 1);
    float *z = sg_alloc(n, sizeof *z);
    double *p = sg_alloc(n, sizeof *p);
    bool ok = pixels && z && p ? true : sg_fail_memory(err, "outputs");
    for (size_t i = 0; ok && i < call->nargs; i++) {
        sg_error why;
        if (!(ok = sg_interrupt_check(err))) break;
        if (cli_load_pixels(pixels, call->args[i], model, o->preprocessed, &why)) {
            ok = sg_encoder_outputs(encoder, z, pixels, 1, err);
            if (ok) softmax(p, z, n);
            ok = ok && print_labels(call->args[i], p, model, o, err);
        } else {
            ok = cli_skip(status, &why, call->nargs == 1, err);
        }
    }
    sg_free(p);
    sg_free(z);
    sg_free(pixels);
    return ok;
}

static bool run_model(const cli_call *call, int *status, sg_error *err)
{
    const classify_options *o = call->options;
    sg_model *model;
    sg_encoder *encoder = NULL;
    const sg_head head = SG_HEAD_CLASSIFIER;
    if (!cli_model_load(&model, call, o->model, &head, err)) return false;
    bool ok = sg_model_set_precision(model, o->precision, err) && sg_encoder_new(&encoder, model, 1, err) &&
              classify_all(encoder, call, status, err);
    sg_encoder_free(encoder);
    sg_model_free(model);
    return ok;
}

/* --- by an index --- */

static bool print_votes(const char *path, const sg_votes *votes, sg_index *index, const classify_options *o,
                        sg_error *err)
{
    const size_t top = (size_t)o->top < votes->n ? (size_t)o->top : votes->n;
    if (!o->json) {
        for (size_t i = 0; i < top; i++) print_label(path, votes->items[i].share, votes->items[i].label);
        return cli_stdout_check(err);
    }
    sg_json *root = sg_json_object();
    sg_json_add_path(root, "image", path);
    sg_json *labels = sg_json_add_array(root, "labels");
    for (size_t i = 0; i < top; i++) {
        sg_json *label = sg_json_add_object(labels, NULL);
        sg_json_add_string(label, "name", votes->items[i].label);
        sg_json_add_number(label, "probability", votes->items[i].share);
        sg_json_add_int(label, "votes", (int64_t)votes->items[i].count);
        sg_json_add_int(label, "distance", votes->items[i].distance);
    }
    sg_json_add_int(root, "voters", (int64_t)votes->nvoters);
    sg_json_add_string(root, "fingerprint", sg_index_info(index)->fingerprint);
    sg_json_add_bool(root, "recipe_match", !*sg_index_recipe_difference(index));
    return cli_print_json(root, err);
}

static bool vote_all(sg_index *index, const sg_voter *voter, const cli_call *call, int *status, sg_error *err)
{
    const classify_options *o = call->options;
    sg_encoder *encoder = sg_index_encoder(index);
    const sg_model *model = sg_encoder_model(encoder);
    uint8_t *pixels = sg_alloc(sg_net_input_size(model->net), 1);
    uint8_t code[SG_BITS_MAX / 8];
    bool ok = pixels ? true : sg_fail_memory(err, "pixels");
    for (size_t i = 0; ok && i < call->nargs; i++) {
        sg_error why;
        sg_votes votes;
        if (!(ok = sg_interrupt_check(err))) break;
        if (!cli_load_pixels(pixels, call->args[i], model, o->preprocessed, &why)) {
            ok = cli_skip(status, &why, call->nargs == 1, err);
            continue;
        }
        ok = sg_encoder_codes(encoder, code, pixels, 1, err) &&
             sg_voter_ask(&votes, voter, code, (size_t)o->k, err);
        if (!ok) break;
        ok = print_votes(call->args[i], &votes, index, o, err);
        sg_votes_clear(&votes);
    }
    sg_free(pixels);
    return ok;
}

static bool run_index(const cli_call *call, int *status, sg_error *err)
{
    const classify_options *o = call->options;
    sg_index *index;
    sg_voter *voter;
    if (o->model || o->precision)
        return sg_fail(err, SG_ERR_USAGE,
                       "--index has its own model: --model and --precision do not go with it");
    if (!sg_index_open(&index, o->index, SG_INDEX_ENCODE, false, err)) return false;
    sg_index_set_max_pixels(index, (uint64_t)call->common.max_pixels);
    if (*sg_index_recipe_difference(index))
        cli_remark(call, "other codes than recorded are possible here: %s",
                   sg_index_recipe_difference(index));
    bool ok = sg_voter_new(&voter, sg_index_store(index), err) || sg_prefix(err, "%s", o->index);
    if (ok) {
        ok = vote_all(index, voter, call, status, err);
        sg_voter_free(voter);
    }
    sg_index_close(index);
    return ok;
}

static bool run(const cli_call *call, int *status, sg_error *err)
{
    const classify_options *o = call->options;
    if (!cli_need_args(call, 1, SIZE_MAX, "IMAGE", err)) return false;
    if (o->index) return run_index(call, status, err);
    if (cli_given(call, "count")) return sg_fail(err, SG_ERR_USAGE, "-k goes with --index");
    return run_model(call, status, err);
}

#define AT(member) offsetof(classify_options, member)
static const cli_option options[] = {
    {"model", 0, CLI_TEXT, AT(model), "FILE", "a classifier", 0, 0},
    {"index", 0, CLI_TEXT, AT(index), "INDEX",
     "instead of a classifier: the nearest pictures of the index that have a label vote, one vote "
     "each,\n" CLI_HELP_INDENT
     "and the probability is the share of votes; a tie goes to the label of the nearest picture",
     0, 0},
    {"count", 'k', CLI_COUNT, AT(k), "N",
     "with --index: how many vote, and all that are as near as the last of them (default: 10)", 1, 1e9},
    CLI_PRECISION_OPTION(classify_options, precision, "the model's"),
    {"top", 0, CLI_COUNT, AT(top), "N", "how many labels (default: 5)", 1, 1e6},
    {"json", 0, CLI_FLAG, AT(json), NULL, "one JSON object an image", 0, 0},
    {"preprocessed", 0, CLI_FLAG, AT(preprocessed), NULL,
     "images are the network's input: no resize, no crop", 0, 0},
};

const cli_command cmd_classify = {
    .name = "classify",
    .summary = "the labels of images, with probabilities",
    .usage = "(--model FILE | --index INDEX [-k N]) IMAGE... [--top N] [--json]",
    .examples = "classify --model BASE/best.safetensors shirt.png\n"
                "classify --model BASE/best.safetensors --top 3 --json *.png\n"
                "classify --index PHOTOS.index holiday.jpg",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(classify_options),
    .defaults = set_defaults,
    .run = run,
};
