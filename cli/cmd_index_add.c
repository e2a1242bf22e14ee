/* signet index add: pictures and folders into an index. */
#include "commands.h"
#include "ingest.h"
#include "paths.h"

typedef struct add_options {
    cli_ingest ingest;
    const char *list;
    bool zero;
} add_options;

static bool run_add(const cli_call *call, int *status, sg_error *err)
{
    const add_options *o = call->options;
    cli_paths paths;
    if (!cli_need_args(call, o->list ? 1 : 2, SIZE_MAX, "INDEX and PATH", err)) return false;
    if (o->zero && !o->list) return sg_fail(err, SG_ERR_USAGE, "-0 goes with --list");
    if (!cli_paths_gather(&paths, call, o->list, o->zero, err)) return false;
    bool ok = cli_ingest_run(call, &o->ingest, CLI_ADD, paths.v, paths.n, status, err);
    cli_paths_clear(&paths);
    return ok;
}

static const cli_option add_rows[] = {
    {"list", 0, CLI_TEXT, offsetof(add_options, list), "FILE", "a path a line, - for standard input", 0, 0},
    {"zero", '0', CLI_FLAG, offsetof(add_options, zero), NULL, "the list's paths end by NUL", 0, 0},
    CLI_INGEST_OPTIONS(add_options, ingest),
};

const cli_command cmd_index_add = {
    .name = "index add",
    .summary = "add pictures and folders; what is there and unchanged is left alone",
    .usage = "INDEX PATH... [--list FILE] [--exclude PATTERN] [--strict] [--dry-run]",
    .examples = "index add PHOTOS.index ~/Pictures\n"
                "index add PHOTOS.index --list paths.txt --attribute from=camera",
    .options = add_rows,
    .noptions = sizeof add_rows / sizeof *add_rows,
    .options_size = sizeof(add_options),
    .run = run_add,
};
