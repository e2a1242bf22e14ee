/* The pictures that a query names: operands, folders, a list. */
#ifndef SIGNET_CLI_QUERY_INPUTS_H
#define SIGNET_CLI_QUERY_INPUTS_H

#include "common.h"

#include <signet/query.h>

typedef struct query_input_options {
    const char *list;         /* NULL: none; "-": standard input */
    bool zero;                /* its paths end by NUL, not at the line's end */
    bool hidden;              /* hidden files of folders too */
    const cli_texts *exclude; /* patterns of what is left out in folders */
} query_input_options;

typedef struct query_inputs {
    sg_query_file *files; /* in the order of asking */
    size_t n, cap;
    query_input_options options;
    char *list;   /* a list's text, parted in place */
    char **owned; /* paths of folders' files */
    size_t nowned, owned_cap;
} query_inputs;

/* Operands, then the list's. A folder stands for all of its files. What of a folder cannot be read is listed, and *status
 * set to 1. */
bool query_inputs_gather(query_inputs *inputs, const char *const *args, size_t nargs,
                         const query_input_options *options, int *status, sg_error *err);
void query_inputs_clear(query_inputs *inputs);

#endif
