/* signet classify: labels with probabilities. */
#include "commands.h"

#include <math.h>
#include <signet/interrupt.h>
#include <signet/mem.h>

typedef struct classify_options {
    const char *model, *precision;
    int64_t top;
    bool json, preprocessed;
} classify_options;

static void set_defaults(void *options)
{
    *(classify_options *)options = (classify_options){.top = 5};
}

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
            cli_print_text(path);
            printf("\t%.4f\t", value);
            cli_print_text(name);
            putchar('\n');
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

static bool run(const cli_call *call, int *status, sg_error *err)
{
    const classify_options *o = call->options;
    sg_model *model;
    sg_encoder *encoder = NULL;
    const sg_head head = SG_HEAD_CLASSIFIER;
    if (!cli_need_args(call, 1, SIZE_MAX, "IMAGE", err) ||
        !cli_model_load(&model, call, o->model, &head, err))
        return false;
    bool ok = sg_model_set_precision(model, o->precision, err) && sg_encoder_new(&encoder, model, 1, err) &&
              classify_all(encoder, call, status, err);
    sg_encoder_free(encoder);
    sg_model_free(model);
    return ok;
}

#define AT(member) offsetof(classify_options, member)
static const cli_option options[] = {
    {"model", 0, CLI_TEXT, AT(model), "FILE", "a classifier", 0, 0},
    CLI_PRECISION_OPTION(classify_options, precision, "the model's"),
    {"top", 0, CLI_COUNT, AT(top), "N", "how many labels (default: 5)", 1, 1e6},
    {"json", 0, CLI_FLAG, AT(json), NULL, "one JSON object an image", 0, 0},
    {"preprocessed", 0, CLI_FLAG, AT(preprocessed), NULL,
     "images are the network's input: no resize, no crop", 0, 0},
};

const cli_command cmd_classify = {
    .name = "classify",
    .summary = "the labels of images, with probabilities",
    .usage = "--model FILE IMAGE... [--top N] [--json]",
    .examples = "classify --model BASE/best.safetensors shirt.png\n"
                "classify --model BASE/best.safetensors --top 3 --json *.png",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(classify_options),
    .defaults = set_defaults,
    .run = run,
};
