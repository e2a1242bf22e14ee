/* signet index compact, copy, merge, relocate: a whole index made smaller, doubled, joined, moved. */
#include "commands.h"

#include <inttypes.h>
#include <signet/file.h>
#include <signet/ingest.h>
#include <signet/join.h>
#include <signet/mem.h>
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

/* --- merge -------------------------------------------------------------------------------------------------- */

static bool report_merge(const sg_join_counts *c, const char *other, const cli_call *call, sg_error *err)
{
    const move_options *o = call->options;
    if (o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "index", call->args[0]);
        sg_json_add_path(root, "other", other);
        sg_json_add_int(root, "added", (int64_t)c->added);
        sg_json_add_int(root, "updated", (int64_t)c->updated);
        sg_json_add_int(root, "older", (int64_t)c->older);
        sg_json_add_int(root, "unchanged", (int64_t)c->unchanged);
        sg_json_add_int(root, "codes", (int64_t)c->codes);
        sg_json_add_int(root, "pairs", (int64_t)c->pairs);
        sg_json_add_bool(root, "dry_run", o->dry_run);
        return cli_print_json(root, err);
    }
    cli_print_text(other);
    printf(": added %" PRIu64 ", updated %" PRIu64 ", older %" PRIu64 ", unchanged %" PRIu64
           ", bare codes %" PRIu64 ", pairs %" PRIu64 "%s\n",
           c->added, c->updated, c->older, c->unchanged, c->codes, c->pairs, o->dry_run ? " (dry run)" : "");
    return true;
}

static bool run_merge(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const move_options *o = call->options;
    sg_index *index;
    if (!cli_need_args(call, 2, SIZE_MAX, "INDEX and OTHER", err)) return false;
    if (!sg_index_open(&index, call->args[0], SG_INDEX_STORE, !o->dry_run, err)) return false;
    bool ok = true;
    for (size_t i = 1; ok && i < call->nargs; i++) {
        sg_join_counts counts;
        sg_progress progress;
        sg_progress_init(&progress, cli_log(call), "merge", "items", 0);
        sg_merge_options options = {.only_check = o->dry_run, .progress = &progress};
        ok = sg_index_merge(&counts, index, call->args[i], &options, err);
        sg_progress_end(&progress);
        if (ok)
            ok = report_merge(&counts, call->args[i], call, err);
        else if (!o->dry_run && err->code == SG_ERR_INTERRUPTED)
            sg_prefix(err, "%s keeps %" PRIu64 " added and %" PRIu64 " updated of %s", call->args[0],
                      counts.added, counts.updated, call->args[i]);
    }
    sg_index_close(index);
    return ok;
}

static const cli_option merge_options[] = {
    {"dry-run", 0, CLI_FLAG, AT(dry_run), NULL, "only say what would be done, of each OTHER by itself", 0, 0},
    {"json", 0, CLI_FLAG, AT(json), NULL, "the counts as one JSON object for each OTHER", 0, 0},
    {NULL, 0, CLI_NEW_GROUP, 0, NULL,
     "what comes of it\n"
     "  A path that is in both keeps the content whose file is newer (INDEX's when they are as old) and has "
     "the\n"
     "  attributes of both. Real outputs come along where both keep them; pairs marked as no duplicates "
     "where both\n"
     "  contents come. Codes without a picture have no name to be known by: merged twice, they are there "
     "twice.",
     0, 0},
};

const cli_command cmd_index_merge = {
    .name = "index merge",
    .summary = "put all of other indexes of the same encoder into one",
    .usage = "INDEX OTHER... [--dry-run] [--json]",
    .examples = "index merge ALL.index LAPTOP.index CAMERA.index",
    .options = merge_options,
    .noptions = sizeof merge_options / sizeof *merge_options,
    .options_size = sizeof(move_options),
    .run = run_merge,
};

/* --- relocate ----------------------------------------------------------------------------------------------- */

static bool run_relocate(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const move_options *o = call->options;
    sg_index *index = NULL;
    char *from = NULL, *to = NULL;
    uint64_t n;
    if (!cli_need_args(call, 3, 3, "INDEX, OLD and NEW", err)) return false;
    bool ok = sg_path_absolute(&from, call->args[1], err) && sg_path_absolute(&to, call->args[2], err) &&
              sg_index_open(&index, call->args[0], SG_INDEX_STORE, !o->dry_run, err) &&
              sg_store_relocate(&n, sg_index_store(index), from, to, o->dry_run, err);
    if (ok && o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "index", call->args[0]);
        sg_json_add_path(root, "old", from);
        sg_json_add_path(root, "new", to);
        sg_json_add_int(root, "relocated", (int64_t)n);
        sg_json_add_bool(root, "dry_run", o->dry_run);
        ok = cli_print_json(root, err);
    } else if (ok && o->dry_run) {
        printf("would be: relocated %" PRIu64 "\n", n);
    } else if (ok) {
        cli_remark(call, "relocated %" PRIu64, n);
    }
    sg_index_close(index);
    sg_free(from);
    sg_free(to);
    return ok;
}

static const cli_option relocate_options[] = {
    {"dry-run", 0, CLI_FLAG, AT(dry_run), NULL, "only say how many, and whether it can be done", 0, 0},
    {"json", 0, CLI_FLAG, AT(json), NULL, "the count as one JSON object", 0, 0},
};

const cli_command cmd_index_relocate = {
    .name = "index relocate",
    .summary = "the pictures of folder OLD lie in NEW now: all their paths, or none",
    .usage = "INDEX OLD NEW [--dry-run] [--json]",
    .examples = "index relocate PHOTOS.index /media/disk/photos /home/ada/photos",
    .options = relocate_options,
    .noptions = sizeof relocate_options / sizeof *relocate_options,
    .options_size = sizeof(move_options),
    .run = run_relocate,
};
