/* signet data info | export: data sets and their splits. */
#include "commands.h"

#include <signet/export.h>
#include <signet/mem.h>
#include <signet/table.h>
#include <string.h>

typedef struct data_options {
    cli_data data;
    bool json;
    const char *out, *part, *format;
} data_options;

static void set_defaults(void *options)
{
    *(data_options *)options = (data_options){.data = CLI_DATA_DEFAULTS, .part = "query", .format = "png"};
}

static const char *const part_names[] = {"query", "train", "database", "val"};
enum { NPARTS = 4 };

/* Images of each class (column) in items. */
static void count_classes(size_t *counts, const sg_labels *labels, const uint32_t *items, size_t n)
{
    memset(counts, 0, labels->classes * sizeof *counts);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < labels->classes; c++) counts[c] += sg_labels_has(labels, items[i], c);
}

static bool print_info_json(const sg_dataset *ds, const sg_split *split, sg_error *err)
{
    const sg_labels *labels = sg_dataset_labels(ds);
    sg_json *root = sg_json_object();
    sg_json_add_string(root, "data", sg_dataset_name(ds));
    sg_json_add_int(root, "images", (int64_t)sg_dataset_size(ds));
    sg_json_add_int(root, "ignored", (int64_t)sg_dataset_ignored(ds));
    sg_json_add_bool(root, "multi_label", labels->rows != NULL);
    sg_json *classes = sg_json_add_array(root, "classes");
    for (size_t c = 0; c < labels->classes; c++) sg_json_add_string(classes, NULL, sg_dataset_classes(ds)[c]);
    sg_json_add_string(root, "protocol", split->protocol);
    sg_json_add_string(root, "checksum", split->checksum);
    for (int p = 0; p < NPARTS; p++) {
        const uint32_t *items;
        size_t n;
        if (sg_split_part(&items, &n, split, part_names[p], NULL))
            sg_json_add_int(root, part_names[p], (int64_t)n);
    }
    return cli_print_json(root, err);
}

static bool print_info_table(const sg_dataset *ds, const sg_split *split, sg_error *err)
{
    const sg_labels *labels = sg_dataset_labels(ds);
    printf("%s: %zu images, %zu classes%s; protocol %s, checksum %s\n\n", sg_dataset_name(ds),
           sg_dataset_size(ds), labels->classes, labels->rows ? " (several labels an image)" : "",
           split->protocol, split->checksum);
    const char *heads[] = {"class", "query", "train", "database", "val"};
    sg_table *table = sg_table_new(1 + NPARTS, heads);
    size_t *counts = sg_alloc(NPARTS * labels->classes, sizeof *counts);
    bool ok = table && counts ? true : sg_fail_memory(err, "table");
    size_t totals[NPARTS];
    for (int p = 0; ok && p < NPARTS; p++) {
        const uint32_t *items;
        sg_split_part(&items, &totals[p], split, part_names[p], NULL);
        count_classes(counts + (size_t)p * labels->classes, labels, items, totals[p]);
    }
    for (size_t c = 0; ok && c < labels->classes; c++) {
        sg_table_cell(table, "%s", sg_dataset_classes(ds)[c]);
        for (size_t p = 0; p < NPARTS; p++) sg_table_cell(table, "%zu", counts[p * labels->classes + c]);
    }
    if (ok) {
        sg_table_cell(table, "images");
        for (int p = 0; p < NPARTS; p++) sg_table_cell(table, "%zu", totals[p]);
        ok = sg_table_print(table, stdout, err);
    }
    sg_free(counts);
    sg_table_free(table);
    return ok;
}

/* DATA stands first as an operand, or after --data. */
static bool take_data(cli_data *data, const cli_call *call, sg_error *err)
{
    if (!cli_need_args(call, data->spec ? 0 : 1, data->spec ? 0 : 1, "DATA", err)) return false;
    if (!data->spec) data->spec = call->args[0];
    return true;
}

