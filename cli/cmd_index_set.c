/* signet index set: attributes of an index's pictures. */
#include "commands.h"
#include "ingest.h"
#include "select.h"

#include <inttypes.h>
#include <signet/file.h>
#include <signet/mem.h>

typedef struct set_options {
    cli_select select;
    cli_texts attributes, remove;
    const char *list;
    bool dry_run, json;
} set_options;

#define AT(member) offsetof(set_options, member)

static bool report(const cli_call *call, uint64_t changed, sg_error *err)
{
    const set_options *o = call->options;
    if (o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "index", call->args[0]);
        sg_json_add_int(root, "changed", (int64_t)changed);
        if (o->dry_run) sg_json_add_bool(root, "dry_run", true);
        return cli_print_json(root, err);
    }
    if (o->dry_run) {
        printf("would be: changed %" PRIu64 "\n", changed);
        return cli_stdout_check(err);
    }
    cli_remark(call, "changed %" PRIu64, changed);
    return true;
}

static bool set(uint64_t *changed, sg_store *store, const cli_call *call, const sg_retag *retag,
                sg_error *err)
{
    const set_options *o = call->options;
    uint64_t *ids;
    size_t n;
    if (!o->list) {
        if (!cli_select_items(&ids, &n, store, call, &o->select, true, err)) return false;
        bool ok = sg_retag_items(changed, store, ids, n, retag, err);
        sg_free(ids);
        return ok;
    }
    char *text;
    if (!sg_file_read(&text, &n, o->list, SG_MAX_FILE_NBYTES, err)) return false;
    bool ok = sg_retag_lines(changed, store, o->list, text, n, retag, err);
    sg_free(text);
    return ok;
}

static bool check(const cli_call *call, sg_error *err)
{
    const set_options *o = call->options;
    if (o->list && (call->nargs > 1 || cli_selects(&o->select)))
        return sg_fail(err, SG_ERR_USAGE,
                       "--list names the pictures itself: no PATH, --id, --prefix or --where with it");
    if (!o->list && o->attributes.n == 0 && o->remove.n == 0)
        return sg_fail(err, SG_ERR_USAGE, "nothing to set: --attribute, --remove or --list is missing");
    for (size_t i = 0; i < o->remove.n; i++)
        if (o->remove.items[i][0] == '\0' || o->remove.items[i][0] == '=')
            return sg_fail(err, SG_ERR_USAGE, "--remove: \"%s\" is no key", o->remove.items[i]);
    return o->list ? cli_need_args(call, 1, 1, "INDEX", err) : cli_select_check(call, &o->select, err);
}

static bool run_set(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const set_options *o = call->options;
    sg_attributes add = SG_ATTRIBUTES_INIT;
    sg_index *index;
    uint64_t changed = 0;
    if (!check(call, err) || !cli_parse_attributes(&add, &o->attributes, err)) return false;
    const sg_retag retag = {
        .remove = o->remove.items, .nremove = o->remove.n, .add = &add, .dry_run = o->dry_run};
    bool ok = sg_index_open(&index, call->args[0], SG_INDEX_STORE, !o->dry_run, err);
    if (ok) {
        ok = set(&changed, sg_index_store(index), call, &retag, err) && report(call, changed, err);
        if (!ok && !o->dry_run && (changed > 0 || err->code == SG_ERR_INTERRUPTED))
            sg_prefix(err, "%s keeps %" PRIu64 " changed", call->args[0], changed);
        sg_index_close(index);
    }
    sg_attributes_clear(&add);
    return ok;
}

static const cli_option set_rows[] = {
    {"attribute", 0, CLI_PATHS, AT(attributes), "KEY=VALUE",
     "give it to them; a key may have several values; may be repeated", 0, 0},
    {"remove", 0, CLI_PATHS, AT(remove), "KEY[=VALUE]",
     "take it away first, or all values of the key; may be repeated", 0, 0},
    {"list", 0, CLI_TEXT, AT(list), "FILE",
     "a picture a line: PATH, then KEY=VALUE pairs that it is given, with tabs\n" CLI_HELP_INDENT
     "between; - for standard input. When a line is wrong nothing is changed",
     0, 0},
    CLI_SELECT_OPTIONS(set_options, select),
    {"dry-run", 0, CLI_FLAG, AT(dry_run), NULL, "only say how many would be changed", 0, 0},
    {"json", 0, CLI_FLAG, AT(json), NULL, "how many, as one JSON object", 0, 0},
};

const cli_command cmd_index_set = {
    .name = "index set",
    .summary = "give pictures attributes (label=cat, any key=value), or take them away",
    .usage =
        "INDEX [PATH... | --id ID | --where KEY=VALUE | --list FILE] [--attribute KEY=VALUE] [--remove KEY]",
    .examples = "index set PHOTOS.index ~/Pictures/2019 --attribute year=2019 --attribute label=holiday\n"
                "index set PHOTOS.index --where label=cat --remove label=cat --attribute label=dog\n"
                "index set PHOTOS.index --list labels.tsv",
    .options = set_rows,
    .noptions = sizeof set_rows / sizeof *set_rows,
    .options_size = sizeof(set_options),
    .run = run_set,
};
