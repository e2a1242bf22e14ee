/* The audit: its figures against attacks and metrics run by hand, tables and report as promised. */
#include "auditing.h"

#include <math.h>
#include <signet/json.h>

/* ---- figures ---- */

/* One cell by hand: another batch, every image on its own. */
static void by_hand(sg_retrieval *out, double *hamming, const bench *b, const char *path, const char *attack,
                    sg_gradient gradient)
{
    sg_model *model;
    sg_encoder *encoder;
    sg_coded_part train, database;
    sg_attacker *attacker;
    sg_attack_options options;
    sg_labels labels;
    uint8_t codes[QUERIES * BITS / 8], pixels[SIDE * SIDE], changed[SIDE * SIDE];
    const uint32_t *query = b->split.query;
    assert_true(sg_model_load(&model, path, NULL));
    assert_true(sg_encoder_new(&encoder, model, 1, NULL));
    assert_true(sg_coded_part_make(&train, encoder, b->ds, b->split.train, b->split.ntrain, NULL, NULL));
    assert_true(
        sg_coded_part_make(&database, encoder, b->ds, b->split.database, b->split.ndatabase, NULL, NULL));
    assert_true(sg_attack_defaults(&options, attack, NULL));
    options.eps = 8.0 / 255;
    options.iterations = 3;
    options.gradient = gradient;
    options.seed = 9;
    const sg_attack_knowledge knowledge = {train.codes, &train.labels, train.n};
    assert_true(sg_attacker_new(&attacker, model, &options, &knowledge, 1, NULL));
    *hamming = 0;
    for (size_t i = 0; i < QUERIES; i++) {
        sg_image image, read;
        sg_attack_result result;
        uint64_t key = query[i];
        assert_true(sg_dataset_load(&image, b->ds, query[i], NULL, NULL));
        assert_true(sg_preprocess_image(&read, &image, &model->preprocess, NULL));
        sg_image_to_planar(pixels, &read);
        assert_true(sg_labels_pick(&labels, sg_dataset_labels(b->ds), query + i, 1, NULL));
        const sg_attack_input input = {pixels, &key, &labels, 1};
        assert_true(sg_attacker_run(attacker, changed, &result, &input, NULL, NULL));
        assert_true(sg_encoder_codes(encoder, codes + i * BITS / 8, changed, 1, NULL));
        *hamming += result.hamming / (double)QUERIES;
        sg_labels_clear(&labels);
        sg_image_clear(&read);
        sg_image_clear(&image);
    }
    assert_true(sg_labels_pick(&labels, sg_dataset_labels(b->ds), query, QUERIES, NULL));
    const sg_coded queries = {codes, &labels, QUERIES}, db = sg_coded_of(&database);
    const sg_retrieval_options top = {.nbits = BITS, .top = 10};
    assert_true(sg_retrieval_run(out, &queries, &db, &top, NULL));
    sg_labels_clear(&labels);
    sg_attacker_free(attacker);
    sg_coded_part_clear(&database);
    sg_coded_part_clear(&train);
    sg_encoder_free(encoder);
    sg_model_free(model);
}

static void check_cell(const bench *b, const char *csv, const char *model, const char *attack,
                       sg_gradient gradient, const char *name)
{
    sg_retrieval r;
    double hamming;
    char path[64];
    snprintf(path, sizeof path, "%s.safetensors", model);
    by_hand(&r, &hamming, b, path, attack, gradient);
    size_t line = find(csv, model, attack, name, 8.0 / 255);
    assert_true(fabs(number(csv, line, "map_expected") - r.map.expected) < 1e-12);
    assert_true(fabs(number(csv, line, "map_low") - r.map.low) < 1e-12);
    assert_true(fabs(number(csv, line, "map_high") - r.map.high) < 1e-12);
    assert_true(fabs(number(csv, line, "map_order") - r.map.order) < 1e-12);
    assert_true(fabs(number(csv, line, "chance") - r.chance) < 1e-12);
    assert_true(fabs(number(csv, line, "hamming") - hamming) < 1e-12);
    assert_true(number(csv, line, "map_interval_low") <= r.map.expected);
    assert_true(number(csv, line, "map_interval_high") >= r.map.expected);
    assert_true(number(csv, line, "linf") <= 8.0 / 255 + 1e-9);
    assert_int_equal(number(csv, line, "iterations"), 3);
    sg_retrieval_clear(&r);
}

