/* signet eval: mAP and accuracy, of a model on a data set or of codes made by anything. */
#include "commands.h"

#include <signet/evaluate.h>
#include <signet/mem.h>
#include <string.h>

typedef struct eval_options {
    const char *model, *precision, *denominator;
    const char *codes, *labels, *db_codes, *db_labels;
    int64_t top;
    cli_reals precision_at;
    bool json;
    cli_data data;
} eval_options;

enum { TOP_OF_PROTOCOL = -1, TOP_OF_CODES = 5000 };

static void set_defaults(void *options)
{
    *(eval_options *)options =
        (eval_options){.denominator = "hits", .top = TOP_OF_PROTOCOL, .data = CLI_DATA_DEFAULTS};
}

typedef struct decided {
    sg_retrieval_options retrieval;
    size_t precision_at[SG_PRECISION_AT_MAX];
} decided;

/* top: the cut unless --top says another. */
static bool decide(decided *d, const eval_options *o, size_t top, sg_error *err)
{
    static const char *const names[] = {"hits", "min", "all"};
    size_t which = 0;
    while (which < 3 && strcmp(names[which], o->denominator)) which++;
    if (which == 3)
        return sg_fail(err, SG_ERR_USAGE, "--denominator: \"%s\" is not hits, min or all", o->denominator);
    size_t n = o->precision_at.n;
    if (n > SG_PRECISION_AT_MAX)
        return sg_fail(err, SG_ERR_USAGE, "--precision-at: more than %d values", SG_PRECISION_AT_MAX);
    for (size_t i = 0; i < n; i++) {
        d->precision_at[i] = (size_t)o->precision_at.items[i];
        if ((double)d->precision_at[i] != o->precision_at.items[i])
            return sg_fail(err, SG_ERR_USAGE, "--precision-at: %g is no whole number",
                           o->precision_at.items[i]);
    }
    if (!n) d->precision_at[n++] = 10, d->precision_at[n++] = 100;
    d->retrieval = (sg_retrieval_options){.top = o->top == TOP_OF_PROTOCOL ? top : (size_t)o->top,
                                          .denominator = (sg_denominator)which,
                                          .precision_at = d->precision_at,
                                          .nprecision_at = n};
    return true;
}

/* split NULL: of codes as given. */
static bool print_retrieval_json(const sg_retrieval *r, const decided *d, const sg_split *split,
                                 sg_error *err)
{
    sg_json *root = sg_json_object();
    sg_json_add_string(root, "protocol", split ? split->protocol : NULL);
    sg_json_add_string(root, "split", split ? split->checksum : NULL);
    sg_json_add_int(root, "queries", (int64_t)r->queries);
    sg_json_add_int(root, "database", (int64_t)r->database);
    sg_json_add_int(root, "bits", (int64_t)d->retrieval.nbits);
    sg_json_add_int(root, "top", (int64_t)d->retrieval.top);
    sg_json *map = sg_json_add_object(root, "map");
    sg_json_add_number(map, "expected", r->map.expected);
    sg_json_add_number(map, "low", r->map.low);
    sg_json_add_number(map, "high", r->map.high);
    sg_json_add_number(map, "order", r->map.order);
    sg_json *precision = sg_json_add_object(root, "precision_at");
    sg_json *recall = sg_json_add_object(root, "recall_at");
    for (size_t i = 0; i < d->retrieval.nprecision_at; i++) {
        char key[24];
        snprintf(key, sizeof key, "%zu", d->precision_at[i]);
        sg_json_add_number(precision, key, r->precision_at[i]);
        sg_json_add_number(recall, key, r->recall_at[i]);
    }
    sg_json_add_number(root, "radius2", r->radius2);
    sg_json_add_number(root, "chance", r->chance);
    sg_json_add_int(root, "without_relevant", (int64_t)r->without_relevant);
    return cli_print_json(root, err);
}

