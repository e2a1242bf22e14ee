/* For tests of the audit: models, data and options of a small one, and its tables. */
#ifndef SIGNET_TESTS_AUDITING_H
#define SIGNET_TESTS_AUDITING_H

#include "models.h"

#include <signet/audit.h>
#include <signet/cpu.h>
#include <signet/kv.h>

enum { QUERIES = 5 };

static const char *const usf_and_bp[] = {"usf.safetensors", "bp.safetensors"};
static const char *const classifier[] = {"class.safetensors"};
static const char *const hash_attacks[] = {"hag", "sdha"};
static const char *const class_attacks[] = {"fgsm", "pgd"};
static const double budgets[] = {8.0 / 255, 0, 2.0 / 255, 8.0 / 255}; /* out of order, one twice */
static const sg_gradient both[] = {SG_GRADIENT_EXACT, SG_GRADIENT_RULE};

typedef struct bench {
    sg_dataset *ds;
    sg_split split;
    sg_audit_options options;
} bench;

static inline void bench_open(bench *b)
{
    b->ds = data_make();
    b->split = split_make(b->ds, 1);
    model_write("usf.safetensors", "usf", true, 3);
    model_write("bp.safetensors", "bp", true, 5);
    model_write("class.safetensors", "frsf", false, 7);
    b->options = (sg_audit_options){.model_paths = usf_and_bp,
                                    .nmodels = 2,
                                    .attacks = hash_attacks,
                                    .nattacks = 2,
                                    .eps = budgets,
                                    .neps = 4,
                                    .gradients = both,
                                    .ngradients = 2,
                                    .iterations = 3,
                                    .nqueries = QUERIES,
                                    .top = 10,
                                    .seed = 9,
                                    .batch = 4};
}

static inline void bench_close(bench *b)
{
    sg_split_clear(&b->split);
    sg_dataset_close(b->ds);
}

static inline void run(const bench *b)
{
    sg_error err = {0};
    if (!sg_audit_run("out", b->ds, &b->split, &b->options, &err)) fail_msg("%s", err.message);
}

static inline char *text_of(const char *path)
{
    char *text;
    size_t nbytes;
    sg_error err = {0};
    if (!sg_file_read(&text, &nbytes, path, (size_t)1 << 26, &err)) fail_msg("%s", err.message);
    assert_int_equal(strlen(text), nbytes);
    return text;
}

/* Field `column` of line `line` of a CSV text without quoted fields; by the caller's buffer. */
static inline const char *field(char out[256], const char *csv, size_t line, const char *column)
{
    char row[2048], heads[2048], *h = heads, *r = row, *head, *value;
    sscanf(csv, "%2047[^\n]", heads);
    for (; line > 0; line--) csv = strchr(csv, '\n') + 1;
    sscanf(csv, "%2047[^\n]", row);
    while ((head = strsep(&h, ",")) && (value = strsep(&r, ",")))
        if (!strcmp(head, column)) return strcpy(out, value);
    fail_msg("no column %s", column);
    return NULL;
}

static inline double number(const char *csv, size_t line, const char *column)
{
    char text[256];
    double value;
    if (!sg_parse_float(&value, field(text, csv, line, column))) fail_msg("%s: '%s'", column, text);
    return value;
}

static inline size_t lines(const char *csv)
{
    size_t n = 0;
    for (; *csv; csv++) n += *csv == '\n';
    return n;
}

/* The line of a cell. */
static inline size_t find(const char *csv, const char *model, const char *attack, const char *gradient,
                          double eps)
{
    char text[256];
    for (size_t i = 1; i < lines(csv); i++)
        if (!strcmp(field(text, csv, i, "model"), model) && !strcmp(field(text, csv, i, "attack"), attack) &&
            !strcmp(field(text, csv, i, "gradient"), gradient) && number(csv, i, "eps") == eps)
            return i;
    fail_msg("no row %s %s %s %g", model, attack, gradient, eps);
    return 0;
}

#endif
