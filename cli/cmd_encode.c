/* signet encode: images, or a split, to codes or real outputs. */
#include "commands.h"
#include "profile.h"

#include <signet/codes.h>
#include <signet/cpu.h>
#include <signet/hash.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/npy.h>
#include <string.h>

typedef struct encode_options {
    const char *model, *precision, *npy, *part, *labels;
    bool real, json, preprocessed;
    cli_data data;
    cli_profile profile;
} encode_options;

static void set_defaults(void *options)
{
    *(encode_options *)options = (encode_options){.part = "query", .data = CLI_DATA_DEFAULTS};
}

/* Outputs z (n, nbits) of named rows. */
typedef struct outputs {
    float *z;
    const char **names; /* borrowed */
    size_t n, nbits;
} outputs;

static bool print_row(const outputs *out, size_t i, const encode_options *o, sg_error *err)
{
    const float *z = out->z + i * out->nbits;
    uint8_t code[SG_BITS_MAX / 8];
    char hex[SG_BITS_MAX / 4 + 1] = "";
    if (!o->real) {
        sg_codes_pack(code, z, 1, out->nbits);
        sg_hex(hex, code, out->nbits / 8);
    }
    if (o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "image", out->names[i]);
        if (!o->real) sg_json_add_string(root, "code", hex);
        sg_json *reals = o->real ? sg_json_add_array(root, "outputs") : NULL;
        for (size_t k = 0; o->real && k < out->nbits; k++) sg_json_add_number(reals, NULL, (double)z[k]);
        return cli_print_json(root, err);
    }
    fputs(hex, stdout);
    for (size_t k = 0; o->real && k < out->nbits; k++) printf("%s%.9g", k ? " " : "", (double)z[k]);
    putchar('\t');
    cli_print_text(out->names[i]);
    putchar('\n');
    return cli_stdout_check(err);
}

static bool write_npy(const outputs *out, const encode_options *o, sg_error *err)
{
    if (o->real) return sg_npy_write(o->npy, SG_NPY_F32, 2, out->n, out->nbits, out->z, err);
    uint8_t *codes = sg_alloc(out->n, out->nbits / 8);
    if (!codes) return sg_fail_memory(err, "codes");
    sg_codes_pack(codes, out->z, out->n, out->nbits);
    bool ok = sg_npy_write(o->npy, SG_NPY_U8, 2, out->n, out->nbits / 8, codes, err);
    sg_free(codes);
    return ok;
}

static bool emit(const outputs *out, const encode_options *o, sg_error *err)
{
    if (o->npy) return write_npy(out, o, err);
    bool ok = true;
    for (size_t i = 0; ok && i < out->n; i++) ok = print_row(out, i, o, err);
    return ok;
}

/* A batch of files on its way to the network. */
typedef struct files {
    uint8_t *pixels; /* (batch, C, H, W) */
    sg_error *whys;  /* (batch); SG_OK where a file is loaded */
    size_t batch, size;
} files;

/* All threads load n files, then what is broken is told in the files' order, and the rest moves together. How many that
 * are. */
static bool load_files(size_t *good, files *f, outputs *out, const char *const *paths, size_t n,
                       const sg_model *model, const cli_call *call, int *status, sg_error *err)
{
    const encode_options *o = call->options;
#pragma omp parallel for schedule(dynamic) num_threads(sg_threads())
    for (size_t i = 0; i < n; i++) {
        f->whys[i].code = SG_OK;
        if (!sg_interrupted())
            cli_load_pixels(f->pixels + i * f->size, paths[i], model, o->preprocessed, &f->whys[i]);
    }
    *good = 0;
    if (!sg_interrupt_check(err)) return false;
    for (size_t i = 0; i < n; i++) {
        if (f->whys[i].code != SG_OK) {
            if (!cli_skip(status, &f->whys[i], call->nargs == 1, err)) return false;
            continue;
        }
        if (*good < i) memcpy(f->pixels + *good * f->size, f->pixels + i * f->size, f->size);
        out->names[out->n + (*good)++] = paths[i];
    }
    return true;
}

