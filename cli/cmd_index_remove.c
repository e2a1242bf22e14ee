/* signet index remove: pictures out of an index. */
#include "commands.h"
#include "select.h"

#include <signet/mem.h>

typedef struct remove_options {
    cli_select select;
    bool dry_run, json;
} remove_options;

#define AT(member) offsetof(remove_options, member)

/* A line for each picture that would go. */
static bool print_items(sg_store *store, const uint64_t *ids, size_t n, bool json, sg_error *err)
{
    for (size_t i = 0; i < n; i++) {
        sg_item item;
        char *path;
        if (!sg_store_get(&item, &path, store, ids[i], err)) return false;
        bool ok = cli_print_change("remove", ids[i], path, json, err);
        sg_free(path);
        if (!ok) return false;
    }
    return true;
}

static bool report(const cli_call *call, size_t n, sg_error *err)
{
    const remove_options *o = call->options;
    if (o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "index", call->args[0]);
        sg_json_add_int(root, "removed", (int64_t)n);
        if (o->dry_run) sg_json_add_bool(root, "dry_run", true);
        return cli_print_json(root, err);
    }
    if (o->dry_run) {
        printf("would be: removed %zu\n", n);
        return cli_stdout_check(err);
    }
    cli_remark(call, "removed %zu", n);
    return true;
}

static bool remove_items(const cli_call *call, sg_store *store, const uint64_t *ids, size_t n, sg_error *err)
{
    size_t removed;
    if (sg_remove_items(&removed, store, ids, n, err)) return true;
    return removed ? sg_prefix(err, "%s: the first %zu are removed", call->args[0], removed) : false;
}

static bool run_remove(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const remove_options *o = call->options;
    sg_index *index;
    uint64_t *ids;
    size_t n;
    if (!cli_select_check(call, &o->select, err)) return false;
    if (!sg_index_open(&index, call->args[0], SG_INDEX_STORE, !o->dry_run, err)) return false;
    sg_store *store = sg_index_store(index);
    bool ok = cli_select_items(&ids, &n, store, call, &o->select, false, err);
    if (ok) {
        if (!o->dry_run)
            ok = remove_items(call, store, ids, n, err);
        else if (o->json || call->common.verbose)
            ok = print_items(store, ids, n, o->json, err);
        ok = ok && report(call, n, err);
        sg_free(ids);
    }
    sg_index_close(index);
    return ok;
}

static const cli_option remove_rows[] = {
    CLI_SELECT_OPTIONS(remove_options, select),
    {"list", 0, CLI_TEXT, AT(select.list), "FILE", "a path a line, - for standard input", 0, 0},
    {"zero", '0', CLI_FLAG, AT(select.zero), NULL, "the list's paths end by NUL", 0, 0},
    {"dry-run", 0, CLI_FLAG, AT(dry_run), NULL,
     "only say what would be done (-v, --json: with a line a picture)", 0, 0},
    {"json", 0, CLI_FLAG, AT(json), NULL, "how many, as one JSON object", 0, 0},
};

const cli_command cmd_index_remove = {
    .name = "index remove",
    .summary = "take pictures, or all below a folder, out of the index; the files stay",
    .usage = "INDEX PATH... [--id ID] [--id-list FILE] [--where KEY=VALUE] [--dry-run]",
    .examples = "index remove PHOTOS.index ~/Pictures/old.jpg\n"
                "index remove PHOTOS.index ~/Pictures/2019 --dry-run -v\n"
                "index remove PHOTOS.index --id 17,18\n"
                "index remove CODES.index --id-list ids.txt",
    .options = remove_rows,
    .noptions = sizeof remove_rows / sizeof *remove_rows,
    .options_size = sizeof(remove_options),
    .run = run_remove,
};
