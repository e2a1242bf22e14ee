/* signet index repair: a new index of all that is sound in a damaged one. */
#include "commands.h"

#include <signal.h>
#include <signet/file.h>
#include <signet/ingest.h>
#include <signet/mem.h>
#include <string.h>

typedef struct repair_options {
    const char *out, *model;
    bool json;
} repair_options;

/* Where the new index's encoder comes from. */
typedef struct source {
    const char *dir, *model;
} source;

/* Copies the model that is given, or the old index's own, which must be sound and the one that its codes are of. */
static bool copy_encoder(void *context, const char *folder, sg_error *err)
{
    const source *from = context;
    sg_model *model = NULL;
    sg_index *made = NULL;
    char *to = NULL, *own = NULL;
    bool ok = sg_path_join(&own, from->dir, SG_INDEX_ENCODER, err) &&
              sg_path_join(&to, folder, SG_INDEX_ENCODER, err);
    const char *path = from->model ? from->model : own;
    if (ok)
        ok = sg_model_load(&model, path, err) && (sg_model_check(model, err) || sg_prefix(err, "%s", path));
    if (!ok && !from->model && err->code != SG_ERR_MEMORY && err->code != SG_ERR_INTERRUPTED)
        sg_prefix(err, "the encoder is lost: give a copy by --model");
    if (ok) ok = sg_file_copy(path, to, err) && sg_index_open(&made, folder, SG_INDEX_STORE, false, err);
    if (ok && strcmp(model->fingerprint, sg_index_info(made)->fingerprint))
        ok = sg_fail(err, SG_ERR_MISMATCH, "%s: is not the encoder that the index was made with", path);
    sg_index_close(made);
    sg_model_free(model);
    sg_free(own);
    sg_free(to);
    return ok;
}

/* One line each: id, what is lost, path. */
static void print_lost(void *context, uint64_t id, const char *path, const char *what)
{
    const repair_options *o = context;
    if (!o->json) {
        printf("%llu\t%s\t", (unsigned long long)id, what);
        if (path) cli_print_text(path);
        putchar('\n');
        return;
    }
    sg_json *root = sg_json_object();
    sg_json_add_int(root, "id", (int64_t)id);
    sg_json_add_string(root, "lost", what);
    if (path) sg_json_add_path(root, "path", path);
    cli_print_json(root, NULL);
}

static bool print_counts(const sg_repair_counts *c, const char *out, sg_error *err)
{
    sg_json *root = sg_json_object();
    sg_json_add_path(root, "index", out);
    sg_json_add_int(root, "saved", (int64_t)c->saved);
    sg_json_add_int(root, "lost", (int64_t)c->lost);
    sg_json_add_int(root, "without_outputs", (int64_t)c->partly);
    sg_json_add_int(root, "perhaps_older", (int64_t)c->older);
    sg_json_add_int(root, "unknown", (int64_t)c->unknown);
    return cli_print_json(root, err);
}

static bool run(const cli_call *call, int *status, sg_error *err)
{
    const repair_options *o = call->options;
    sg_repair_counts c;
    if (!cli_need_args(call, 1, 1, "INDEX", err) || !cli_need_out(o->out, "the new index", err)) return false;
    source from = {call->args[0], o->model};
    sg_repair_options options = {copy_encoder, &from, print_lost, (void *)o};
    signal(SIGPIPE, SIG_IGN); /* who reads only the head of the list does not end the repair */
    if (!sg_store_repair(&c, call->args[0], o->out, &options, err)) return false;
    if (c.lost || c.partly || c.older || c.unknown) *status = 1;
    cli_remark(call,
               "%s: %llu saved, %llu lost, %llu without their outputs, %llu perhaps by an older record, "
               "%llu of which nothing is left",
               o->out, (unsigned long long)c.saved, (unsigned long long)c.lost, (unsigned long long)c.partly,
               (unsigned long long)c.older, (unsigned long long)c.unknown);
    return !o->json || print_counts(&c, o->out, err);
}

#define AT(member) offsetof(repair_options, member)
static const cli_option options[] = {
    {"out", 'o', CLI_TEXT, AT(out), "NEW", "the new index; INDEX stays as it is", 0, 0},
    {"model", 0, CLI_TEXT, AT(model), "FILE", "a copy of the encoder, where the index's own is damaged", 0,
     0},
    {"json", 0, CLI_FLAG, AT(json), NULL, "one JSON object for each lost picture, and one at the end", 0, 0},
};

const cli_command cmd_index_repair = {
    .name = "index repair",
    .summary = "a new index of all that is sound in a damaged one; what is lost is listed",
    .usage = "INDEX -o NEW [--model FILE] [--json]",
    .examples = "index repair PHOTOS.index -o SAVED.index\n"
                "index repair PHOTOS.index -o SAVED.index | cut -f 3 | grep . | signet index add SAVED.index "
                "--list -",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(repair_options),
    .run = run,
};