static bool encode_files(outputs *out, sg_encoder *encoder, const cli_call *call, sg_profile *profile,
                         int *status, sg_error *err)
{
    const sg_model *model = sg_encoder_model(encoder);
    files f = {.batch = sg_encoder_batch(encoder), .size = sg_net_input_size(model->net)};
    f.pixels = sg_alloc(f.batch, f.size);
    f.whys = sg_alloc(f.batch, sizeof *f.whys);
    bool ok = f.pixels && f.whys ? true : sg_fail_memory(err, "pixels");
    for (size_t i = 0; ok && i < call->nargs; i += f.batch) {
        size_t good, n = call->nargs - i < f.batch ? call->nargs - i : f.batch;
        const sg_profile_mark mark = sg_profile_begin(profile);
        ok = load_files(&good, &f, out, call->args + i, n, model, call, status, err);
        sg_profile_end(profile, mark, SG_PROFILE_WAIT, "(files)");
        ok = ok && sg_encoder_outputs(encoder, out->z + out->n * out->nbits, f.pixels, good, err);
        if (ok) out->n += good;
    }
    sg_free(f.whys);
    sg_free(f.pixels);
    return ok;
}

static bool write_labels(const char *path, const sg_labels *labels, sg_error *err)
{
    if (labels->rows) return sg_npy_write(path, SG_NPY_U8, 2, labels->n, labels->classes, labels->rows, err);
    int64_t *wide = sg_alloc(labels->n, sizeof *wide);
    if (!wide) return sg_fail_memory(err, "labels");
    for (size_t i = 0; i < labels->n; i++) wide[i] = labels->ids[i];
    bool ok = sg_npy_write(path, SG_NPY_I64, 1, labels->n, 1, wide, err);
    sg_free(wide);
    return ok;
}

static bool encode_part(sg_encoder *encoder, const cli_call *call, const sg_dataset *ds,
                        const sg_split *split, sg_error *err)
{
    const encode_options *o = call->options;
    const uint32_t *items;
    outputs out = {.nbits = sg_net_output_size(sg_encoder_model(encoder)->net)};
    sg_labels labels = {0};
    if (!sg_split_part(&items, &out.n, split, o->part, err)) return false;
    out.z = sg_alloc(out.n * out.nbits, sizeof *out.z);
    out.names = sg_alloc(out.n, sizeof *out.names);
    bool ok = out.z && out.names ? true : sg_fail_memory(err, "outputs");
    for (size_t i = 0; ok && i < out.n; i++) out.names[i] = sg_dataset_item_name(ds, items[i]);
    sg_progress progress;
    sg_progress_init(&progress, cli_log(call), "encode", "images", out.n);
    ok = ok && sg_encoder_items(encoder, out.z, ds, items, out.n, &progress, err);
    sg_progress_end(&progress);
    ok = ok && emit(&out, o, err);
    if (ok && o->labels)
        ok = sg_labels_pick(&labels, sg_dataset_labels(ds), items, out.n, err) &&
             write_labels(o->labels, &labels, err);
    sg_labels_clear(&labels);
    sg_free(out.z);
    sg_free(out.names);
    return ok;
}

static bool run_part(sg_encoder *encoder, const cli_call *call, int *status, sg_error *err)
{
    const encode_options *o = call->options;
    sg_dataset *ds;
    sg_split split;
    if (!cli_need_args(call, 0, 0, "", err) || !cli_data_open(&ds, &split, &o->data, err)) return false;
    const sg_preprocess *pp = &sg_encoder_model(encoder)->preprocess;
    bool ok = cli_data_check(status, &split, ds, &o->data, pp, call, err) &&
              encode_part(encoder, call, ds, &split, err);
    cli_data_close(ds, &split);
    return ok;
}