static void print_retrieval_text(const sg_retrieval *r, const decided *d, const sg_split *split)
{
    printf("protocol         %s: %zu queries, %zu in the database, %zu bits\n",
           split ? split->protocol : "codes as given", r->queries, r->database, d->retrieval.nbits);
    if (d->retrieval.top)
        printf("mAP@%-13zu", d->retrieval.top);
    else
        printf("mAP              ");
    printf("%.4f  (order of equals: lowest %.4f, highest %.4f, by id %.4f)\n", r->map.expected, r->map.low,
           r->map.high, r->map.order);
    printf("chance           %.4f\n", r->chance);
    for (size_t i = 0; i < d->retrieval.nprecision_at; i++)
        printf("precision@%-7zu%.4f  (recall %.4f)\n", d->precision_at[i], r->precision_at[i],
               r->recall_at[i]);
    printf("within radius 2  %.4f\n", r->radius2);
    if (split) printf("checksum         %s, of the lists of images\n", split->checksum);
    if (r->without_relevant)
        printf("%zu queries have nothing relevant in the database: they count 0\n", r->without_relevant);
}

static bool emit_retrieval(const sg_retrieval *r, const decided *d, const sg_split *split, bool json,
                           sg_error *err)
{
    if (json) return print_retrieval_json(r, d, split, err);
    print_retrieval_text(r, d, split);
    return cli_stdout_check(err);
}

static bool eval_codes(const eval_options *o, sg_error *err)
{
    decided d;
    sg_coded_part queries = {0}, database = {0};
    sg_retrieval r;
    const sg_coded_files files = {o->codes, o->labels, o->db_codes, o->db_labels};
    if (!o->codes || !o->labels || !o->db_codes || !o->db_labels)
        return sg_fail(err, SG_ERR_USAGE, "--codes, --labels, --db-codes and --db-labels go together");
    bool ok = decide(&d, o, TOP_OF_CODES, err) && sg_coded_files_read(&queries, &database, &files, err);
    d.retrieval.nbits = database.nbits;
    sg_coded q = sg_coded_of(&queries), b = sg_coded_of(&database);
    if (ok && (ok = sg_retrieval_run(&r, &q, &b, &d.retrieval, err))) {
        ok = emit_retrieval(&r, &d, NULL, o->json, err);
        sg_retrieval_clear(&r);
    }
    sg_coded_part_clear(&queries);
    sg_coded_part_clear(&database);
    return ok;
}

static bool eval_classifier(const sg_model *model, const sg_dataset *ds, const sg_split *split,
                            const cli_call *call, sg_error *err)
{
    const eval_options *o = call->options;
    double top1, top5;
    sg_progress progress;
    sg_progress_init(&progress, cli_log(call), "encode", "images", split->nquery);
    bool ok = sg_evaluate_accuracy(&top1, &top5, model, ds, split->query, split->nquery, &progress, err);
    sg_progress_end(&progress);
    if (!ok) return false;
    if (!o->json) {
        printf("protocol  %s: %zu queries\naccuracy  %.4f  (top 5: %.4f)\n", split->protocol, split->nquery,
               top1, top5);
        printf("checksum  %s, of the lists of images\n", split->checksum);
        return cli_stdout_check(err);
    }
    sg_json *root = sg_json_object();
    sg_json_add_string(root, "protocol", split->protocol);
    sg_json_add_string(root, "split", split->checksum);
    sg_json_add_int(root, "queries", (int64_t)split->nquery);
    sg_json_add_number(root, "accuracy", top1);
    sg_json_add_number(root, "top5", top5);
    return cli_print_json(root, err);
}

static bool eval_hash(const sg_model *model, const sg_dataset *ds, const sg_split *split,
                      const cli_call *call, sg_error *err)
{
    const eval_options *o = call->options;
    decided d;
    sg_retrieval r;
    if (!decide(&d, o, split->top, err)) return false;
    d.retrieval.nbits = (size_t)sg_model_spec(model)->outputs;
    sg_progress progress;
    sg_progress_init(&progress, cli_log(call), "encode", "images", split->nquery + split->ndatabase);
    bool ok = sg_evaluate_retrieval(&r, model, ds, split, &d.retrieval, &progress, err);
    sg_progress_end(&progress);
    if (!ok) return false;
    ok = emit_retrieval(&r, &d, split, o->json, err);
    sg_retrieval_clear(&r);
    return ok;
}

