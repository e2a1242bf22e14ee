#include "audit_impl.h"

#include <limits.h>
#include <math.h>
#include <signet/file.h>
#include <signet/hash.h>
#include <signet/interrupt.h>
#include <signet/loader.h>
#include <signet/mem.h>
#include <signet/npy.h>
#include <string.h>

/* A model opened for its cells, with all that several of them use. */
typedef struct bench {
    sg_audit *audit;
    const sg_audit_model *info;
    sg_model *model;
    sg_encoder *encoder;
    size_t input, outputs;
    uint8_t *pixels;      /* (nqueries, input) clean queries */
    uint8_t *adversarial; /* (nqueries, input) */
    uint64_t *keys;       /* (nqueries) item numbers */
    sg_attack_result *results;
    uint8_t *codes;         /* (nqueries, outputs / 8); hash */
    sg_coded_part database; /* hash */
    sg_coded_part train;    /* where an attack needs it */
} bench;

/* ---- codes of the database and of training images, kept in the folder ---- */

static bool kept_path(char **path, const bench *b, const char *part, sg_error *err)
{
    char text[512], name[64];
    uint8_t digest[16];
    int n = snprintf(text, sizeof text, "codes %s\nmodel %s\nsplit %s\ndata %s\n", part, b->info->encoder,
                     b->audit->split->checksum, sg_dataset_name(b->audit->ds));
    SG_ASSERT(n > 0 && (size_t)n < sizeof text);
    sg_blake2b_of(digest, sizeof digest, text, (size_t)n);
    sg_hex(name, digest, sizeof digest);
    strcat(name, ".npy");
    return sg_path_join(path, b->audit->cells_dir, name, err);
}

/* Codes that an earlier run left; false when there are none that fit. */
static bool find_kept(sg_coded_part *part, const bench *b, const char *path, const uint32_t *items, size_t n)
{
    sg_npy npy;
    *part = (sg_coded_part){0};
    if (!sg_path_exists(path) || !sg_npy_read(&npy, path, NULL)) return false;
    if (npy.type == SG_NPY_U8 && npy.rows == n && npy.cols == b->outputs / 8 &&
        sg_labels_pick(&part->labels, sg_dataset_labels(b->audit->ds), items, n, NULL)) {
        part->codes = npy.data;
        part->nbits = b->outputs;
        part->n = n;
        return true;
    }
    sg_npy_clear(&npy);
    return false;
}

static bool coded_part(sg_coded_part *part, const bench *b, const char *name, sg_error *err)
{
    const uint32_t *items;
    size_t n;
    char *path = NULL, title[128];
    sg_progress progress;
    if (!sg_split_part(&items, &n, b->audit->split, name, err) || !kept_path(&path, b, name, err))
        return false;
    bool ok = find_kept(part, b, path, items, n);
    if (!ok) {
        snprintf(title, sizeof title, "%s: %s", b->info->name, name);
        sg_progress_init(&progress, b->audit->options->log, title, "images", n);
        ok = sg_coded_part_make(part, b->encoder, b->audit->ds, items, n, &progress, err);
        sg_progress_end(&progress);
        ok = ok && sg_npy_write(path, SG_NPY_U8, 2, n, b->outputs / 8, part->codes, err);
    }
    sg_free(path);
    return ok;
}

/* ---- opening ---- */

static bool load_pixels(bench *b, sg_error *err)
{
    const sg_loader_options options = {.items = b->audit->split->query,
                                       .nitems = b->audit->nqueries,
                                       .preprocess = b->model->preprocess,
                                       .batch = sg_encoder_batch(b->encoder)};
    sg_loader *loader;
    sg_batch batch = {.n = 0};
    size_t done = 0;
    if (!sg_loader_open(&loader, b->audit->ds, &options, err)) return false;
    bool ok = sg_loader_start(loader, 0, err);
    while (ok && (ok = sg_loader_next(&batch, loader, err)) && batch.n > 0) {
        memcpy(b->pixels + done * b->input, batch.pixels, batch.n * b->input);
        done += batch.n;
    }
    sg_loader_close(loader);
    return ok;
}

static bool needs_train(const bench *b)
{
    for (size_t i = 0; i < b->audit->ncells; i++) {
        const sg_cell *c = &b->audit->cells[i];
        if (c->model == b->info && !c->clean && !c->done && sg_attack_needs_labels(c->attack.name))
            return true;
    }
    return false;
}

