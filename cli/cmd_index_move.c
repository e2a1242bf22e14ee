/* signet index compact, copy, merge, relocate: a whole index made smaller, doubled, joined, moved. */
#include "commands.h"

#include <inttypes.h>
#include <signet/ingest.h>
#include <signet/store.h>

typedef struct move_options {
    bool dry_run, json;
} move_options;

#define WRITER_WAIT_MS 10000
#define AT(member)     offsetof(move_options, member)

/* --- compact ------------------------------------------------------------------------------------------------ */

static bool run_compact(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const move_options *o = call->options;
    sg_store_sizes sizes;
    if (!cli_need_args(call, 1, 1, "INDEX", err)) return false;
    if (!sg_store_compact(&sizes, call->args[0], o->dry_run, WRITER_WAIT_MS, err)) return false;
    if (o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "index", call->args[0]);
        sg_json_add_int(root, "before", (int64_t)sizes.before);
        sg_json_add_int(root, "after", (int64_t)sizes.after);
        sg_json_add_bool(root, "dry_run", o->dry_run);
        return cli_print_json(root, err);
    }
    printf("%" PRIu64 " bytes %s %" PRIu64 "\n", sizes.before, o->dry_run ? "would become" : "became",
           sizes.after);
    return true;
}

static const cli_option compact_options[] = {
    {"dry-run", 0, CLI_FLAG, AT(dry_run), NULL, "only say what would be gained", 0, 0},
    {"json", 0, CLI_FLAG, AT(json), NULL, "the sizes as one JSON object", 0, 0},
};

const cli_command cmd_index_compact = {
    .name = "index compact",
    .summary = "give the room of what was removed back to the disk",
    .usage = "INDEX [--dry-run] [--json]",
    .examples = "index compact PHOTOS.index\n"
                "index compact PHOTOS.index --dry-run",
    .options = compact_options,
    .noptions = sizeof compact_options / sizeof *compact_options,
    .options_size = sizeof(move_options),
    .run = run_compact,
};

/* --- copy --------------------------------------------------------------------------------------------------- */

static bool run_copy(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const move_options *o = call->options;
    sg_index *index;
    if (!cli_need_args(call, 2, 2, "INDEX and NEW", err)) return false;
    if (!sg_index_open(&index, call->args[0], SG_INDEX_STORE, false, err)) return false;
    sg_store_info info;
    bool ok = sg_index_copy(&info, index, call->args[1], err);
    sg_index_close(index);
    if (!ok) return false;
    if (o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "index", call->args[0]);
        sg_json_add_path(root, "copy", call->args[1]);
        sg_json_add_int(root, "items", (int64_t)info.items);
        sg_json_add_int(root, "generation", (int64_t)info.generation);
        ok = cli_print_json(root, err);
    } else {
        cli_remark(call, "%s holds %" PRIu64 " items, generation %" PRIu64, call->args[1], info.items,
                   info.generation);
    }
    sg_store_info_clear(&info);
    return ok;
}

static const cli_option copy_options[] = {
    {"json", 0, CLI_FLAG, AT(json), NULL, "what was copied as one JSON object", 0, 0},
};

const cli_command cmd_index_copy = {
    .name = "index copy",
    .summary = "a consistent copy, also while others write",
    .usage = "INDEX NEW [--json]",
    .examples = "index copy PHOTOS.index BACKUP.index",
    .options = copy_options,
    .noptions = sizeof copy_options / sizeof *copy_options,
    .options_size = sizeof(move_options),
    .run = run_copy,
};
