#include "audit_impl.h"

#include "plot_impl.h"

#include <inttypes.h>
#include <math.h>
#include <signet/file.h>
#include <signet/hash.h>
#include <signet/json.h>
#include <signet/mem.h>
#include <string.h>

#define EXTENSION ".safetensors"

const char *sg_gradient_name(sg_gradient gradient)
{
    return gradient == SG_GRADIENT_RULE ? "rule" : "exact";
}

void sg_eps_text(char out[32], double eps)
{
    double parts = eps * 255;
    if (fabs(parts - round(parts)) < 1e-6)
        snprintf(out, 32, "%d/255", (int)round(parts));
    else
        snprintf(out, 32, "%.4g", eps);
}

/* Do all gradients give the same images? */
static bool one_gradient(const sg_audit_model *model, const char *attack)
{
    return model->exact_is_rule || !sg_attack_uses_gradient(attack);
}

const sg_cell *sg_audit_find(const sg_audit *audit, const sg_audit_model *model, const char *attack,
                             sg_gradient gradient, double eps)
{
    for (size_t i = 0; i < audit->ncells; i++) {
        const sg_cell *c = &audit->cells[i];
        if (c->model != model || c->clean != !attack) continue;
        if (c->clean) return c;
        if (!strcmp(c->attack.name, attack) && c->attack.eps == eps &&
            (one_gradient(model, attack) || c->attack.gradient == gradient))
            return c;
    }
    return NULL;
}

/* ---- what is asked ---- */

static bool options_check(const sg_audit *audit, sg_error *err)
{
    const sg_audit_options *o = audit->options;
    sg_attack_options attack;
    if (!o->nmodels) return sg_fail(err, SG_ERR_USAGE, "an audit needs a model");
    if (!o->nattacks || !o->ngradients)
        return sg_fail(err, SG_ERR_USAGE, "an audit needs an attack and a gradient");
    for (size_t i = 0; i < o->nattacks; i++) {
        if (!sg_attack_defaults(&attack, o->attacks[i], err)) return false;
        if (sg_attack_needs_labels(o->attacks[i]) && !audit->split->ntrain)
            return sg_fail(err, SG_ERR_USAGE, "%s uses training images: the split has none", o->attacks[i]);
    }
    for (size_t i = 0; i < o->neps; i++)
        if (!(o->eps[i] >= 0 && o->eps[i] <= 1))
            return sg_fail(err, SG_ERR_USAGE, "eps %g is not in 0 to 1 (8/255 is accepted)", o->eps[i]);
    if (o->iterations < 0) return sg_fail(err, SG_ERR_USAGE, "%d iterations", o->iterations);
    if (!sg_dataset_labels(audit->ds)->classes)
        return sg_fail(err, SG_ERR_USAGE, "the data have no labels: nothing says which answers are right");
    if (!audit->split->nquery) return sg_fail(err, SG_ERR_USAGE, "the split has no queries");
    if (o->nqueries > audit->split->nquery)
        return sg_fail(err, SG_ERR_USAGE, "%zu queries: the split has %zu", o->nqueries,
                       audit->split->nquery);
    if (!o->batch) return sg_fail(err, SG_ERR_USAGE, "a batch of 0 images");
    return true;
}

/* ---- models ---- */

/* The file's name without its extension; with the folder's before it when `folder` (run/best). */
static char *name_of(const char *path, bool folder)
{
    const char *base = sg_path_base(path);
    if (folder && base > path + 1) {
        base--;
        while (base > path && base[-1] != '/') base--;
    }
    char *name = sg_strdup(base);
    size_t length = name ? strlen(name) : 0, end = strlen(EXTENSION);
    if (length > end && !strcmp(name + length - end, EXTENSION)) name[length - end] = '\0';
    return name;
}