static bool take_memory(bench *b, sg_error *err)
{
    size_t n = b->audit->nqueries;
    b->pixels = sg_alloc(n, b->input);
    b->adversarial = sg_alloc(n, b->input);
    b->keys = sg_alloc(n, sizeof *b->keys);
    b->results = sg_calloc(n, sizeof *b->results);
    b->codes = sg_alloc(n, b->outputs / 8);
    if (!b->pixels || !b->adversarial || !b->keys || !b->results || !b->codes)
        return sg_fail_memory(err, "the audit's images");
    for (size_t i = 0; i < n; i++) b->keys[i] = b->audit->split->query[i];
    return true;
}

static void bench_close(bench *b)
{
    sg_coded_part_clear(&b->train);
    sg_coded_part_clear(&b->database);
    sg_free(b->codes);
    sg_free(b->results);
    sg_free(b->keys);
    sg_free(b->adversarial);
    sg_free(b->pixels);
    sg_encoder_free(b->encoder);
    sg_model_free(b->model);
}

/* On failure the caller closes it. */
static bool bench_open(bench *b, sg_audit *audit, const sg_audit_model *info, sg_error *err)
{
    size_t batch = audit->options->batch;
    *b = (bench){.audit = audit, .info = info};
    if (!sg_model_load(&b->model, info->path, err)) return false;
    if (!sg_model_set_precision(b->model, audit->options->precision, err)) return false;
    b->model->preprocess.max_pixels = audit->options->max_pixels;
    if (strcmp(b->model->fingerprint, info->fingerprint))
        return sg_fail(err, SG_ERR_MISMATCH, "%s has changed while the audit ran", info->path);
    b->input = sg_net_input_size(b->model->net);
    b->outputs = sg_net_output_size(b->model->net);
    return sg_encoder_new(&b->encoder, b->model, batch, err) && take_memory(b, err) && load_pixels(b, err) &&
           (!info->hash || coded_part(&b->database, b, "database", err)) &&
           (!info->hash || !needs_train(b) || coded_part(&b->train, b, "train", err));
}

/* ---- one cell ---- */

/* The answers of the shown queries, by (distance, place in the database). */
static bool keep_nearest(sg_cell *cell, const bench *b, sg_error *err)
{
    const sg_audit *audit = b->audit;
    const sg_hamming_ask ask = {.k = audit->nnearest, .radius = UINT_MAX};
    sg_near_list lists[SG_AUDIT_SHOWN];
    if (audit->nnearest == 0) return true;
    if (!sg_hamming_nearest(lists, b->codes, audit->nshown, b->database.codes, b->database.n, b->outputs / 8,
                            &ask, err))
        return false;
    for (size_t query = 0; query < audit->nshown; query++) {
        for (size_t j = 0; j < lists[query].n; j++) {
            const sg_near *near = &lists[query].items[j];
            cell->nearest[query][j] =
                (sg_nearest){audit->split->database[near->position], near->distance,
                             sg_labels_similar(&audit->labels, query, &b->database.labels, near->position)};
        }
        sg_free(lists[query].items);
    }
    return true;
}

static bool score_hash(sg_cell *cell, bench *b, const uint8_t *pixels, sg_error *err)
{
    sg_audit *audit = b->audit;
    sg_retrieval retrieval;
    sg_retrieval_options options = {.nbits = b->outputs, .top = audit->options->top};
    sg_coded queries = {b->codes, &audit->labels, audit->nqueries}, database = sg_coded_of(&b->database);
    if (!sg_encoder_codes(b->encoder, b->codes, pixels, audit->nqueries, err) ||
        !sg_retrieval_run(&retrieval, &queries, &database, &options, err))
        return false;
    cell->map = retrieval.map;
    cell->chance = retrieval.chance;
    for (size_t i = 0; i < audit->nqueries; i++) cell->queries[i].score = retrieval.ap[i];
    sg_retrieval_clear(&retrieval);
    return keep_nearest(cell, b, err);
}

