/* The commands, one file each group; commands.c lists them. */
#ifndef SIGNET_CLI_COMMANDS_H
#define SIGNET_CLI_COMMANDS_H

#include "common.h"

extern const cli_command cmd_data_info, cmd_data_export, cmd_train, cmd_model_info, cmd_model_import,
    cmd_model_export, cmd_encode, cmd_classify;
extern const cli_command cmd_index_create, cmd_index_add, cmd_index_sync, cmd_index_rebuild, cmd_index_set,
    cmd_index_remove, cmd_index_list, cmd_index_stat, cmd_index_verify, cmd_index_repair;
extern const cli_command cmd_index_compact, cmd_index_copy, cmd_index_merge, cmd_index_relocate,
    cmd_index_import, cmd_index_export;
extern const cli_command cmd_index_dedupe, cmd_index_histogram;
extern const cli_command cmd_query, cmd_attack, cmd_eval, cmd_audit;

#endif
