/* signet audit: models x attacks x eps x gradients, tables and a report. */
#include "commands.h"

#include <signet/audit.h>
#include <signet/file.h>
#include <string.h>

typedef struct audit_options {
    cli_texts models, names, attacks, gradients;
    cli_reals eps;
    int64_t queries, iterations, top, seed, batch;
    const char *precision, *out;
    cli_data data;
} audit_options;

enum { TOP_OF_PROTOCOL = -1 };

static void set_defaults(void *options)
{
    *(audit_options *)options =
        (audit_options){.top = TOP_OF_PROTOCOL, .batch = 50, .data = CLI_DATA_DEFAULTS};
}

static bool parse_gradients(sg_gradient *gradients, const cli_texts *texts, sg_error *err)
{
    for (size_t i = 0; i < texts->n; i++) {
        if (strcmp(texts->items[i], "exact") && strcmp(texts->items[i], "rule"))
            return sg_fail(err, SG_ERR_USAGE, "--gradient: \"%s\" is neither exact nor rule",
                           texts->items[i]);
        gradients[i] = !strcmp(texts->items[i], "exact") ? SG_GRADIENT_EXACT : SG_GRADIENT_RULE;
    }
    return true;
}

static void fill_defaults(audit_options *o)
{
    static const char *const attacks[] = {"hag", "sdha"}, *const gradients[] = {"exact", "rule"};
    static const double eps[] = {0, 2.0 / 255, 8.0 / 255};
    for (size_t i = 0; !o->attacks.n && i < 2; i++) o->attacks.items[i] = attacks[i];
    if (!o->attacks.n) o->attacks.n = 2;
    for (size_t i = 0; !o->gradients.n && i < 2; i++) o->gradients.items[i] = gradients[i];
    if (!o->gradients.n) o->gradients.n = 2;
    for (size_t i = 0; !o->eps.n && i < 3; i++) o->eps.items[i] = eps[i];
    if (!o->eps.n) o->eps.n = 3;
}

/* 100, or all where there are fewer. */
static size_t default_queries(const sg_split *split)
{
    return split->nquery < 100 ? split->nquery : 100;
}

/* "--model A --model B" or "--model A B C": operands are models too. */
static bool gather_models(audit_options *o, const cli_call *call, sg_error *err)
{
    for (size_t i = 0; i < call->nargs; i++) {
        if (o->models.n == CLI_LIST_MAX)
            return sg_fail(err, SG_ERR_USAGE, "--model: more than %d", CLI_LIST_MAX);
        o->models.items[o->models.n++] = call->args[i];
    }
    if (!o->models.n) return sg_fail(err, SG_ERR_USAGE, "--model is missing");
    if (o->names.n && o->names.n != o->models.n)
        return sg_fail(err, SG_ERR_USAGE, "--names: %zu names for %zu models", o->names.n, o->models.n);
    return true;
}

/* Under --skip-broken: what any of the models cannot load is left out for all. */
static bool check_data(int *status, sg_split *split, const sg_dataset *ds, const audit_options *o,
                       const cli_call *call, sg_error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && o->data.skip_broken && i < o->models.n; i++) {
        sg_model *model;
        if (!cli_model_load(&model, call, o->models.items[i], NULL, err)) return false;
        ok = cli_data_check(status, split, ds, &o->data, &model->preprocess, call, err);
        sg_model_free(model);
    }
    return ok;
}

static bool run(const cli_call *call, int *status, sg_error *err)
{
    audit_options *o = call->options;
    sg_gradient gradients[CLI_LIST_MAX];
    sg_dataset *ds;
    sg_split split;
    if (!cli_need_out(o->out, "the folder of the audit", err)) return false;
    fill_defaults(o);
    if (!gather_models(o, call, err) || !parse_gradients(gradients, &o->gradients, err)) return false;
    if (!cli_data_open(&ds, &split, &o->data, err)) return false;
    if (!check_data(status, &split, ds, o, call, err)) {
        cli_data_close(ds, &split);
        return false;
    }
    sg_audit_options options = {.model_paths = o->models.items,
                                .names = o->names.n ? o->names.items : NULL,
                                .nmodels = o->models.n,
                                .precision = o->precision,
                                .attacks = o->attacks.items,
                                .nattacks = o->attacks.n,
                                .eps = o->eps.items,
                                .neps = o->eps.n,
                                .gradients = gradients,
                                .ngradients = o->gradients.n,
                                .iterations = (int)o->iterations,
                                .nqueries = o->queries ? (size_t)o->queries : default_queries(&split),
                                .top = o->top == TOP_OF_PROTOCOL ? split.top : (size_t)o->top,
                                .seed = (uint64_t)o->seed,
                                .batch = (size_t)o->batch,
                                .max_pixels = (uint64_t)call->common.max_pixels,
                                .log = cli_log(call)};
    bool ok = sg_audit_run(o->out, ds, &split, &options, err);
    if (ok) cli_remark(call, "report: %s/report.html", o->out);
    if (!ok && err->code == SG_ERR_INTERRUPTED && sg_is_dir(o->out))
        sg_prefix(err, "%s keeps the finished cells, and the same command goes on", o->out);
    cli_data_close(ds, &split);
    return ok;
}

#define AT(member) offsetof(audit_options, member)
static const cli_option options[] = {
    {"model", 0, CLI_PATHS, AT(models), "FILE...", "models to audit (operands are models too)", 0, 0},
    {"names", 0, CLI_TEXTS, AT(names), "A,B,...", "what the tables call them (default: the files' names)", 0,
     0},
    CLI_PRECISION_OPTION(audit_options, precision, "each model's"),
    CLI_DATA_OPTIONS(audit_options, data),
    {"attack", 0, CLI_TEXTS, AT(attacks), "A,...", "hag, sdha, fgsm, pgd, noise (default: hag,sdha)", 0, 0},
    {"gradient", 0, CLI_TEXTS, AT(gradients), "G,...", "exact, rule (default: both)", 0, 0},
    {"eps", 0, CLI_REALS, AT(eps), "E,...", "L-infinity budgets of [0, 1] (default: 0,2/255,8/255)", 0, 1},
    {"iterations", 0, CLI_COUNT, AT(iterations), "N", "steps (default: each attack's own)", 1, 1e6},
    {"queries", 0, CLI_COUNT, AT(queries), "N", "images to attack (default: 100, or all there are)", 1, 1e9},
    {"top", 0, CLI_COUNT, AT(top), "K", "cut of mAP@K, 0: none (default: the protocol's)", 0, 1e12},
    {"batch", 0, CLI_COUNT, AT(batch), "N",
     "images attacked at a time; no result depends on it (default: 50)", 1, 65536},
    {"seed", 0, CLI_COUNT, AT(seed), "N", "of random starts and noise (default: 0)", 0, 1e15},
    {"out", 'o', CLI_TEXT, AT(out), "DIR", "folder of the audit; finished cells in it are kept", 0, 0},
};

const cli_command cmd_audit = {
    .name = "audit",
    .summary = "how models stand up to attack: tables and an HTML report",
    .usage = "--model FILE... --data DATA [--attack A,...] [--eps E,...] [--gradient exact,rule] -o DIR",
    .examples = "audit --model BP/best.safetensors USF/best.safetensors --names bp,usf --data fashion-mnist "
                "-o AUDIT\n"
                "audit --model USF/best.safetensors --data fashion-mnist --attack hag --eps 0,4/255,8/255 "
                "--queries 50 -o AUDIT",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(audit_options),
    .defaults = set_defaults,
    .run = run,
};
