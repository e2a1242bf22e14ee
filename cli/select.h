/* Which items of an index a command is about: paths, folders, ids, a condition on attributes. */
#ifndef SIGNET_CLI_SELECT_H
#define SIGNET_CLI_SELECT_H

#include "common.h"

#include <signet/edit.h>
#include <signet/ingest.h>

typedef struct cli_select {
    cli_texts ids, prefixes, where;
    const char *id_list; /* of ids, or NULL */
    const char *list;    /* of paths, or NULL: an option of remove alone */
    bool zero;
} cli_select;

#define CLI_SELECT_OPTIONS(type, member)                                                                       \
    {"id", 0, CLI_TEXTS, offsetof(type, member.ids), "ID,...", "by id", 0, 0},                                 \
        {"id-list", 0, CLI_TEXT, offsetof(type, member.id_list), "FILE", "an id a line, - for standard input", \
         0,         0},                                                                                        \
        {"prefix", 0, CLI_PATHS, offsetof(type, member.prefixes), "DIR", "all below the folder, as PATH does", \
         0,        0},                                                                                         \
    {                                                                                                          \
        "where", 0, CLI_PATHS, offsetof(type, member.where), "KEY=VALUE",                                      \
            "of these, or of all, those with the attribute (KEY!=VALUE: without it; KEY:\n" CLI_HELP_INDENT    \
            "any value); several must all hold",                                                               \
            0, 0                                                                                               \
    }

/* Is there an option that selects? */
bool cli_selects(const cli_select *select);
/* INDEX, and something that selects. */
bool cli_select_check(const cli_call *call, const cli_select *select, sg_error *err);
/* Of the call's operands after INDEX, and the options; pictures: --where alone is about no bare codes. As
 * sg_select_items. */
bool cli_select_items(uint64_t **ids, size_t *n, sg_store *store, const cli_call *call,
                      const cli_select *select, bool pictures, sg_error *err);
/* A line of a dry run: {"would": WORD, "id": ID, "path": PATH}, or WORD, a tab and the path. path NULL: a bare code. */
bool cli_print_change(const char *word, uint64_t id, const char *path, bool json, sg_error *err);

#endif
