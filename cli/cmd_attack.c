/* signet attack: images changed within a budget, as PNG files with a table of what changed. */
#include "commands.h"
#include "profile.h"

#include <math.h>
#include <signet/attack.h>
#include <signet/buf.h>
#include <signet/evaluate.h>
#include <signet/file.h>
#include <signet/hash.h>
#include <signet/mem.h>
#include <string.h>
#include <unistd.h>

typedef struct attack_options {
    const char *model, *precision, *attack, *gradient, *out, *labels;
    double eps, alpha;
    int64_t iterations, seed;
    bool preprocessed;
    cli_data data;
    cli_profile profile;
} attack_options;

static void set_defaults(void *options)
{
    *(attack_options *)options =
        (attack_options){.attack = "hag", .gradient = "exact", .eps = 8.0 / 255, .data = CLI_DATA_DEFAULTS};
}

/* All that one run holds. */
typedef struct job {
    const attack_options *o;
    const cli_call *call;
    sg_model *model;
    sg_attack_options options;
    uint8_t *pixels, *adversarial; /* (n, C, H, W) */
    uint64_t *keys;
    char **names; /* of the PNG files, in the folder */
    sg_attack_result *results;
    size_t n;
    sg_profile *profile;
} job;

/* "dir/a.b.jpg" becomes "a.b.png". */
static char *png_name(const char *path)
{
    const char *base = sg_path_base(path), *dot = strrchr(base, '.');
    size_t length = dot && dot != base ? (size_t)(dot - base) : strlen(base);
    char *name = sg_alloc(length + 5, 1);
    if (name) {
        memcpy(name, base, length);
        memcpy(name + length, ".png", 5);
    }
    return name;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool name_outputs(job *j, sg_error *err)
{
    j->names = sg_calloc(j->n, sizeof *j->names);
    char **sorted = sg_alloc(j->n, sizeof *sorted);
    bool ok = j->names && sorted ? true : sg_fail_memory(err, "names");
    for (size_t i = 0; ok && i < j->n; i++) {
        j->names[i] = sorted[i] = png_name(j->call->args[i]);
        if (!j->names[i]) ok = sg_fail_memory(err, "names");
    }
    if (ok) qsort(sorted, j->n, sizeof *sorted, compare_names);
    for (size_t i = 1; ok && i < j->n; i++)
        if (!strcmp(sorted[i - 1], sorted[i]))
            ok = sg_fail(err, SG_ERR_USAGE, "two inputs would both be written as %s", sorted[i]);
    sg_free(sorted);
    return ok;
}

/* An image's key, which its random numbers are drawn by, is a hash of its pixels: the same wherever it stands. */
static bool load_inputs(job *j, sg_error *err)
{
    size_t size = sg_net_input_size(j->model->net);
    j->pixels = sg_alloc(j->n, size);
    j->adversarial = sg_alloc(j->n, size);
    j->keys = sg_alloc(j->n, sizeof *j->keys);
    j->results = sg_calloc(j->n, sizeof *j->results);
    if (!j->pixels || !j->adversarial || !j->keys || !j->results) return sg_fail_memory(err, "images");
    for (size_t i = 0; i < j->n; i++) {
        uint8_t *at = j->pixels + i * size;
        if (!cli_load_pixels(at, j->call->args[i], j->model, j->o->preprocessed, err)) return false;
        j->keys[i] = sg_xxh3_64(at, size);
    }
    return true;
}

/* Is the image of a labels file's line this one: its path as given, or the end of it ("b.png", "a/b.png")? */
static bool names_image(const char *line, const char *path)
{
    size_t n = strlen(line), length = strlen(path);
    if (n > length || strcmp(path + length - n, line)) return false;
    return n == length || path[length - n - 1] == '/';
}

/* One line "image label" or "image 0 1 0 ..." of a labels file into the rows of the images that it names. */
static bool take_label_line(sg_labels *labels, const job *j, char *line, size_t number, sg_error *err)
{
    size_t fields = labels->rows ? labels->classes : 1;
    int64_t values[1024];
    if (fields > 1024) return sg_fail(err, SG_ERR_LIMIT, "%s: more than 1024 labels", j->o->labels);
    for (size_t f = fields; f-- > 0;) {
        char *space = strrchr(line, ' ');
        int64_t max = labels->rows ? 1 : (int64_t)labels->classes - 1;
        if (!space || !sg_parse_int(&values[f], space + 1) || values[f] < 0 || values[f] > max)
            return sg_fail(err, SG_ERR_FORMAT, "%s: line %zu: not an image and %s", j->o->labels, number,
                           labels->rows ? "a row of 0 and 1 a class" : "a class number of the data");
        *space = '\0';
    }
    for (size_t i = 0; i < j->n; i++) {
        if (!names_image(line, j->call->args[i])) continue;
        if (!labels->rows) labels->ids[i] = (int32_t)values[0];
        for (size_t f = 0; labels->rows && f < fields; f++) labels->rows[i * fields + f] = (uint8_t)values[f];
    }
    return true;
}

static bool read_labels(sg_labels *labels, const job *j, const sg_labels *kind, sg_error *err)
{
    char *text;
    size_t nbytes, number = 0;
    if (!sg_labels_init(labels, j->n, kind->classes, kind->rows != NULL, err)) return false;
    if (!sg_file_read(&text, &nbytes, j->o->labels, SG_MAX_FILE_NBYTES, err)) return false;
    bool ok = !nbytes || !memchr(text, '\0', nbytes);
    if (!ok) sg_fail(err, SG_ERR_FORMAT, "%s: a byte of value 0: no file of labels", j->o->labels);
    for (char *line = text, *next; ok && line && *line; line = next) {
        next = strchr(line, '\n');
        size_t length = next ? (size_t)(next++ - line) : strlen(line);
        while (length > 0 && strchr(" \t\r", line[length - 1])) length--;
        line[length] = '\0';
        number++;
        if (*line) ok = take_label_line(labels, j, line, number, err);
    }
    sg_free(text);
    size_t labelled = 0;
    for (size_t i = 0; i < j->n; i++) labelled += sg_labels_count(labels, i) > 0;
    if (ok && labelled < j->n)
        cli_remark(j->call,
                   "%s: %zu of %zu images have no label: they are attacked by what the model makes of them",
                   j->o->labels, j->n - labelled, j->n);
    return ok;
}

/* An earlier attack's files are written anew; the user's pictures, which may have the same names, are not. */
static bool check_output(const job *j, const char *path, bool attacked, sg_error *err)
{
    for (size_t i = 0; i < j->n; i++)
        if (sg_path_same(path, j->call->args[i]))
            return sg_fail(err, SG_ERR_USAGE, "-o %s: %s would be written over", j->o->out, j->call->args[i]);
    return attacked ? true
                    : sg_fail(err, SG_ERR_IO, "%s: is there, and its folder holds no attack.csv: -o another",
                              path);
}

/* Before hours of work: the folder, and that the names in it are free. */
static bool take_folder(const job *j, sg_error *err)
{
    char *path;
    if (!sg_mkdirs(j->o->out, err) || !sg_path_join(&path, j->o->out, "attack.csv", err)) return false;
    bool attacked = sg_path_exists(path), ok = true;
    sg_free(path);
    for (size_t i = 0; ok && i < j->n; i++) {
        if (!sg_path_join(&path, j->o->out, j->names[i], err)) return false;
        ok = !sg_path_exists(path) || check_output(j, path, attacked, err);
        sg_free(path);
    }
    return ok;
}

static bool run_attacker(job *j, const sg_attack_knowledge *knowledge, const sg_labels *labels, sg_error *err)
{
    sg_attacker *attacker;
    size_t batch = j->n < 50 ? j->n : 50;
    const sg_profile_mark mark = sg_profile_begin(j->profile);
    if (!sg_attacker_new(&attacker, j->model, &j->options, knowledge, batch, err)) return false;
    sg_profile_end(j->profile, mark, SG_PROFILE_PREPARE, "(attacker)");
    sg_attacker_profile(attacker, j->profile);
    sg_attack_input input = {j->pixels, j->keys, labels, j->n};
    sg_progress progress;
    sg_progress_init(&progress, cli_log(j->call), j->options.name, "image-steps",
                     j->n * (uint64_t)j->options.iterations);
    bool ok =
        take_folder(j, err) && sg_attacker_run(attacker, j->adversarial, j->results, &input, &progress, err);
    sg_progress_end(&progress);
    sg_attacker_free(attacker);
    return ok;
}

/* With --data the attacker knows the training split's codes and labels. */
static bool attack_with_data(job *j, int *status, sg_error *err)
{
    sg_dataset *ds;
    sg_split split;
    sg_encoder *encoder = NULL;
    sg_coded_part part = {0};
    sg_labels labels = {0};
    if (!cli_data_open(&ds, &split, &j->o->data, err)) return false;
    bool hash = sg_model_spec(j->model)->head == SG_HEAD_HASH;
    bool ok = cli_data_check(status, &split, ds, &j->o->data, &j->model->preprocess, j->call, err);
    if (ok && j->o->labels) ok = read_labels(&labels, j, sg_dataset_labels(ds), err);
    if (ok && hash) {
        sg_progress progress;
        sg_progress_init(&progress, cli_log(j->call), "encode", "images", split.ntrain);
        ok = sg_encoder_new(&encoder, j->model, 64, err) &&
             sg_coded_part_make(&part, encoder, ds, split.train, split.ntrain, &progress, err);
        sg_progress_end(&progress);
    }
    sg_attack_knowledge knowledge = {part.codes, &part.labels, part.n};
    ok = ok && run_attacker(j, hash ? &knowledge : NULL, j->o->labels ? &labels : NULL, err);
    sg_labels_clear(&labels);
    sg_coded_part_clear(&part);
    sg_encoder_free(encoder);
    cli_data_close(ds, &split);
    return ok;
}

static bool write_image(const job *j, size_t i, const char *path, sg_error *err)
{
    const sg_net_spec *spec = sg_model_spec(j->model);
    size_t size = sg_net_input_size(j->model->net);
    sg_image image = {0};
    bool ok = sg_image_from_planar(&image, j->adversarial + i * size, (int)spec->channels, (int)spec->height,
                                   (int)spec->width, err) &&
              sg_image_write_png(&image, path, err);
    sg_image_clear(&image);
    return ok;
}

static bool write_csv(const job *j, sg_error *err)
{
    bool hash = sg_model_spec(j->model)->head == SG_HEAD_HASH;
    sg_buf csv = SG_BUF_INIT;
    sg_buf_printf(&csv, "image,attack,gradient,eps,iterations,linf,l2,psnr,hamming%s\n",
                  hash ? "" : ",clean_class,adversarial_class");
    for (size_t i = 0; i < j->n; i++) {
        const sg_attack_result *r = &j->results[i];
        sg_buf_put_csv(&csv, j->call->args[i]);
        sg_buf_printf(&csv, ",%s,%s,%.6f,%d,%.6f,%.6f,", j->options.name, j->o->gradient, j->options.eps,
                      j->options.iterations, r->linf, r->l2);
        sg_buf_printf(&csv, isinf(r->psnr) ? "inf," : "%.2f,", r->psnr);
        if (hash) sg_buf_printf(&csv, "%u\n", r->hamming);
        if (!hash) sg_buf_printf(&csv, ",%d,%d\n", r->clean_class, r->adversarial_class);
    }
    char *path = NULL;
    bool ok = sg_buf_ok(&csv) ? true : sg_fail_memory(err, "attack.csv");
    ok = ok && sg_path_join(&path, j->o->out, "attack.csv", err) &&
         sg_file_write(path, csv.data, csv.size, err);
    sg_free(path);
    sg_buf_clear(&csv);
    return ok;
}

/* All of them, or none stays. */
static bool write_files(const job *j, sg_error *err)
{
    char *path;
    size_t written = 0;
    bool ok = true;
    for (; ok && written < j->n; written += ok) {
        ok = sg_path_join(&path, j->o->out, j->names[written], err);
        if (!ok) break;
        ok = write_image(j, written, path, err);
        sg_free(path);
    }
    ok = ok && write_csv(j, err);
    for (size_t i = 0; !ok && i < written; i++)
        if (sg_path_join(&path, j->o->out, j->names[i], NULL)) {
            unlink(path);
            sg_free(path);
        }
    return ok;
}

static bool decide(job *j, sg_error *err)
{
    const attack_options *o = j->o;
    if (!sg_attack_defaults(&j->options, o->attack, err)) return false;
    if (!strcmp(o->gradient, "exact"))
        j->options.gradient = SG_GRADIENT_EXACT;
    else if (!strcmp(o->gradient, "rule"))
        j->options.gradient = SG_GRADIENT_RULE;
    else
        return sg_fail(err, SG_ERR_USAGE, "--gradient: \"%s\" is neither exact nor rule", o->gradient);
    j->options.eps = o->eps;
    if (o->iterations) j->options.iterations = (int)o->iterations;
    j->options.alpha = o->alpha;
    j->options.seed = (uint64_t)o->seed;
    bool hash = sg_model_spec(j->model)->head == SG_HEAD_HASH;
    if (hash && sg_attack_needs_labels(o->attack) && !o->data.spec)
        return sg_fail(err, SG_ERR_USAGE, "--attack %s knows labels and training codes: --data is missing",
                       o->attack);
    if (o->labels && !o->data.spec)
        return sg_fail(err, SG_ERR_USAGE, "--labels needs --data: what the labels mean");
    return true;
}

static bool run(const cli_call *call, int *status, sg_error *err)
{
    job j = {.o = call->options, .call = call, .n = call->nargs};
    if (!cli_need_out(j.o->out, "the folder to write to", err)) return false;
    if (!cli_need_args(call, 1, SIZE_MAX, "IMAGE", err) ||
        !cli_model_load(&j.model, call, j.o->model, NULL, err))
        return false;
    bool ok = cli_profile_new(&j.profile, &j.o->profile, err) &&
              sg_model_set_precision(j.model, j.o->precision, err) && decide(&j, err) &&
              name_outputs(&j, err) && load_inputs(&j, err);
    ok = ok && (j.o->data.spec ? attack_with_data(&j, status, err) : run_attacker(&j, NULL, NULL, err));
    const sg_profile_mark mark = sg_profile_begin(j.profile);
    ok = ok && write_files(&j, err);
    sg_profile_end(j.profile, mark, SG_PROFILE_FILES, "(pictures)");
    ok = ok && cli_profile_tell(j.profile, &j.o->profile, err);
    if (ok) cli_remark(call, "%zu images and attack.csv written to %s", j.n, j.o->out);
    for (size_t i = 0; j.names && i < j.n; i++) sg_free(j.names[i]);
    sg_free(j.names);
    sg_profile_free(j.profile);
    sg_free(j.results);
    sg_free(j.keys);
    sg_free(j.adversarial);
    sg_free(j.pixels);
    sg_model_free(j.model);
    return ok;
}

#define AT(member) offsetof(attack_options, member)
static const cli_option options[] = {
    {"model", 0, CLI_TEXT, AT(model), "FILE", "a hash model or a classifier", 0, 0},
    CLI_PRECISION_OPTION(attack_options, precision, "the model's"),
    {"attack", 0, CLI_TEXT, AT(attack), "NAME", "hag, sdha, fgsm, pgd or noise (default: hag)", 0, 0},
    {"gradient", 0, CLI_TEXT, AT(gradient), "SOURCE",
     "exact, or rule: the model's own feedback (default: exact)", 0, 0},
    {"eps", 0, CLI_REAL, AT(eps), "E", "L-infinity budget of [0, 1] (default: 8/255)", 0, 1},
    {"iterations", 0, CLI_COUNT, AT(iterations), "N", "steps (default: 100)", 1, 1e6},
    {"alpha", 0, CLI_REAL, AT(alpha), "A", "of tanh(A z) (default: rising over the run)", 1e-6, 1e6},
    {"seed", 0, CLI_COUNT, AT(seed), "N", "of random starts and noise (default: 0)", 0, 1e15},
    {"out", 'o', CLI_TEXT, AT(out), "DIR", "folder for the PNG files and attack.csv", 0, 0},
    {"preprocessed", 0, CLI_FLAG, AT(preprocessed), NULL,
     "images are the network's input: no resize, no crop", 0, 0},
    CLI_PROFILE_OPTIONS(attack_options, profile),
    {NULL, 0, CLI_NEW_GROUP, 0, NULL, "what the attacker knows", 0, 0},
    CLI_DATA_OPTIONS(attack_options, data),
    {"labels", 0, CLI_TEXT, AT(labels), "FILE",
     "true labels: a line \"image class\" each (without: the image's own code)", 0, 0},
};

const cli_command cmd_attack = {
    .name = "attack",
    .summary = "change images a little so that their codes change much",
    .usage = "--model FILE --attack NAME [--gradient exact|rule] [--eps E] -o DIR IMAGE...",
    .examples = "attack --model HASH/best.safetensors --attack hag --eps 8/255 -o ATTACKED a.png b.png\n"
                "attack --model HASH/best.safetensors --attack sdha --data fashion-mnist --gradient rule -o "
                "ATTACKED a.png",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(attack_options),
    .defaults = set_defaults,
    .run = run,
};