static const char results_head[] = "model,arch,head,rule,bits,attack,gradient,eps,iterations,queries,top,map_"
                                   "expected,map_low,map_high,map_order,"
                                   "map_interval_low,map_interval_high,accuracy,accuracy_interval_low,"
                                   "accuracy_interval_high,chance,hamming,linf,"
                                   "psnr,zero_gradient,fingerprint,precision\n";

static void test_figures(void **state)
{
    (void)state;
    bench b;
    char text[256];
    bench_open(&b);
    run(&b);
    char *csv = text_of("out/results.csv");
    assert_memory_equal(csv, results_head, sizeof results_head - 1);
    /* a clean row each; usf 2 attacks x 2 eps x 2 gradients; bp's two gradients are one */
    assert_int_equal(lines(csv), 1 + (1 + 8) + (1 + 4));
    check_cell(&b, csv, "usf", "hag", SG_GRADIENT_EXACT, "exact");
    check_cell(&b, csv, "usf", "hag", SG_GRADIENT_RULE, "rule");
    check_cell(&b, csv, "usf", "sdha", SG_GRADIENT_EXACT, "exact");
    check_cell(&b, csv, "bp", "sdha", SG_GRADIENT_RULE, "exact=rule");
    size_t clean = find(csv, "usf", "clean", "", 0);
    sg_model *model;
    sg_retrieval r;
    const sg_retrieval_options top = {.top = 10};
    sg_split first = b.split;
    first.nquery = QUERIES;
    assert_true(sg_model_load(&model, "usf.safetensors", NULL));
    assert_true(sg_evaluate_retrieval(&r, model, b.ds, &first, &top, NULL, NULL));
    assert_true(fabs(number(csv, clean, "map_expected") - r.map.expected) < 1e-12);
    assert_true(number(csv, clean, "hamming") == 0);
    assert_string_equal(field(text, csv, clean, "psnr"), "");
    assert_string_equal(field(text, csv, clean, "fingerprint"), model->fingerprint);
    char *queries = text_of("out/queries.csv");
    assert_int_equal(lines(queries), 1 + 14 * QUERIES);
    for (size_t i = 0; i < QUERIES; i++) {
        assert_true(number(queries, 1 + i, "ap") == r.ap[i]);
        assert_string_equal(field(text, queries, 1 + i, "query"),
                            sg_dataset_item_name(b.ds, b.split.query[i]));
    }
    sg_retrieval_clear(&r);
    sg_model_free(model);
    sg_free(queries);
    sg_free(csv);
    bench_close(&b);
}

/* An attack without a gradient is run once, not once a gradient. */
static void test_without_gradient(void **state)
{
    (void)state;
    bench b;
    static const char *const noise[] = {"noise"};
    bench_open(&b);
    b.options.attacks = noise;
    b.options.nattacks = 1;
    run(&b);
    char *csv = text_of("out/results.csv");
    assert_int_equal(lines(csv), 1 + (1 + 2) + (1 + 2));
    find(csv, "usf", "noise", "none", budgets[0]);
    find(csv, "bp", "noise", "none", budgets[0]);
    sg_free(csv);
    bench_close(&b);
}

static void test_json(void **state)
{
    (void)state;
    bench b;
    sg_json *json;
    double value;
    bench_open(&b);
    run(&b);
    char *text = text_of("out/audit.json");
    assert_true(sg_json_parse(&json, text, strlen(text), NULL));
    assert_string_equal(sg_json_string(sg_json_get(json, "split")), b.split.checksum);
    assert_true(sg_json_number(&value, sg_json_get(json, "top")) && value == 10);
    assert_int_equal(sg_json_size(sg_json_get(json, "models")), 2);
    assert_int_equal(sg_json_size(sg_json_get(json, "eps")), 2);
    const sg_json *cells = sg_json_get(json, "cells");
    assert_int_equal(sg_json_size(cells), 14);
    assert_string_equal(sg_json_string(sg_json_get(sg_json_at(cells, 0), "attack")), "clean");
    assert_true(sg_json_number(&value, sg_json_get(sg_json_get(sg_json_at(cells, 3), "map"), "expected")));
    sg_json_free(json);
    sg_free(text);
    bench_close(&b);
}