static bool names_differ(const sg_audit *audit)
{
    for (size_t i = 0; i < audit->options->nmodels; i++)
        for (size_t j = 0; j < i; j++)
            if (!strcmp(audit->models[i].name, audit->models[j].name)) return false;
    return true;
}

static bool name_models(sg_audit *audit, sg_error *err)
{
    const sg_audit_options *o = audit->options;
    for (int folder = 0; folder < 2; folder++) {
        for (size_t i = 0; i < o->nmodels; i++) {
            sg_free(audit->models[i].name);
            audit->models[i].name = o->names ? sg_strdup(o->names[i]) : name_of(o->model_paths[i], folder);
            if (!audit->models[i].name) return sg_fail_memory(err, "names of models");
        }
        if (names_differ(audit)) return true;
    }
    return sg_fail(err, SG_ERR_USAGE, "two models have one name: give each its own");
}

/* What decides B beside the weights. */
static bool feedback_digest(char hex[33], const sg_feedback *fb, sg_error *err)
{
    sg_buf text = SG_BUF_INIT;
    uint8_t digest[16];
    sg_buf_printf(&text, "%s %" PRIu64 " %d %s\n", sg_rule_name(fb->rule), fb->seed, fb->exact_head,
                  fb->scale_kind);
    if (fb->scales) sg_buf_put(&text, fb->scales, fb->nscales * sizeof *fb->scales);
    bool ok = sg_buf_ok(&text) || sg_fail_memory(err, "feedback");
    if (ok) {
        sg_blake2b_of(digest, sizeof digest, text.data, text.size);
        sg_hex(hex, digest, sizeof digest);
    }
    sg_buf_clear(&text);
    return ok;
}

static bool model_info(sg_audit_model *info, const char *path, const sg_audit *audit, sg_error *err)
{
    sg_model *model;
    if (!sg_model_load(&model, path, err)) return false;
    if (!sg_model_set_precision(model, audit->options->precision, err)) {
        sg_model_free(model);
        return false;
    }
    const sg_net_spec *spec = sg_model_spec(model);
    const char *rule = sg_rule_name(model->feedback.rule);
    info->path = path;
    info->hash = spec->head == SG_HEAD_HASH;
    info->exact_is_rule = !model->feedback.scales; /* no B of its own */
    info->channels = spec->channels;
    info->height = spec->height;
    info->width = spec->width;
    info->outputs = spec->outputs;
    snprintf(info->fingerprint, sizeof info->fingerprint, "%s", model->fingerprint);
    info->precision = sg_precision_name(model->precision);
    snprintf(info->encoder, sizeof info->encoder, "%s%s%s", model->fingerprint,
             model->precision == SG_F32 ? "" : " ", model->precision == SG_F32 ? "" : info->precision);
    snprintf(info->arch, sizeof info->arch, "%s", spec->arch);
    snprintf(info->rule, sizeof info->rule, "%s", rule);
    snprintf(info->scale_kind, sizeof info->scale_kind, "%s",
             info->exact_is_rule ? "" : model->feedback.scale_kind);
    bool ok = feedback_digest(info->feedback, &model->feedback, err);
    sg_model_free(model);
    if (!ok) return false;
    for (size_t i = 0; i < audit->options->nattacks; i++)
        if (!sg_attack_check(audit->options->attacks[i], info->hash ? SG_HEAD_HASH : SG_HEAD_CLASSIFIER, err))
            return sg_prefix(err, "%s", path);
    size_t classes = sg_dataset_labels(audit->ds)->classes;
    if (info->hash && !audit->split->ndatabase)
        return sg_fail(err, SG_ERR_USAGE, "%s is a hash: the split has no database to search", path);
    if (!info->hash && (size_t)info->outputs != classes)
        return sg_fail(err, SG_ERR_MISMATCH, "%s knows %lld classes, the data have %zu", path,
                       (long long)info->outputs, classes);
    return true;
}

/* ---- the folder ---- */

