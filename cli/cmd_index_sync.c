/* signet index sync: an index made equal to folders. */
#include "commands.h"
#include "ingest.h"

typedef struct sync_options {
    cli_ingest ingest;
    bool prune;
} sync_options;

static bool run_sync(const cli_call *call, int *status, sg_error *err)
{
    const sync_options *o = call->options;
    if (!cli_need_args(call, 2, SIZE_MAX, "INDEX and DIR", err)) return false;
    return cli_ingest_run(call, &o->ingest, o->prune ? CLI_SYNC_PRUNE : CLI_SYNC, call->args + 1,
                          call->nargs - 1, status, err);
}

static const cli_option sync_rows[] = {
    {"prune", 0, CLI_FLAG, offsetof(sync_options, prune), NULL,
     "remove pictures of these folders whose files are gone (default: only\n" CLI_HELP_INDENT
     "count them); never those that are hidden or excluded, or whose folder\n" CLI_HELP_INDENT
     "is absent, empty or unreadable, or whose disk is not mounted where it was",
     0, 0},
    CLI_INGEST_OPTIONS(sync_options, ingest),
};

const cli_command cmd_index_sync = {
    .name = "index sync",
    .summary = "make the index equal to folders: new, changed and gone pictures",
    .usage = "INDEX DIR... [--prune] [--exclude PATTERN] [--dry-run]",
    .examples = "index sync PHOTOS.index ~/Pictures --prune\n"
                "index sync PHOTOS.index ~/Pictures --prune --dry-run -v",
    .options = sync_rows,
    .noptions = sizeof sync_rows / sizeof *sync_rows,
    .options_size = sizeof(sync_options),
    .run = run_sync,
};
