#include "profile.h"

#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>

bool cli_profile_new(sg_profile **profile, const cli_profile *options, sg_error *err)
{
    *profile = NULL;
    return !(options->table || options->json) || sg_profile_new(profile, err);
}

static bool write_json(const sg_profile *profile, const char *path, sg_error *err)
{
    sg_json *json;
    char *text = NULL;
    bool ok = sg_profile_json(&json, profile, err) && sg_json_print(&text, json, true, err) &&
              sg_file_write(path, text, strlen(text), err);
    sg_free(text);
    sg_json_free(json);
    return ok;
}

bool cli_profile_tell(const sg_profile *profile, const cli_profile *options, sg_error *err)
{
    if (!profile) return true;
    return (!options->table || sg_profile_print(profile, stderr, err)) &&
           (!options->json || write_json(profile, options->json, err));
}
