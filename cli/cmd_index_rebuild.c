/* signet index rebuild: an index's codes made anew, or its search. */
#include "commands.h"

#include <inttypes.h>
#include <signet/index_search.h>
#include <signet/reencode.h>
#include <string.h>

typedef struct rebuild_options {
    const char *encoder, *kind;
    cli_texts params;
    sg_index_ways ways;
    bool drop_bare, prune, dry_run, json;
} rebuild_options;

#define AT(member) offsetof(rebuild_options, member)

typedef struct notes {
    sg_progress progress;
    bool prune;
} notes;

static void note(void *context, sg_reencode_event event, const char *path, const char *what)
{
    notes *n = context;
    static const char *const words[] = {"gone", "broken", "changed"};
    (void)path;
    sg_progress_end(&n->progress);
    cli_warn("%s: %s", n->prune && event != SG_REENCODE_CHANGED ? "left out" : words[event], what);
}

static bool report(const sg_reencode_counts *c, const cli_call *call, sg_error *err)
{
    const rebuild_options *o = call->options;
    if (o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "index", call->args[0]);
        sg_json_add_bool(root, "current", c->current);
        sg_json_add_int(root, "encoded", (int64_t)c->encoded);
        sg_json_add_int(root, "resumed", (int64_t)c->resumed);
        sg_json_add_int(root, "changed", (int64_t)c->changed);
        sg_json_add_int(root, "gone", (int64_t)c->gone);
        sg_json_add_int(root, "broken", (int64_t)c->broken);
        sg_json_add_int(root, "bare", (int64_t)c->bare);
        if (o->dry_run) sg_json_add_bool(root, "dry_run", true);
        return cli_print_json(root, err);
    }
    if (c->current) {
        cli_print_text(call->args[0]);
        puts(" is made by this encoder already");
        return cli_stdout_check(err);
    }
    printf("%sencoded %" PRIu64 ", resumed %" PRIu64 ", changed %" PRIu64 ", gone %" PRIu64
           ", broken %" PRIu64 ", bare codes dropped %" PRIu64 "\n",
           o->dry_run ? "would be: " : "", c->encoded, c->resumed, c->changed, c->gone, c->broken, c->bare);
    return cli_stdout_check(err);
}

/* --- another kind ------------------------------------------------------------------------------------------- */

static bool report_kind(const cli_call *call, const sg_store_info *info, const char *kind,
                        const sg_kv *params, sg_error *err)
{
    const rebuild_options *o = call->options;
    if (o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "index", call->args[0]);
        sg_json_add_string(root, "kind", kind);
        sg_json *list = sg_json_add_object(root, "params");
        for (size_t i = 0; i < params->n; i++)
            sg_json_add_string(list, params->pairs[i].key, params->pairs[i].value);
        sg_json_add_int(root, "items", (int64_t)info->items);
        if (o->dry_run) sg_json_add_bool(root, "dry_run", true);
        return cli_print_json(root, err);
    }
    printf("%s%s", o->dry_run ? "would be: " : "", kind);
    for (size_t i = 0; i < params->n; i++) printf(", %s %s", params->pairs[i].key, params->pairs[i].value);
    printf(", over %" PRIu64 " codes\n", info->items);
    return cli_stdout_check(err);
}

/* Without --kind that which it has, without --param its own ones; another kind starts from its defaults. */
static bool rebuild_kind(const cli_call *call, sg_error *err)
{
    const rebuild_options *o = call->options;
    sg_index *index;
    sg_kv params = SG_KV_INIT;
    if (!sg_index_open(&index, call->args[0], SG_INDEX_STORE, !o->dry_run, err)) return false;
    const sg_store_info *info = sg_index_info(index);
    const char *kind = o->kind ? o->kind : info->kind;
    bool ok = strcmp(kind, info->kind) != 0 || o->params.n > 0 || sg_kv_copy(&params, &info->params, err);
    ok = ok && cli_key_values(&params, &o->params, "param", err) &&
         sg_search_params_check(kind, &params, info->nbits, err) &&
         (o->dry_run || sg_index_set_kind(index, kind, &params, err)) &&
         report_kind(call, info, kind, &params, err);
    sg_kv_clear(&params);
    sg_index_close(index);
    return ok;
}