/* Cells of one folder share split and cut; written before the first of them. */
static bool identity_text(char **text, const sg_audit *audit, sg_error *err)
{
    sg_json *root = sg_json_object();
    sg_json_add_string(root, "data", sg_dataset_name(audit->ds));
    sg_json_add_string(root, "split", audit->split->checksum);
    sg_json_add_int(root, "top", (int64_t)audit->options->top);
    bool ok = sg_json_print(text, root, false, err);
    sg_json_free(root);
    return ok;
}

static bool split_write(const sg_audit *audit, sg_error *err)
{
    char *path;
    if (!sg_path_join(&path, audit->dir, "split.txt", err)) return false;
    bool ok = sg_split_write(audit->split, audit->ds, path, err);
    sg_free(path);
    return ok;
}

static bool folder_open(sg_audit *audit, sg_error *err)
{
    char *path = NULL, *text = NULL, *found = NULL;
    size_t nbytes;
    bool ok = sg_path_join(&audit->cells_dir, audit->dir, "cells", err) && sg_mkdirs(audit->cells_dir, err) &&
              sg_path_join(&path, audit->cells_dir, "audit.json", err) && identity_text(&text, audit, err);
    if (ok) sg_out_sweep(audit->cells_dir);
    if (ok && !sg_path_exists(path)) {
        ok = sg_file_write(path, text, strlen(text), err);
    } else if (ok) {
        ok = sg_file_read(&found, &nbytes, path, 1 << 20, err);
        if (ok && strcmp(found, text))
            ok = sg_fail(err, SG_ERR_MISMATCH, "%s holds another audit (%s, now %s): give another folder",
                         audit->dir, found, text);
    }
    sg_free(found);
    sg_free(text);
    sg_free(path);
    return ok && split_write(audit, err);
}

/* ---- cells ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool plan_eps(sg_audit *audit, sg_error *err)
{
    const sg_audit_options *o = audit->options;
    audit->eps = sg_alloc(o->neps, sizeof *audit->eps);
    if (!audit->eps) return sg_fail_memory(err, "the list of eps");
    for (size_t i = 0; i < o->neps; i++)
        if (o->eps[i] > 0) audit->eps[audit->neps++] = o->eps[i];
    qsort(audit->eps, audit->neps, sizeof *audit->eps, compare_doubles);
    size_t kept = 0;
    for (size_t i = 0; i < audit->neps; i++)
        if (!kept || audit->eps[i] != audit->eps[kept - 1]) audit->eps[kept++] = audit->eps[i];
    audit->neps = kept;
    return true;
}

static bool add_cell(sg_audit *audit, const sg_cell *like, sg_error *err)
{
    sg_cell *cell = &audit->cells[audit->ncells];
    *cell = *like;
    cell->queries = sg_calloc(audit->nqueries, sizeof *cell->queries);
    if (!cell->queries) return sg_fail_memory(err, "results");
    audit->ncells++;
    sg_cell_key(cell, audit);
    return sg_cell_read(cell, audit, err);
}

/* The cells of an attack on a model, one an eps and gradient that is not there yet. */
static bool add_attack(sg_audit *audit, const sg_audit_model *model, const char *name, sg_error *err)
{
    const sg_audit_options *o = audit->options;
    sg_cell cell = {.model = model};
    if (!sg_attack_defaults(&cell.attack, name, err)) return false;
    cell.attack.seed = o->seed;
    /* An attack of one step stays one. */
    if (o->iterations && cell.attack.iterations != 1) cell.attack.iterations = o->iterations;
    for (size_t e = 0; e < audit->neps; e++)
        for (size_t g = 0; g < o->ngradients; g++) {
            if (sg_audit_find(audit, model, name, o->gradients[g], audit->eps[e])) continue;
            cell.attack.eps = audit->eps[e];
            cell.attack.gradient = one_gradient(model, name) ? SG_GRADIENT_EXACT : o->gradients[g];
            cell.gradient_name = !sg_attack_uses_gradient(name) ? "none"
                                 : model->exact_is_rule         ? "exact=rule"
                                                                : sg_gradient_name(o->gradients[g]);
            if (!add_cell(audit, &cell, err)) return false;
        }
    return true;
}

