#include "commands.h"

/* A command a line. */
/* clang-format off */
const cli_command *const cli_commands[] = {
    &cmd_data_info,
    &cmd_data_export,
    &cmd_train,
    &cmd_model_info,
    &cmd_model_import,
    &cmd_model_export,
    &cmd_encode,
    &cmd_classify,
    &cmd_index_create,
    &cmd_index_add,
    &cmd_index_sync,
    &cmd_index_remove,
    &cmd_index_set,
    &cmd_index_rebuild,
    &cmd_index_list,
    &cmd_index_stat,
    &cmd_index_verify,
    &cmd_index_repair,
    &cmd_index_compact,
    &cmd_index_copy,
    &cmd_index_merge,
    &cmd_index_relocate,
    &cmd_index_import,
    &cmd_index_export,
    &cmd_index_dedupe,
    &cmd_index_histogram,
    &cmd_query,
    &cmd_attack,
    &cmd_eval,
    &cmd_audit,
};
/* clang-format on */
const size_t cli_ncommands = sizeof cli_commands / sizeof *cli_commands;
