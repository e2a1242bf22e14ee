/* signet index verify: is the index what it says? */
#include "commands.h"

#include <signet/file.h>
#include <signet/ingest.h>
#include <signet/mem.h>
#include <string.h>

static void print_fault(void *context, const char *fault)
{
    (void)context;
    cli_print_text(fault);
    putchar('\n');
}

/* The encoder's own sums; and is it the one that the index, which is sound, was made with? */
static bool check_encoder(const char *dir, bool sound, sg_error *err)
{
    sg_index *index = NULL;
    sg_model *model = NULL;
    char *path;
    if (!sg_path_join(&path, dir, SG_INDEX_ENCODER, err)) return false;
    bool ok = sg_model_load(&model, path, err) &&
              (sg_model_check(model, err) || sg_prefix(err, "%s", path)) &&
              (!sound || sg_index_open(&index, dir, SG_INDEX_STORE, false, err));
    if (ok && sound && strcmp(model->fingerprint, sg_index_info(index)->fingerprint))
        ok = sg_fail(err, SG_ERR_MISMATCH, "%s: is not the encoder that the index was made with", path);
    sg_index_close(index);
    sg_model_free(model);
    sg_free(path);
    return ok;
}

static bool run(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    size_t faults;
    if (!cli_need_args(call, 1, 1, "INDEX", err)) return false;
    const char *dir = call->args[0];
    if (!sg_store_verify_apart(&faults, dir, print_fault, NULL, err)) return false;
    if (!check_encoder(dir, faults == 0, err)) return false;
    if (faults) return sg_fail(err, SG_ERR_FORMAT, "%s: %zu faults", dir, faults);
    cli_remark(call, "%s is sound", dir);
    return true;
}

const cli_command cmd_index_verify = {
    .name = "index verify",
    .summary = "check every record, every checksum and the encoder",
    .usage = "INDEX",
    .examples = "index verify PHOTOS.index",
    .run = run,
};
