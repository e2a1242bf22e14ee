/* What adding to an index and syncing it have in common on the command line. */
#ifndef SIGNET_CLI_INGEST_H
#define SIGNET_CLI_INGEST_H

#include "common.h"

#include <signet/ingest.h>

typedef struct cli_ingest {
    bool strict, hidden, json, dry_run, any_recipe, folder_labels;
    cli_texts exclude, attributes;
} cli_ingest;

#define CLI_INGEST_OPTIONS(type, member)                                                                     \
    {"strict", 0, CLI_FLAG, offsetof(type, member.strict), NULL, "stop at the first broken image", 0, 0},    \
        {"hidden", 0, CLI_FLAG, offsetof(type, member.hidden), NULL, "hidden files of folders too", 0, 0},   \
        {"exclude",                                                                                          \
         0,                                                                                                  \
         CLI_PATHS,                                                                                          \
         offsetof(type, member.exclude),                                                                     \
         "PATTERN",                                                                                          \
         "leave out files and whole folders whose name, or path below the folder,\n" CLI_HELP_INDENT         \
         "is like it (* ? [...]); may be repeated",                                                          \
         0,                                                                                                  \
         0},                                                                                                 \
        {"attribute", 0,                                                                                     \
         CLI_PATHS,   offsetof(type, member.attributes),                                                     \
         "KEY=VALUE", "give it to all that is added or updated; may be repeated",                            \
         0,           0},                                                                                    \
        {"labels-from-folders",                                                                              \
         0,                                                                                                  \
         CLI_FLAG,                                                                                           \
         offsetof(type, member.folder_labels),                                                               \
         NULL,                                                                                               \
         "label each by the folder right below the one that was named: label=NAME",                          \
         0,                                                                                                  \
         0},                                                                                                 \
        {"any-recipe",                                                                                       \
         0,                                                                                                  \
         CLI_FLAG,                                                                                           \
         offsetof(type, member.any_recipe),                                                                  \
         NULL,                                                                                               \
         "add even where other codes are made than recorded (another precision):\n" CLI_HELP_INDENT          \
         "they are counted as foreign",                                                                      \
         0,                                                                                                  \
         0},                                                                                                 \
        {"dry-run",                                                                                          \
         0,                                                                                                  \
         CLI_FLAG,                                                                                           \
         offsetof(type, member.dry_run),                                                                     \
         NULL,                                                                                               \
         "only say what would be done (-v, --json: with a line a file); new files\n" CLI_HELP_INDENT         \
         "are not decoded, so that broken ones are not found",                                               \
         0,                                                                                                  \
         0},                                                                                                 \
    {                                                                                                        \
        "json", 0, CLI_FLAG, offsetof(type, member.json), NULL, "the counts as one JSON object", 0, 0        \
    }

typedef enum { CLI_ADD, CLI_SYNC, CLI_SYNC_PRUNE } cli_ingest_what;

/* Of --attribute. *attributes is empty before; the caller's. */
bool cli_parse_attributes(sg_attributes *attributes, const cli_texts *texts, sg_error *err);
/* Opens the index that is the call's first argument, does it with the paths, reports on standard output. */
bool cli_ingest_run(const cli_call *call, const cli_ingest *options, cli_ingest_what what,
                    const char *const *paths, size_t n, int *status, sg_error *err);

#endif
