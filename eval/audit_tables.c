#include "audit_impl.h"

#include <math.h>
#include <signet/file.h>
#include <signet/json.h>
#include <signet/mem.h>
#include <string.h>

/* One value of a row: exact as text, empty when it does not apply. */
static void put_value(sg_buf *csv, double value)
{
    char text[32] = "";
    if (isfinite(value)) sg_double_text(text, value);
    sg_buf_printf(csv, ",%s", text);
}

static void put_text(sg_buf *csv, const char *text)
{
    sg_buf_puts(csv, ",");
    sg_buf_put_csv(csv, text);
}

static const char *attack_name(const sg_cell *cell)
{
    return cell->clean ? "clean" : cell->attack.name;
}

static void put_result(sg_buf *csv, const sg_cell *c, const sg_audit *audit)
{
    const sg_audit_model *m = c->model;
    sg_buf_put_csv(csv, m->name);
    put_text(csv, m->arch);
    put_text(csv, m->hash ? "hash" : "classifier");
    put_text(csv, m->rule);
    put_value(csv, m->hash ? (double)m->outputs : NAN);
    put_text(csv, attack_name(c));
    put_text(csv, c->gradient_name);
    put_value(csv, c->attack.eps);
    put_value(csv, c->attack.iterations);
    put_value(csv, (double)audit->nqueries);
    put_value(csv, m->hash ? (double)audit->options->top : NAN);
    put_value(csv, m->hash ? c->map.expected : NAN);
    put_value(csv, m->hash ? c->map.low : NAN);
    put_value(csv, m->hash ? c->map.high : NAN);
    put_value(csv, m->hash ? c->map.order : NAN);
    put_value(csv, m->hash ? c->low : NAN);
    put_value(csv, m->hash ? c->high : NAN);
    put_value(csv, m->hash ? NAN : c->value);
    put_value(csv, m->hash ? NAN : c->low);
    put_value(csv, m->hash ? NAN : c->high);
    put_value(csv, c->chance);
    put_value(csv, m->hash ? c->hamming : NAN);
    put_value(csv, c->linf);
    put_value(csv, c->psnr);
    put_value(csv, c->clean ? NAN : c->zero_gradient);
    put_text(csv, m->fingerprint);
    put_text(csv, m->precision);
    sg_buf_puts(csv, "\n");
}

static void put_results(sg_buf *csv, const sg_audit *audit)
{
    sg_buf_puts(csv,
                "model,arch,head,rule,bits,attack,gradient,eps,iterations,queries,top,map_expected,map_low,"
                "map_high,map_order,map_interval_low,map_interval_high,accuracy,accuracy_interval_low,"
                "accuracy_interval_high,chance,hamming,linf,psnr,zero_gradient,fingerprint,precision\n");
    for (size_t i = 0; i < audit->ncells; i++) put_result(csv, &audit->cells[i], audit);
}

static void put_queries(sg_buf *csv, const sg_audit *audit)
{
    sg_buf_puts(csv, "model,attack,gradient,eps,query,ap,class,hamming,linf,psnr,best_step,zero_gradient\n");
    for (size_t i = 0; i < audit->ncells; i++)
        for (size_t q = 0; q < audit->nqueries; q++) {
            const sg_cell *c = &audit->cells[i];
            const sg_cell_query *row = &c->queries[q];
            sg_buf_put_csv(csv, c->model->name);
            put_text(csv, attack_name(c));
            put_text(csv, c->gradient_name);
            put_value(csv, c->attack.eps);
            put_text(csv, sg_dataset_item_name(audit->ds, audit->split->query[q]));
            put_value(csv, c->model->hash ? row->score : NAN);
            put_value(csv, c->model->hash ? NAN : row->cls);
            put_value(csv, c->model->hash ? row->hamming : NAN);
            put_value(csv, row->linf);
            put_value(csv, row->psnr);
            put_value(csv, c->clean ? NAN : row->best_step);
            put_value(csv, c->clean ? NAN : row->zero_gradient);
            sg_buf_puts(csv, "\n");
        }
}

static void add_models(sg_json *root, const sg_audit *audit)
{
    sg_json *models = sg_json_add_array(root, "models");
    for (size_t i = 0; i < audit->options->nmodels; i++) {
        const sg_audit_model *m = &audit->models[i];
        sg_json *model = sg_json_add_object(models, NULL);
        sg_json_add_string(model, "name", m->name);
        sg_json_add_string(model, "fingerprint", m->fingerprint);
        sg_json_add_string(model, "precision", m->precision);
        sg_json_add_string(model, "arch", m->arch);
        sg_json_add_string(model, "head", m->hash ? "hash" : "classifier");
        sg_json_add_int(model, m->hash ? "bits" : "classes", m->outputs);
        sg_json_add_string(model, "rule", m->rule);
        sg_json_add_string(model, "feedback_scale", m->exact_is_rule ? NULL : m->scale_kind);
        sg_json_add_int(model, "channels", m->channels);
        sg_json_add_int(model, "height", m->height);
        sg_json_add_int(model, "width", m->width);
    }
}