static void test_classifier(void **state)
{
    (void)state;
    bench b;
    char text[256];
    double top1, top5;
    bench_open(&b);
    b.options.model_paths = classifier;
    b.options.nmodels = 1;
    b.options.attacks = class_attacks;
    run(&b);
    char *csv = text_of("out/results.csv");
    size_t clean = find(csv, "class", "clean", "", 0), fgsm = find(csv, "class", "fgsm", "rule", 8.0 / 255);
    sg_model *model;
    assert_true(sg_model_load(&model, "class.safetensors", NULL));
    assert_true(sg_evaluate_accuracy(&top1, &top5, model, b.ds, b.split.query, QUERIES, NULL, NULL));
    assert_true(fabs(number(csv, clean, "accuracy") - top1) < 1e-12);
    assert_string_equal(field(text, csv, clean, "map_expected"), "");
    assert_string_equal(field(text, csv, clean, "head"), "classifier");
    assert_int_equal(number(csv, fgsm, "iterations"), 1);
    sg_model_free(model);
    sg_free(csv);
    char *html = text_of("out/report.html"), *lists = text_of("out/split.txt");
    assert_non_null(strstr(html, "Named class"));
    assert_non_null(strstr(html, b.split.checksum));
    assert_non_null(strstr(lists, b.split.checksum));
    sg_free(lists);
    sg_free(html);
    bench_close(&b);
}

/* ---- the report ---- */

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)); text++) n++;
    return n;
}

static void test_report(void **state)
{
    (void)state;
    static const char *const tags[] = {"section", "table", "tr",      "td", "th",   "div",
                                       "figure",  "svg",   "details", "dl", "dt",   "dd",
                                       "ol",      "li",    "p",       "h2", "style"};
    static const char *const names[] = {"<one> & \"two\"", "three"};
    bench b;
    char with[32], without[32], close[32];
    bench_open(&b);
    b.options.names = names;
    run(&b);
    char *html = text_of("out/report.html");
    assert_null(strstr(html, "http:"));
    assert_null(strstr(html, "https:"));
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "<link"));
    assert_null(strstr(html, "url("));
    assert_null(strstr(html, "@import"));
    assert_int_equal(count(html, "src="), count(html, "src=\"data:image/png;base64,"));
    assert_int_equal(count(html, "href="), count(html, "href='#"));
    assert_null(strstr(html, "<one>"));
    assert_true(count(html, "&lt;one&gt; &amp; &quot;two&quot;") > 3);
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        snprintf(with, sizeof with, "<%s ", tags[i]);
        snprintf(without, sizeof without, "<%s>", tags[i]);
        snprintf(close, sizeof close, "</%s>", tags[i]);
        assert_true(count(html, close) > 0);
        assert_int_equal(count(html, with) + count(html, without), count(html, close));
    }
    assert_int_equal(count(html, "<svg"), 2);
    /* 2 models x 2 attacks x 3 queries: 3 pictures and twice 8 answers */
    assert_int_equal(count(html, "<img"), 2 * 2 * 3 * (3 + 2 * 8));
    assert_int_equal(count(html, "change × 15"), 2 * (2 * 2 * 3)); /* alt and caption */
    sg_free(html);
    bench_close(&b);
}

/* ---- what is refused ---- */