static bool plan_cells(sg_audit *audit, sg_error *err)
{
    const sg_audit_options *o = audit->options;
    audit->cells =
        sg_calloc(o->nmodels * (1 + o->nattacks * audit->neps * o->ngradients), sizeof *audit->cells);
    if (!audit->cells) return sg_fail_memory(err, "cells");
    for (size_t m = 0; m < o->nmodels; m++) {
        const sg_cell clean = {.model = &audit->models[m], .clean = true, .gradient_name = ""};
        if (!add_cell(audit, &clean, err)) return false;
        for (size_t a = 0; a < o->nattacks; a++)
            if (!add_attack(audit, &audit->models[m], o->attacks[a], err)) return false;
    }
    return true;
}

static bool run_cells(sg_audit *audit, sg_error *err)
{
    sg_progress progress;
    uint64_t steps = 0;
    for (size_t i = 0; i < audit->ncells; i++)
        if (!audit->cells[i].done) steps += audit->nqueries * (uint64_t)audit->cells[i].attack.iterations;
    sg_progress_init(&progress, audit->options->log, "audit", "image-steps", steps);
    bool ok = true;
    for (size_t m = 0; m < audit->options->nmodels && ok; m++) {
        bool left = false;
        for (size_t i = 0; i < audit->ncells; i++)
            left |= audit->cells[i].model == &audit->models[m] && !audit->cells[i].done;
        if (left) ok = sg_audit_measure(audit, &audit->models[m], &progress, err);
    }
    sg_progress_end(&progress);
    return ok;
}

/* ---- all of it ---- */

static void audit_clear(sg_audit *audit)
{
    for (size_t i = 0; i < audit->ncells; i++) sg_free(audit->cells[i].queries);
    for (size_t m = 0; audit->models && m < audit->options->nmodels; m++) sg_free(audit->models[m].name);
    sg_free(audit->cells);
    sg_free(audit->eps);
    sg_free(audit->models);
    sg_free(audit->cells_dir);
    sg_labels_clear(&audit->labels);
}

static bool audit_open(sg_audit *audit, sg_error *err)
{
    const sg_audit_options *o = audit->options;
    if (!options_check(audit, err) || !sg_plot_check(err)) return false;
    audit->nqueries = o->nqueries ? o->nqueries : audit->split->nquery;
    audit->nshown = audit->nqueries < SG_AUDIT_SHOWN ? audit->nqueries : SG_AUDIT_SHOWN;
    audit->nnearest = audit->split->ndatabase < SG_AUDIT_NEAREST ? audit->split->ndatabase : SG_AUDIT_NEAREST;
    audit->models = sg_calloc(o->nmodels, sizeof *audit->models);
    if (!audit->models) return sg_fail_memory(err, "models");
    for (size_t m = 0; m < o->nmodels; m++)
        if (!model_info(&audit->models[m], o->model_paths[m], audit, err)) return false;
    return name_models(audit, err) &&
           sg_labels_pick(&audit->labels, sg_dataset_labels(audit->ds), audit->split->query, audit->nqueries,
                          err) &&
           folder_open(audit, err) && plan_eps(audit, err) && plan_cells(audit, err);
}

bool sg_audit_run(const char *dir, const sg_dataset *ds, const sg_split *split,
                  const sg_audit_options *options, sg_error *err)
{
    sg_audit audit = {.options = options, .dir = dir, .ds = ds, .split = split};
    bool ok = audit_open(&audit, err) && run_cells(&audit, err) && sg_audit_tables(&audit, err) &&
              sg_audit_report(&audit, err);
    audit_clear(&audit);
    return ok;
}