static bool check(const cli_call *call, sg_error *err)
{
    const rebuild_options *o = call->options;
    if (!cli_need_args(call, 1, 1, "INDEX", err)) return false;
    if (!o->encoder && !o->kind && !o->params.n)
        return sg_fail(err, SG_ERR_USAGE, "--encoder or --kind is missing");
    if (o->encoder && (o->kind || o->params.n))
        return sg_fail(err, SG_ERR_USAGE, "--encoder and --kind are two commands");
    if (!o->encoder && (o->ways.decode || o->ways.precision || o->drop_bare || o->prune))
        return sg_fail(err, SG_ERR_USAGE, "--decode, --precision, --drop-bare and --prune go with --encoder");
    return true;
}

static bool run_rebuild(const cli_call *call, int *status, sg_error *err)
{
    const rebuild_options *o = call->options;
    sg_reencode_counts counts;
    notes n = {.prune = o->prune};
    if (!check(call, err)) return false;
    if (!o->encoder) return rebuild_kind(call, err);
    const sg_reencode_options options = {.ways = o->ways,
                                         .drop_bare = o->drop_bare,
                                         .prune = o->prune,
                                         .dry_run = o->dry_run,
                                         .max_pixels = (uint64_t)call->common.max_pixels,
                                         .threads = (int)call->common.threads,
                                         .note = note,
                                         .context = &n,
                                         .progress = &n.progress};
    sg_progress_init(&n.progress, cli_log(call), "rebuild", "images", 0);
    bool ok = sg_index_reencode(&counts, call->args[0], o->encoder, &options, err);
    sg_progress_end(&n.progress);
    if (ok) ok = report(&counts, call, err);
    if (!ok && !o->dry_run && err->code == SG_ERR_INTERRUPTED)
        sg_prefix(err,
                  "%s is as it was; %" PRIu64 " are encoded anew, and the same command goes on from there",
                  call->args[0], counts.encoded + counts.resumed);
    if (counts.changed || counts.gone || counts.broken) *status = 1;
    return ok;
}

static const cli_option rebuild_rows[] = {
    {"encoder", 0, CLI_TEXT, AT(encoder), "FILE",
     "encode all pictures anew by this model; ids, attributes and pairs stay, and\n" CLI_HELP_INDENT
     "the old index answers until the new one is whole; cut short, the same\n" CLI_HELP_INDENT
     "command goes on",
     0, 0},
    {"prune", 0, CLI_FLAG, AT(prune), NULL,
     "leave out pictures whose files are gone or broken (default: then the old\n" CLI_HELP_INDENT
     "index stays); never those that may only be out of sight (a disk that is\n" CLI_HELP_INDENT
     "not mounted)",
     0, 0},
    CLI_KIND_OPTION(rebuild_options, kind, ""),
    CLI_PARAM_OPTION(rebuild_options, params),
    {"decode", 0, CLI_TEXT, AT(ways.decode), "HOW",
     "scaled: a large JPEG at a fraction of its size; exact: all of it (default: the model's)", 0, 0},
    CLI_PRECISION_OPTION(rebuild_options, ways.precision, "the model's"),
    {"drop-bare", 0, CLI_FLAG, AT(drop_bare), NULL,
     "leave out codes without a picture, which cannot be encoded anew (default:\n" CLI_HELP_INDENT
     "they are refused)",
     0, 0},
    {"dry-run", 0, CLI_FLAG, AT(dry_run), NULL, "only say what would be done, by the files' sizes and times",
     0, 0},
    {"json", 0, CLI_FLAG, AT(json), NULL, "the counts as one JSON object", 0, 0},
};

const cli_command cmd_index_rebuild = {
    .name = "index rebuild",
    .summary = "make an index's codes anew by another model, or its search of another kind",
    .usage = "INDEX (--encoder FILE [--decode scaled|exact] [--precision f32|bf16|auto] [--prune] |\n"
             "                              --kind flat|mih|ivf [--param KEY=VALUE])",
    .examples = "index rebuild PHOTOS.index --encoder RUN/best.safetensors\n"
                "index rebuild PHOTOS.index --kind ivf --param lists=4096,probes=64",
    .options = rebuild_rows,
    .noptions = sizeof rebuild_rows / sizeof *rebuild_rows,
    .options_size = sizeof(rebuild_options),
    .run = run_rebuild,
};