static void refused(const bench *b, const sg_audit_options *options, sg_code code, const char *words)
{
    sg_error err = {0};
    assert_false(sg_audit_run("out", b->ds, &b->split, options, &err));
    if (err.code != code || !strstr(err.message, words))
        fail_msg("%d '%s' lacks '%s'", err.code, err.message, words);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const unknown[] = {"hug"};
    static const char *const same[] = {"one", "one"};
    static const char *const absent[] = {"usf.safetensors", "absent.safetensors"};
    static const char *const mixed[] = {"usf.safetensors", "class.safetensors"};
    static const double large[] = {1.5};
    bench b;
    bench_open(&b);
    sg_audit_options o = b.options;
    o.attacks = unknown;
    o.nattacks = 1;
    refused(&b, &o, SG_ERR_USAGE, "hug");
    o = b.options;
    o.eps = large;
    o.neps = 1;
    refused(&b, &o, SG_ERR_USAGE, "eps 1.5");
    o = b.options;
    o.nqueries = 7;
    refused(&b, &o, SG_ERR_USAGE, "7 queries: the split has 6");
    o = b.options;
    o.names = same;
    refused(&b, &o, SG_ERR_USAGE, "two models");
    o = b.options;
    o.model_paths = absent;
    refused(&b, &o, SG_ERR_IO, "absent.safetensors");
    o = b.options;
    o.nmodels = 0;
    refused(&b, &o, SG_ERR_USAGE, "a model");
    o = b.options;
    o.ngradients = 0;
    refused(&b, &o, SG_ERR_USAGE, "gradient");
    o = b.options;
    o.batch = 0;
    refused(&b, &o, SG_ERR_USAGE, "batch");
    o = b.options;
    o.iterations = -1;
    refused(&b, &o, SG_ERR_USAGE, "-1 iterations");
    sg_split split = b.split;
    bench partial = b;
    partial.split.ntrain = 0;
    refused(&partial, &b.options, SG_ERR_USAGE, "sdha uses training images");
    partial.split = split;
    partial.split.ndatabase = 0;
    refused(&partial, &b.options, SG_ERR_USAGE, "no database");
    o = b.options;
    o.model_paths = mixed;
    refused(&b, &o, SG_ERR_USAGE, "class.safetensors: attack ");
    assert_false(sg_path_exists("out"));
    assert_true(sg_audit_run("out", b.ds, &b.split, &b.options, NULL));
    o = b.options;
    o.top = 11;
    refused(&b, &o, SG_ERR_MISMATCH, "out holds another audit");
    bench_close(&b);
}

/* Some of the allocations of an audit whose cells are finished, and of one whose cells are not, fail. */
static void test_out_of_memory(void **state)
{
    (void)state;
    static const sg_gradient one[] = {SG_GRADIENT_RULE};
    bench b;
    bench_open(&b);
    b.options.nattacks = b.options.ngradients = b.options.nmodels = 1;
    b.options.gradients = one;
    b.options.neps = 1;
    b.options.nqueries = 2;
    uint64_t before = sg_mem_count();
    run(&b);
    uint64_t all = sg_mem_count() - before;
    for (uint64_t nth = 1; nth < all; nth += 1 + nth / 4) {
        sg_error err = {0};
        if (nth % 2) nftw("out", scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
        sg_mem_fail_at(nth);
        bool ok = sg_audit_run("out", b.ds, &b.split, &b.options, &err);
        sg_mem_fail_at(0);
        if (!ok && err.code != SG_ERR_MEMORY) fail_msg("%s", err.message);
    }
    run(&b);
    bench_close(&b);
}

/* Files of one name in different folders are told apart by the folders. */
static void test_names(void **state)
{
    (void)state;
    static const char *const runs[] = {"runs/usf/best.safetensors", "runs/bp/best.safetensors"};
    bench b;
    char text[256];
    bench_open(&b);
    assert_true(sg_mkdirs("runs/usf", NULL) && sg_mkdirs("runs/bp", NULL));
    assert_int_equal(rename("usf.safetensors", runs[0]) | rename("bp.safetensors", runs[1]), 0);
    b.options.model_paths = runs;
    b.options.neps = 0;
    run(&b);
    char *csv = text_of("out/results.csv");
    assert_int_equal(lines(csv), 3);
    assert_string_equal(field(text, csv, 1, "model"), "usf/best");
    assert_string_equal(field(text, csv, 2, "model"), "bp/best");
    sg_free(csv);
    bench_close(&b);
}

int main(void)
{
    sg_threads_set(1); /* passes this small only wait for each other */
    const struct CMUnitTest tests[] = {
        scratch_test(test_figures),    scratch_test(test_without_gradient), scratch_test(test_json),
        scratch_test(test_classifier), scratch_test(test_report),           scratch_test(test_refused),
        scratch_test(test_names),      scratch_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