static void add_map(sg_json *cell, const sg_ap *map)
{
    sg_json *json = sg_json_add_object(cell, "map");
    sg_json_add_number(json, "expected", map->expected);
    sg_json_add_number(json, "low", map->low);
    sg_json_add_number(json, "high", map->high);
    sg_json_add_number(json, "order", map->order);
}

static void add_cell(sg_json *cells, const sg_cell *c)
{
    sg_json *cell = sg_json_add_object(cells, NULL);
    sg_json_add_string(cell, "model", c->model->name);
    sg_json_add_string(cell, "attack", attack_name(c));
    if (!c->clean) {
        sg_json_add_string(cell, "gradient", c->gradient_name);
        sg_json_add_number(cell, "eps", c->attack.eps);
        sg_json_add_int(cell, "iterations", c->attack.iterations);
    }
    if (c->model->hash)
        add_map(cell, &c->map);
    else
        sg_json_add_number(cell, "accuracy", c->value);
    sg_json *interval = sg_json_add_array(cell, "interval");
    sg_json_add_number(interval, NULL, c->low);
    sg_json_add_number(interval, NULL, c->high);
    sg_json_add_number(cell, "chance", c->chance);
    if (!c->clean) {
        if (c->model->hash) sg_json_add_number(cell, "hamming", c->hamming);
        sg_json_add_number(cell, "linf", c->linf);
        sg_json_add_number(cell, "psnr", c->psnr);
        sg_json_add_number(cell, "zero_gradient", c->zero_gradient);
    }
    sg_json_add_number(cell, "seconds", c->seconds);
    sg_json_add_string(cell, "key", c->key);
}

static sg_json *json_of(const sg_audit *audit)
{
    const sg_audit_options *o = audit->options;
    sg_json *root = sg_json_object();
    sg_json_add_string(root, "signet", SIGNET_VERSION);
    sg_json_add_string(root, "data", sg_dataset_name(audit->ds));
    sg_json_add_string(root, "protocol", audit->split->protocol);
    sg_json_add_string(root, "split", audit->split->checksum);
    sg_json_add_int(root, "queries", (int64_t)audit->nqueries);
    sg_json_add_int(root, "database", (int64_t)audit->split->ndatabase);
    sg_json_add_int(root, "train", (int64_t)audit->split->ntrain);
    sg_json_add_int(root, "top", (int64_t)o->top);
    sg_json_add_string(root, "denominator", "hits");
    sg_json_add_int(root, "resamples", SG_RESAMPLES);
    sg_json_add_int(root, "seed", (int64_t)o->seed);
    sg_json *attacks = sg_json_add_array(root, "attacks");
    for (size_t i = 0; i < o->nattacks; i++) sg_json_add_string(attacks, NULL, o->attacks[i]);
    sg_json *eps = sg_json_add_array(root, "eps");
    for (size_t i = 0; i < audit->neps; i++) sg_json_add_number(eps, NULL, audit->eps[i]);
    sg_json *gradients = sg_json_add_array(root, "gradients");
    for (size_t i = 0; i < o->ngradients; i++)
        sg_json_add_string(gradients, NULL, sg_gradient_name(o->gradients[i]));
    add_models(root, audit);
    sg_json *cells = sg_json_add_array(root, "cells");
    for (size_t i = 0; i < audit->ncells; i++) add_cell(cells, &audit->cells[i]);
    return root;
}

static bool write_text(const char *dir, const char *name, const char *text, sg_error *err)
{
    char *path;
    if (!sg_path_join(&path, dir, name, err)) return false;
    bool ok = sg_file_write(path, text, strlen(text), err);
    sg_free(path);
    return ok;
}

static bool write_csv(const sg_audit *audit, const char *name, void (*put)(sg_buf *, const sg_audit *),
                      sg_error *err)
{
    sg_buf csv = SG_BUF_INIT;
    put(&csv, audit);
    bool ok = (sg_buf_ok(&csv) || sg_fail_memory(err, name)) &&
              write_text(audit->dir, name, sg_buf_text(&csv), err);
    sg_buf_clear(&csv);
    return ok;
}

static bool write_json(const sg_audit *audit, sg_error *err)
{
    sg_json *root = json_of(audit);
    char *text = NULL;
    bool ok = sg_json_print(&text, root, true, err) && write_text(audit->dir, "audit.json", text, err);
    sg_free(text);
    sg_json_free(root);
    return ok;
}

bool sg_audit_tables(const sg_audit *audit, sg_error *err)
{
    return write_csv(audit, "results.csv", put_results, err) &&
           write_csv(audit, "queries.csv", put_queries, err) && write_json(audit, err);
}