/* Queries that a model was trained on would flatter it. Another size of the database alone makes other lists too, of
 * the same queries: then nothing can be said. */
static void warn_of_other_lists(const sg_model *model, const sg_dataset *ds, const sg_split *split,
                                const cli_call *call)
{
    const char *data = sg_kv_get(&model->notes, "data"), *sum = sg_kv_get(&model->notes, "split_checksum");
    const eval_options *o = call->options;
    if (o->data.database != SG_SPLIT_DEFAULT) return;
    if (data && sum && !strcmp(data, sg_dataset_name(ds)) && strcmp(sum, split->checksum))
        cli_remark(call,
                   "the model was trained on another split of %s: queries may be among its training images",
                   data);
}

static bool run(const cli_call *call, int *status, sg_error *err)
{
    const eval_options *o = call->options;
    sg_model *model;
    sg_dataset *ds;
    sg_split split;
    if (!cli_need_args(call, 0, 0, "", err)) return false;
    if (o->codes || o->labels || o->db_codes || o->db_labels) return eval_codes(o, err);
    if (!cli_model_load(&model, call, o->model, NULL, err)) return false;
    bool ok = sg_model_set_precision(model, o->precision, err) && cli_data_open(&ds, &split, &o->data, err);
    if (ok) {
        ok = cli_data_check(status, &split, ds, &o->data, &model->preprocess, call, err);
        if (ok) warn_of_other_lists(model, ds, &split, call);
        bool hash = sg_model_spec(model)->head == SG_HEAD_HASH;
        ok = ok && (hash ? eval_hash : eval_classifier)(model, ds, &split, call, err);
        cli_data_close(ds, &split);
    }
    sg_model_free(model);
    return ok;
}

#define AT(member) offsetof(eval_options, member)
static const cli_option options[] = {
    {"model", 0, CLI_TEXT, AT(model), "FILE", "a hash model or a classifier", 0, 0},
    CLI_PRECISION_OPTION(eval_options, precision, "the model's"),
    CLI_DATA_OPTIONS(eval_options, data),
    {"top", 0, CLI_COUNT, AT(top), "K", "cut of mAP@K, 0: none (default: the protocol's; 5000 for --codes)",
     0, 1e12},
    {"denominator", 0, CLI_TEXT, AT(denominator), "D",
     "of average precision: hits in the top K, min(R, K), or all R (default: hits)", 0, 0},
    {"precision-at", 0, CLI_REALS, AT(precision_at), "N,...",
     "cuts of precision and recall (default: 10,100)", 1, 1e12},
    {"json", 0, CLI_FLAG, AT(json), NULL, "one JSON object", 0, 0},
    {NULL, 0, CLI_NEW_GROUP, 0, NULL, "codes made by anything, as NumPy files", 0, 0},
    {"codes", 0, CLI_TEXT, AT(codes), "FILE", "of the queries: uint8 (n, K/8)", 0, 0},
    {"labels", 0, CLI_TEXT, AT(labels), "FILE", "of the queries: int64 (n), or uint8 (n, classes) of 0 and 1",
     0, 0},
    {"db-codes", 0, CLI_TEXT, AT(db_codes), "FILE", "of the database", 0, 0},
    {"db-labels", 0, CLI_TEXT, AT(db_labels), "FILE", "of the database", 0, 0},
};

const cli_command cmd_eval = {
    .name = "eval",
    .summary = "mAP that does not depend on the order of ties, precision, accuracy",
    .usage = "--model FILE --data DATA [--protocol NAME] [--top K] [--json]",
    .examples = "eval --model HASH/best.safetensors --data fashion-mnist\n"
                "eval --model BASE/best.safetensors --data fashion-mnist --protocol full\n"
                "eval --codes Q.npy --labels QL.npy --db-codes D.npy --db-labels DL.npy --top 0 --json",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(eval_options),
    .defaults = set_defaults,
    .run = run,
};