static bool run_info(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    data_options *o = call->options;
    sg_dataset *ds;
    sg_split split;
    if (!take_data(&o->data, call, err) || !cli_data_open(&ds, &split, &o->data, err)) return false;
    bool ok = !o->out ||
              (cli_need_out(o->out, "the file of the lists", err) && sg_split_write(&split, ds, o->out, err));
    ok = ok && (o->json ? print_info_json(ds, &split, err) : print_info_table(ds, &split, err));
    if (ok && !o->json && sg_dataset_ignored(ds))
        cli_remark(call, "%zu files that are no images were left out", sg_dataset_ignored(ds));
    cli_data_close(ds, &split);
    return ok;
}

static void show_progress(void *data, size_t done)
{
    sg_progress_update(data, done, NULL);
}

static bool run_export(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    data_options *o = call->options;
    sg_dataset *ds;
    sg_split split;
    if (!cli_need_out(o->out, "the folder to write to", err)) return false;
    if (!take_data(&o->data, call, err) || !cli_data_open(&ds, &split, &o->data, err)) return false;
    const uint32_t *items;
    size_t n;
    bool ok = sg_split_part(&items, &n, &split, o->part, err);
    if (!ok) n = 0;
    sg_progress progress;
    sg_progress_init(&progress, cli_log(call), "export", "images", n);
    ok = ok && sg_export(ds, items, n, o->part, o->out, o->format, (uint64_t)call->common.max_pixels,
                         show_progress, &progress, err);
    sg_progress_end(&progress);
    if (ok) cli_remark(call, "%zu images of %s written to %s", n, o->part, o->out);
    cli_data_close(ds, &split);
    return ok;
}

static const cli_option info_options[] = {
    CLI_SPLIT_OPTIONS(data_options, data),
    {"data", 0, CLI_TEXT, offsetof(data_options, data.spec), "DATA", "the same as the operand", 0, 0},
    {"data-dir", 0, CLI_TEXT, offsetof(data_options, data.dir), "DIR",
     "where a named set's files lie, or what a list's paths are relative to", 0, 0},
    {"json", 0, CLI_FLAG, offsetof(data_options, json), NULL, "one JSON object", 0, 0},
    {"out", 'o', CLI_TEXT, offsetof(data_options, out), "FILE", "write the lists: a line \"part image\" each",
     0, 0},
};

static const cli_option export_options[] = {
    {"out", 'o', CLI_TEXT, offsetof(data_options, out), "DIR", "the folder to write to", 0, 0},
    {"split", 0, CLI_TEXT, offsetof(data_options, part), "PART",
     "query, train, database or val (default: query)", 0, 0},
    {"format", 0, CLI_TEXT, offsetof(data_options, format), "F", "png or jpeg (default: png)", 0, 0},
    CLI_SPLIT_OPTIONS(data_options, data),
    {"data", 0, CLI_TEXT, offsetof(data_options, data.spec), "DATA", "the same as the operand", 0, 0},
    {"data-dir", 0, CLI_TEXT, offsetof(data_options, data.dir), "DIR",
     "where a named set's files lie, or what a list's paths are relative to", 0, 0},
};

const cli_command cmd_data_info = {
    .name = "data info",
    .summary = "what a data set holds, and how a protocol splits it",
    .usage = "DATA [--protocol NAME] [--json]",
    .examples = "data info fashion-mnist\n"
                "data info folder:PHOTOS --query 10\n"
                "data info cifar10 --data-dir DIR --protocol cifar10-5000 --val 0 -o split.txt",
    .options = info_options,
    .noptions = sizeof info_options / sizeof *info_options,
    .options_size = sizeof(data_options),
    .defaults = set_defaults,
    .run = run_info,
};

const cli_command cmd_data_export = {
    .name = "data export",
    .summary = "write a split as image files, a folder a class, with a list",
    .usage = "DATA --split PART -o DIR [--format png|jpeg]",
    .examples = "data export fashion-mnist --split query -o QUERIES\n"
                "data export fashion-mnist --split database --database 100 -o DATABASE",
    .options = export_options,
    .noptions = sizeof export_options / sizeof *export_options,
    .options_size = sizeof(data_options),
    .defaults = set_defaults,
    .run = run_export,
};
