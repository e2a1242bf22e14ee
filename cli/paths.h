/* Paths that a command is given: operands, and a list. */
#ifndef SIGNET_CLI_PATHS_H
#define SIGNET_CLI_PATHS_H

#include "options.h"

typedef struct cli_paths {
    const char **v;
    size_t n;
    char *lines; /* the list's text, parted in place */
} cli_paths;

/* The operands after the first, then those of list (NULL: none; "-": standard input), a path a line, or with zero each
 * ended by NUL. */
bool cli_paths_gather(cli_paths *paths, const cli_call *call, const char *list, bool zero, sg_error *err);
void cli_paths_clear(cli_paths *paths);

#endif
