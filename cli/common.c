#include "common.h"

#include <signet/buf.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <signet/preprocess.h>
#include <stdarg.h>
#include <string.h>

bool cli_data_open(sg_dataset **ds, sg_split *split, const cli_data *data, sg_error *err)
{
    *split = (sg_split){.nquery = 0};
    *ds = NULL;
    if (!data->spec) return sg_fail(err, SG_ERR_USAGE, "--data is missing");
    if (!sg_dataset_open(ds, data->spec, data->dir, err)) return false;
    sg_split_options options = {.protocol = data->protocol,
                                .seed = (uint64_t)data->split_seed,
                                .query = data->query,
                                .train = data->train,
                                .database = data->database,
                                .val = data->val};
    if (sg_split_make(split, *ds, &options, err)) return true;
    sg_dataset_close(*ds);
    *ds = NULL;
    return false;
}

typedef struct skips {
    sg_progress progress;
    size_t n;
} skips;

static void tell_skip(void *context, const sg_error *why)
{
    skips *s = context;
    sg_progress_end(&s->progress);
    cli_warn("skipped: %s", why->message);
    s->n++;
}

bool cli_data_check(int *status, sg_split *split, const sg_dataset *ds, const cli_data *data,
                    const sg_preprocess *pp, const cli_call *call, sg_error *err)
{
    if (!data->skip_broken) return true;
    skips s = {.n = 0};
    sg_progress_init(&s.progress, cli_log(call), "check", "images", 0);
    const sg_broken broken = {.tell = tell_skip, .context = &s, .progress = &s.progress};
    bool ok = sg_split_drop_broken(split, ds, pp, &broken, err);
    sg_progress_end(&s.progress);
    if (ok && s.n) cli_remark(call, "%zu images skipped", s.n);
    if (s.n) *status = 1;
    return ok;
}

void cli_data_close(sg_dataset *ds, sg_split *split)
{
    sg_split_clear(split);
    sg_dataset_close(ds);
}

void cli_normalisation(sg_net_spec *spec)
{
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
    for (int c = 0; c < 3; c++) {
        spec->mean[c] = spec->channels == 1 ? 0.449f : mean[c];
        spec->std[c] = spec->channels == 1 ? 0.226f : std[c];
    }
}

void cli_input_usual(sg_preprocess *pp, const char *arch)
{
    int64_t channels, height, width, resize = sg_backbone_resize(arch);
    pp->scaled = pp->oriented = true;
    if (pp->width != pp->height) return;
    pp->resize = pp->height;
    if (resize && sg_backbone_input(arch, &channels, &height, &width, NULL))
        pp->resize = (int)((resize * pp->height + height / 2) / height);
}

bool cli_input_set(sg_preprocess *pp, const cli_input *input, sg_error *err)
{
    int larger = pp->width > pp->height ? pp->width : pp->height;
    if (input->resize > 0 && input->resize < larger)
        return sg_fail(err, SG_ERR_USAGE, "--resize: %lld is less than the network's input of %d x %d",
                       (long long)input->resize, pp->width, pp->height);
    if (input->resize >= 0) pp->resize = (int)input->resize;
    return (!input->filter || sg_preprocess_set(pp, "filter", input->filter, err)) &&
           (!input->decode || sg_preprocess_set(pp, "decode", input->decode, err)) &&
           (!input->orientation || sg_preprocess_set(pp, "orientation", input->orientation, err));
}

bool cli_model_load(sg_model **model, const cli_call *call, const char *path, const sg_head *head,
                    sg_error *err)
{
    *model = NULL;
    if (!path) return sg_fail(err, SG_ERR_USAGE, "--model is missing");
    if (!sg_model_load(model, path, err)) return false;
    (*model)->preprocess.max_pixels = (uint64_t)call->common.max_pixels;
    if (!head || sg_model_spec(*model)->head == *head) return true;
    sg_model_free(*model);
    *model = NULL;
    return *head == SG_HEAD_HASH
               ? sg_fail(err, SG_ERR_MISMATCH, "%s: a classifier, where a hash is needed", path)
               : sg_fail(err, SG_ERR_MISMATCH, "%s: a hash, where a classifier is needed", path);
}

