/* signet index add: pictures and folders into an index. */
#include "commands.h"
#include "ingest.h"

#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>

typedef struct add_options {
    cli_ingest ingest;
    const char *list;
} add_options;

/* Paths of the command line and of --list (a path a line). lines is the file's text, parted in place; both are the
 * caller's. */
static bool gather_paths(const char ***paths, size_t *n, char **lines, const cli_call *call, const char *list,
                         sg_error *err)
{
    size_t nbytes = 0, count = call->nargs - 1, used = 0;
    *lines = NULL;
    if (list && !sg_file_read(lines, &nbytes, list, SG_MAX_FILE_NBYTES, err)) return false;
    for (size_t i = 0; i < nbytes; i++) count += (*lines)[i] == '\n';
    bool ok = nbytes == 0 || !memchr(*lines, '\0', nbytes);
    if (!ok) sg_fail(err, SG_ERR_FORMAT, "%s: a byte of value 0: no list of a path a line", list);
    if (ok && !(*paths = sg_alloc(count + 1, sizeof **paths))) ok = sg_fail_memory(err, "paths");
    if (!ok) {
        sg_free(*lines);
        return false;
    }
    for (size_t i = 1; i < call->nargs; i++) (*paths)[used++] = call->args[i];
    for (char *line = *lines, *next; line && line < *lines + nbytes; line = next) {
        next = memchr(line, '\n', (size_t)(*lines + nbytes - line));
        if (next)
            *next++ = '\0';
        else
            next = *lines + nbytes;
        if (*line) (*paths)[used++] = line;
    }
    *n = used;
    return true;
}

static bool run_add(const cli_call *call, int *status, sg_error *err)
{
    const add_options *o = call->options;
    const char **paths;
    char *lines;
    size_t n = 0;
    if (!cli_need_args(call, o->list ? 1 : 2, SIZE_MAX, "INDEX and PATH", err)) return false;
    if (!gather_paths(&paths, &n, &lines, call, o->list, err)) return false;
    bool ok = cli_ingest_run(call, &o->ingest, CLI_ADD, paths, n, status, err);
    sg_free(paths);
    sg_free(lines);
    return ok;
}

static const cli_option add_rows[] = {
    {"list", 0, CLI_TEXT, offsetof(add_options, list), "FILE", "a path a line, - for standard input", 0, 0},
    CLI_INGEST_OPTIONS(add_options, ingest),
};

const cli_command cmd_index_add = {
    .name = "index add",
    .summary = "add pictures and folders; what is there and unchanged is left alone",
    .usage = "INDEX PATH... [--list FILE] [--exclude PATTERN] [--strict] [--dry-run]",
    .examples = "index add PHOTOS.index ~/Pictures\n"
                "find . -name '*.jpg' | signet index add PHOTOS.index --list -",
    .options = add_rows,
    .noptions = sizeof add_rows / sizeof *add_rows,
    .options_size = sizeof(add_options),
    .run = run_add,
};