static bool run_files(sg_encoder *encoder, const cli_call *call, sg_profile *profile, int *status,
                      sg_error *err)
{
    const encode_options *o = call->options;
    outputs out = {.nbits = sg_net_output_size(sg_encoder_model(encoder)->net)};
    if (o->labels) return sg_fail(err, SG_ERR_USAGE, "--labels goes with --data");
    out.z = sg_alloc(call->nargs * out.nbits, sizeof *out.z);
    out.names = sg_alloc(call->nargs, sizeof *out.names);
    bool ok = out.z && out.names ? true : sg_fail_memory(err, "outputs");
    ok = ok && encode_files(&out, encoder, call, profile, status, err) && emit(&out, o, err);
    sg_free(out.z);
    sg_free(out.names);
    return ok;
}

static bool run(const cli_call *call, int *status, sg_error *err)
{
    const encode_options *o = call->options;
    sg_model *model;
    sg_encoder *encoder = NULL;
    sg_profile *profile;
    if (!o->data.spec && !cli_need_args(call, 1, SIZE_MAX, "IMAGE or --data", err)) return false;
    if (!cli_profile_new(&profile, &o->profile, err)) return false;
    const sg_profile_mark mark = sg_profile_begin(profile);
    if (!cli_model_load(&model, call, o->model, NULL, err)) {
        sg_profile_free(profile);
        return false;
    }
    bool ok = sg_model_set_precision(model, o->precision, err);
    if (ok && sg_model_spec(model)->head == SG_HEAD_CLASSIFIER && !o->real)
        ok = sg_fail(err, SG_ERR_USAGE, "%s is a classifier: --real gives its logits", o->model);
    size_t batch = o->data.spec || call->nargs > 64 ? 64 : call->nargs;
    ok = ok && sg_encoder_new(&encoder, model, batch, err);
    sg_profile_end(profile, mark, SG_PROFILE_PREPARE, "(model)");
    if (ok) {
        sg_encoder_profile(encoder, profile);
        ok = o->data.spec ? run_part(encoder, call, status, err)
                          : run_files(encoder, call, profile, status, err);
    }
    ok = ok && cli_profile_tell(profile, &o->profile, err);
    sg_profile_free(profile);
    sg_encoder_free(encoder);
    sg_model_free(model);
    return ok;
}

#define AT(member) offsetof(encode_options, member)
static const cli_option options[] = {
    {"model", 0, CLI_TEXT, AT(model), "FILE", "a hash model", 0, 0},
    CLI_PRECISION_OPTION(encode_options, precision, "the model's"),
    {"real", 0, CLI_FLAG, AT(real), NULL, "real outputs instead of codes", 0, 0},
    {"json", 0, CLI_FLAG, AT(json), NULL, "one JSON object an image", 0, 0},
    {"npy", 0, CLI_TEXT, AT(npy), "FILE", "a NumPy file instead of text: uint8 (n, K/8), or float32 (n, K)",
     0, 0},
    {"preprocessed", 0, CLI_FLAG, AT(preprocessed), NULL,
     "images are the network's input: no resize, no crop", 0, 0},
    CLI_PROFILE_OPTIONS(encode_options, profile),
    {NULL, 0, CLI_NEW_GROUP, 0, NULL, "a split instead of images", 0, 0},
    CLI_DATA_OPTIONS(encode_options, data),
    {"split", 0, CLI_TEXT, AT(part), "PART", "query, train, database or val (default: query)", 0, 0},
    {"labels", 0, CLI_TEXT, AT(labels), "FILE", "write the labels too: int64 (n) or uint8 (n, classes)", 0,
     0},
};

const cli_command cmd_encode = {
    .name = "encode",
    .summary = "the codes (or real outputs) of images",
    .usage = "--model FILE IMAGE... [--npy OUT] [--real] [--json]",
    .examples = "encode --model RUN/best.safetensors a.jpg b.png\n"
                "encode --model RUN/best.safetensors --data fashion-mnist --split database --npy D.npy "
                "--labels DL.npy",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(encode_options),
    .defaults = set_defaults,
    .run = run,
};