FILE *cli_log(const cli_call *call)
{
    return call->common.quiet ? NULL : stderr;
}

/* One line on stderr, whatever bytes the arguments hold. */
static void say(const char *format, va_list args)
{
    sg_buf text = SG_BUF_INIT, line = SG_BUF_INIT;
    sg_buf_vprintf(&text, format, args);
    sg_buf_put_line(&line, sg_buf_text(&text));
    fprintf(stderr, "signet: %s\n", sg_buf_text(&line));
    sg_buf_clear(&line);
    sg_buf_clear(&text);
}

void cli_remark(const cli_call *call, const char *format, ...)
{
    if (call->common.quiet) return;
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

void cli_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(format, args);
    va_end(args);
}

bool cli_skip(int *status, const sg_error *why, bool only, sg_error *err)
{
    if (only || why->code == SG_ERR_INTERRUPTED || why->code == SG_ERR_MEMORY)
        return sg_fail(err, why->code, "%s", why->message);
    cli_warn("skipped: %s", why->message);
    *status = 1;
    return true;
}

void cli_print_text(const char *text)
{
    sg_buf line = SG_BUF_INIT;
    sg_buf_put_line(&line, text);
    fputs(sg_buf_text(&line), stdout);
    sg_buf_clear(&line);
}

bool cli_need_out(const char *out, const char *what, sg_error *err)
{
    if (!out) return sg_fail(err, SG_ERR_USAGE, "-o is missing: %s", what);
    return *out ? true : sg_fail(err, SG_ERR_USAGE, "-o: an empty path");
}

bool cli_need_outside(const char *file, const char *index, sg_error *err)
{
    char *folder;
    if (!file) return true;
    if (!sg_path_absolute(&folder, file, err)) return false;
    char *end = strrchr(folder, '/');
    end[end == folder] = '\0';
    bool inside = sg_path_same(folder, index);
    sg_free(folder);
    return !inside || sg_fail(err, SG_ERR_USAGE, "%s: lies in the folder of the index %s", file, index);
}

bool cli_print_json(sg_json *json, sg_error *err)
{
    char *text;
    bool ok = sg_json_print(&text, json, false, err);
    sg_json_free(json);
    if (!ok) return false;
    puts(text);
    sg_free(text);
    return cli_stdout_check(err);
}

bool cli_stdout_check(sg_error *err)
{
    return ferror(stdout) ? sg_fail(err, SG_ERR_IO, "cannot write to standard output") : true;
}

bool cli_load_pixels(uint8_t *planar, const char *path, const sg_model *model, bool preprocessed,
                     sg_error *err)
{
    const sg_preprocess *pp = &model->preprocess;
    sg_image image = {0}, ready = {0};
    const sg_decode_options whole = {.channels = pp->channels, .max_pixels = pp->max_pixels},
                            options = preprocessed ? whole : sg_preprocess_decode(pp);
    bool ok = sg_image_load(&image, path, &options, err);
    if (ok && preprocessed && (image.width != pp->width || image.height != pp->height)) {
        ok = sg_fail(err, SG_ERR_MISMATCH, "%s: %d x %d pixels, where the network reads %d x %d", path,
                     image.width, image.height, pp->width, pp->height);
    } else if (ok && preprocessed) {
        sg_image_to_planar(planar, &image);
    } else if (ok) {
        ok = sg_preprocess_image(&ready, &image, pp, err) || sg_prefix(err, "%s", path);
        if (ok) sg_image_to_planar(planar, &ready);
    }
    sg_image_clear(&image);
    sg_image_clear(&ready);
    return ok;
}

bool cli_key_values(sg_kv *kv, const cli_texts *texts, const char *option, sg_error *err)
{
    for (size_t i = 0; i < texts->n; i++) {
        const char *equals = strchr(texts->items[i], '=');
        char key[64];
        if (!equals || equals == texts->items[i] || (size_t)(equals - texts->items[i]) >= sizeof key)
            return sg_fail(err, SG_ERR_USAGE, "--%s: \"%s\" is not NAME=VALUE", option, texts->items[i]);
        snprintf(key, sizeof key, "%.*s", (int)(equals - texts->items[i]), texts->items[i]);
        if (!sg_kv_set(kv, key, equals + 1, err)) return false;
    }
    return true;
}
