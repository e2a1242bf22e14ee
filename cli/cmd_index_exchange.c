/* signet index import, export: files of other programs. */
#include "commands.h"

#include <inttypes.h>
#include <signet/exchange.h>
#include <signet/file.h>
#include <signet/ingest.h>
#include <signet/mem.h>
#include <string.h>

typedef struct exchange_options {
    const char *format, *ids, *out;
    bool keep_ids, dry_run, json;
} exchange_options;

#define AT(member) offsetof(exchange_options, member)
#define FORMAT_OPTION                                                                                        \
    {                                                                                                        \
        "format", 0, CLI_TEXT, AT(format), "NAME",                                                           \
            "faiss, npy, jsonl or csv (default: by the file's ending)", 0, 0                                 \
    }

/* --- export ------------------------------------------------------------------------------------------------- */

/* The ids go into a file of their own. */
static bool check_ids(const exchange_options *o, sg_error *err)
{
    char *out = NULL, *ids = NULL;
    if (!o->ids) return true;
    bool ok = sg_path_absolute(&out, o->out, err) && sg_path_absolute(&ids, o->ids, err);
    if (ok && strcmp(out, ids) == 0)
        ok = sg_fail(err, SG_ERR_USAGE, "--ids: %s is the file that -o names", o->ids);
    sg_free(out);
    sg_free(ids);
    return ok;
}

static bool run_export(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const exchange_options *o = call->options;
    const sg_format *format;
    sg_index *index;
    if (!cli_need_args(call, 1, 1, "INDEX", err) || !cli_need_out(o->out, "the file to write", err) ||
        !cli_need_outside(o->out, call->args[0], err) || !cli_need_outside(o->ids, call->args[0], err) ||
        !check_ids(o, err) || !sg_format_find(&format, o->format, o->out, err) ||
        !sg_index_open(&index, call->args[0], SG_INDEX_STORE, false, err))
        return false;
    uint64_t n;
    bool ok = sg_store_export(&n, sg_index_store(index), o->out, format, o->ids, err);
    sg_index_close(index);
    if (ok && o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "index", call->args[0]);
        sg_json_add_path(root, "file", o->out);
        sg_json_add_int(root, "items", (int64_t)n);
        ok = cli_print_json(root, err);
    } else if (ok) {
        cli_remark(call, "wrote %" PRIu64 " to %s", n, o->out);
    }
    return ok;
}

static const cli_option export_options[] = {
    {"output", 'o', CLI_TEXT, AT(out), "FILE", "the file to write", 0, 0},
    FORMAT_OPTION,
    {"ids", 0, CLI_TEXT, AT(ids), "FILE", "npy: ids go here (int64)", 0, 0},
    {"json", 0, CLI_FLAG, AT(json), NULL, "what was written as one JSON object", 0, 0},
};

const cli_command cmd_index_export = {
    .name = "index export",
    .summary = "write codes and ids as a file of FAISS or NumPy, or everything as JSON lines or CSV",
    .usage = "INDEX -o FILE [--format faiss|npy|jsonl|csv] [--ids FILE]",
    .examples = "index export PHOTOS.index -o photos.faiss\n"
                "index export PHOTOS.index -o codes.npy --ids ids.npy\n"
                "index export PHOTOS.index -o photos.csv",
    .options = export_options,
    .noptions = sizeof export_options / sizeof *export_options,
    .options_size = sizeof(exchange_options),
    .run = run_export,
};

/* --- import ------------------------------------------------------------------------------------------------- */

static bool report_import(const sg_join_counts *c, const cli_call *call, sg_error *err)
{
    const exchange_options *o = call->options;
    if (o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "index", call->args[0]);
        sg_json_add_path(root, "file", call->args[1]);
        sg_json_add_int(root, "added", (int64_t)c->added);
        sg_json_add_int(root, "updated", (int64_t)c->updated);
        sg_json_add_int(root, "older", (int64_t)c->older);
        sg_json_add_int(root, "unchanged", (int64_t)c->unchanged);
        sg_json_add_int(root, "codes", (int64_t)c->codes);
        if (c->first_id) sg_json_add_int(root, "first_id", (int64_t)c->first_id);
        sg_json_add_bool(root, "dry_run", o->dry_run);
        return cli_print_json(root, err);
    }
    printf("added %" PRIu64 ", updated %" PRIu64 ", older %" PRIu64 ", unchanged %" PRIu64
           ", bare codes %" PRIu64,
           c->added, c->updated, c->older, c->unchanged, c->codes);
    if (c->first_id) printf(", ids from %" PRIu64, c->first_id);
    puts(o->dry_run ? " (dry run)" : "");
    return true;
}

static bool run_import(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const exchange_options *o = call->options;
    const sg_format *format;
    sg_index *index;
    sg_join_counts counts;
    if (!cli_need_args(call, 2, 2, "INDEX and FILE", err) ||
        !sg_format_find(&format, o->format, call->args[1], err) ||
        !sg_index_open(&index, call->args[0], SG_INDEX_STORE, !o->dry_run, err))
        return false;
    sg_progress progress;
    sg_progress_init(&progress, cli_log(call), "import", "items", 0);
    sg_import_options options = {
        .ids_path = o->ids, .keep_ids = o->keep_ids, .only_check = o->dry_run, .progress = &progress};
    bool ok = sg_store_import(&counts, sg_index_store(index), call->args[1], format, &options, err);
    sg_progress_end(&progress);
    if (ok)
        ok = report_import(&counts, call, err);
    else if (!o->dry_run && err->code == SG_ERR_INTERRUPTED)
        sg_prefix(err, "%s keeps %" PRIu64 " added, %" PRIu64 " updated and %" PRIu64 " bare codes",
                  call->args[0], counts.added, counts.updated, counts.codes);
    sg_index_close(index);
    return ok;
}

static const cli_option import_options[] = {
    FORMAT_OPTION,
    {"ids", 0, CLI_TEXT, AT(ids), "FILE", "npy: the codes' ids (int64), which are kept", 0, 0},
    {"keep-ids", 0, CLI_FLAG, AT(keep_ids), NULL,
     "those of the file, which must ascend from the index's next id on\n" CLI_HELP_INDENT
     "(default: new ones, in the file's order)",
     0, 0},
    {"dry-run", 0, CLI_FLAG, AT(dry_run), NULL, "only read the file, and say what would be done", 0, 0},
    {"json", 0, CLI_FLAG, AT(json), NULL, "the counts as one JSON object", 0, 0},
    {NULL, 0, CLI_NEW_GROUP, 0, NULL,
     "what comes of it\n"
     "  The file is read to its end before anything changes. Its codes must be those of the index's encoder: "
     "it does\n"
     "  not say. A path that is in the index too keeps the content whose file is newer (the index's when "
     "they are as\n"
     "  old) and has the attributes of both.",
     0, 0},
};

const cli_command cmd_index_import = {
    .name = "index import",
    .summary = "put in what a file holds: codes of FAISS or NumPy, or what export wrote",
    .usage = "INDEX FILE [--format faiss|npy|jsonl|csv] [--ids FILE] [--keep-ids]",
    .examples = "index import PHOTOS.index codes.npy\n"
                "index import PHOTOS.index photos.jsonl --dry-run",
    .options = import_options,
    .noptions = sizeof import_options / sizeof *import_options,
    .options_size = sizeof(exchange_options),
    .run = run_import,
};
