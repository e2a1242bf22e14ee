/* --profile: what encode, train and attack share of it. */
#ifndef SIGNET_CLI_PROFILE_H
#define SIGNET_CLI_PROFILE_H

#include "options.h"

#include <signet/profile.h>

typedef struct cli_profile {
    bool table;
    const char *json;
} cli_profile;

#define CLI_PROFILE_OPTIONS(type, member)                                                                    \
    {"profile", 0,                                                                                           \
     CLI_FLAG,  offsetof(type, member.table),                                                                \
     NULL,      "at the end, where the time went by layer and kind, on stderr",                              \
     0,         0},                                                                                          \
    {                                                                                                        \
        "profile-json", 0, CLI_TEXT, offsetof(type, member.json), "FILE", "the same as a JSON file", 0, 0    \
    }

/* *profile is NULL where neither was asked for. */
bool cli_profile_new(sg_profile **profile, const cli_profile *options, sg_error *err);
/* Prints, writes the file. Does nothing for NULL. */
bool cli_profile_tell(const sg_profile *profile, const cli_profile *options, sg_error *err);

#endif