static bool score_classifier(sg_cell *cell, bench *b, const uint8_t *pixels, sg_error *err)
{
    float *z = sg_alloc(b->audit->nqueries, b->outputs * sizeof *z);
    if (!z) return sg_fail_memory(err, "outputs");
    if (!sg_encoder_outputs(b->encoder, z, pixels, b->audit->nqueries, err)) {
        sg_free(z);
        return false;
    }
    cell->chance = 1 / (double)b->outputs;
    for (size_t i = 0; i < b->audit->nqueries; i++) {
        const float *row = z + i * b->outputs;
        sg_cell_query *q = &cell->queries[i];
        q->cls = 0;
        for (size_t c = 1; c < b->outputs; c++)
            if (row[c] > row[q->cls]) q->cls = (int)c;
        q->score = sg_labels_has(&b->audit->labels, i, (size_t)q->cls);
    }
    sg_free(z);
    return true;
}

/* b->adversarial and b->results. */
static bool attack(const sg_cell *cell, bench *b, sg_progress *progress, sg_error *err)
{
    sg_audit *audit = b->audit;
    bool needs = sg_attack_needs_labels(cell->attack.name);
    const sg_attack_knowledge knowledge = {b->train.codes, &b->train.labels, b->train.n};
    const sg_attack_input input = {b->pixels, b->keys, &audit->labels, audit->nqueries};
    sg_attacker *attacker;
    if (!sg_attacker_new(&attacker, b->model, &cell->attack, needs && b->info->hash ? &knowledge : NULL,
                         audit->options->batch, err))
        return false;
    bool ok = sg_attacker_run(attacker, b->adversarial, b->results, &input, progress, err);
    sg_attacker_free(attacker);
    return ok;
}

static void take_results(sg_cell *cell, const bench *b)
{
    for (size_t i = 0; i < b->audit->nqueries; i++) {
        const sg_attack_result *r = &b->results[i];
        sg_cell_query *q = &cell->queries[i];
        *q = cell->clean ? (sg_cell_query){.psnr = INFINITY}
                         : (sg_cell_query){.linf = r->linf,
                                           .psnr = r->psnr,
                                           .hamming = r->hamming,
                                           .best_step = r->best_step,
                                           .zero_gradient = r->zero_gradient};
        q->cls = -1;
    }
}

static bool measure(sg_cell *cell, bench *b, sg_progress *progress, sg_error *err)
{
    const sg_audit *audit = b->audit;
    const uint8_t *pixels = cell->clean ? b->pixels : b->adversarial;
    double started = sg_now_seconds();
    if (!cell->clean && !attack(cell, b, progress, err)) return false;
    take_results(cell, b);
    if (!(b->info->hash ? score_hash(cell, b, pixels, err) : score_classifier(cell, b, pixels, err)))
        return false;
    sg_cell_means(cell, audit->nqueries);
    double *scores = sg_alloc(audit->nqueries, sizeof *scores);
    if (!scores) return sg_fail_memory(err, "scores");
    for (size_t i = 0; i < audit->nqueries; i++) scores[i] = cell->queries[i].score;
    bool ok = sg_bootstrap(&cell->low, &cell->high, scores, audit->nqueries, SG_RESAMPLES,
                           audit->options->seed, err);
    sg_free(scores);
    cell->seconds = sg_now_seconds() - started;
    cell->done = ok && sg_cell_write(cell, audit, pixels, err);
    return cell->done;
}

static void title_of(char *title, size_t size, const sg_cell *cell)
{
    char eps[32];
    sg_eps_text(eps, cell->attack.eps);
    if (cell->clean)
        snprintf(title, size, "%s clean", cell->model->name);
    else
        snprintf(title, size, "%s %s %s %s", cell->model->name, cell->attack.name, cell->gradient_name, eps);
}

static void say(const sg_cell *cell, const char *title, FILE *log)
{
    if (!log) return;
    fprintf(log, "%s: %s %.4f (%.4f to %.4f), %.1f s\n", title, cell->model->hash ? "mAP" : "accuracy",
            cell->value, cell->low, cell->high, cell->seconds);
}

bool sg_audit_measure(sg_audit *audit, const sg_audit_model *model, sg_progress *progress, sg_error *err)
{
    bench b;
    char title[256];
    bool ok = bench_open(&b, audit, model, err);
    for (size_t i = 0; i < audit->ncells && ok; i++) {
        sg_cell *cell = &audit->cells[i];
        if (cell->model != model || cell->done) continue;
        title_of(title, sizeof title, cell);
        progress->title = title;
        ok = sg_interrupt_check(err) && measure(cell, &b, progress, err);
        sg_progress_end(progress);
        if (ok) say(cell, title, audit->options->log);
    }
    progress->title = "audit";
    bench_close(&b);
    return ok || sg_prefix(err, "%s", model->name);
}
