/* signet index ...: make an index, and look at it. */
#include "commands.h"

#include <signet/file.h>
#include <signet/ingest.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>

typedef struct index_options {
    const char *model, *kind;
    sg_index_ways ways;
    cli_texts params;
    bool json, zero;
} index_options;

static void set_defaults(void *options)
{
    *(index_options *)options = (index_options){.kind = "flat"};
}

#define AT(member) offsetof(index_options, member)

/* --- create ------------------------------------------------------------------------------------------------- */

static bool run_create(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const index_options *o = call->options;
    if (!cli_need_args(call, 1, 1, "INDEX", err)) return false;
    if (!o->model) return sg_fail(err, SG_ERR_USAGE, "--model is missing");
    sg_kv params = SG_KV_INIT;
    sg_index_ways ways = o->ways;
    ways.params = &params;
    bool ok = cli_key_values(&params, &o->params, "param", err) &&
              sg_index_create(call->args[0], o->model, o->kind, &ways, err);
    sg_kv_clear(&params);
    if (!ok) return false;
    cli_remark(call, "made %s; add pictures with: signet index add %s PATH...", call->args[0], call->args[0]);
    return true;
}

static const cli_option create_options[] = {
    {"model", 0, CLI_TEXT, AT(model), "FILE",
     "a hash, which is copied into the index, or a classifier: the signs of its last hidden layer", 0, 0},
    CLI_KIND_OPTION(index_options, kind, " (default: flat)"),
    CLI_PARAM_OPTION(index_options, params),
    {"decode", 0, CLI_TEXT, AT(ways.decode), "HOW",
     "scaled: a large JPEG at a fraction of its size; exact: all of it (default: the model's)", 0, 0},
    CLI_PRECISION_OPTION(index_options, ways.precision, "the model's"),
    {"store-outputs", 0, CLI_FLAG, AT(ways.outputs), NULL,
     "keep the real outputs behind the codes too (4 bytes a bit), by which query can rank again", 0, 0},
};

const cli_command cmd_index_create = {
    .name = "index create",
    .summary = "make an empty index for a model's codes",
    .usage = "INDEX --model FILE [--kind flat|mih|ivf] [--decode scaled|exact] [--precision f32|bf16|auto]",
    .examples = "index create PHOTOS.index --model RUN/best.safetensors",
    .options = create_options,
    .noptions = sizeof create_options / sizeof *create_options,
    .options_size = sizeof(index_options),
    .defaults = set_defaults,
    .run = run_create,
};

/* --- list --------------------------------------------------------------------------------------------------- */

typedef struct listing {
    const index_options *options;
    size_t code_nbytes;
} listing;

static bool list_item(void *context, const sg_item *item, sg_error *err)
{
    const listing *l = context;
    if (!sg_interrupt_check(err)) return false;
    if (!l->options->json) {
        const char *path = item->path ? item->path : "";
        printf("%llu\t", (unsigned long long)item->id);
        if (l->options->zero)
            fwrite(path, 1, strlen(path) + 1, stdout);
        else {
            cli_print_text(path);
            putchar('\n');
        }
        return cli_stdout_check(err);
    }
    char code[SG_BITS_MAX / 4 + 1], content[2 * SG_CONTENT_NBYTES + 1];
    sg_hex(code, item->code, l->code_nbytes);
    sg_hex(content, item->content, SG_CONTENT_NBYTES);
    sg_json *root = sg_json_object();
    sg_json_add_int(root, "id", (int64_t)item->id);
    if (item->path)
        sg_json_add_path(root, "path", item->path);
    else
        sg_json_add_string(root, "path", NULL);
    sg_json_add_string(root, "code", code);
    sg_json_add_string(root, "content", item->path ? content : NULL);
    sg_json_add_int(root, "size", (int64_t)item->nbytes);
    sg_json_add_number(root, "mtime", (double)item->mtime_ns / 1e9);
    sg_json_add_attributes(root, item->attributes, item->attributes_nbytes);
    return cli_print_json(root, err);
}

static bool run_list(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    sg_index *index;
    if (!cli_need_args(call, 1, 1, "INDEX", err)) return false;
    if (!sg_index_open(&index, call->args[0], SG_INDEX_STORE, false, err)) return false;
    listing l = {call->options, sg_index_info(index)->nbits / 8};
    bool ok = sg_store_each(sg_index_store(index), list_item, &l, err);
    sg_index_close(index);
    return ok;
}

static const cli_option list_options[] = {
    {"json", 0, CLI_FLAG, AT(json), NULL,
     "one JSON object a picture: id, path (null: only its code is known), code, content, size, mtime, "
     "attributes",
     0, 0},
    {"zero", '0', CLI_FLAG, AT(zero), NULL, "end each line by NUL", 0, 0},
};

const cli_command cmd_index_list = {
    .name = "index list",
    .summary = "every picture of the index: id and path",
    .usage = "INDEX [--json] [-0]",
    .examples = "index list PHOTOS.index\n"
                "index list --json PHOTOS.index",
    .options = list_options,
    .noptions = sizeof list_options / sizeof *list_options,
    .options_size = sizeof(index_options),
    .defaults = set_defaults,
    .run = run_list,
};

/* --- stat --------------------------------------------------------------------------------------------------- */

static bool stat_json(const char *dir, const sg_store_info *info, const char *arch, const char *difference,
                      sg_error *err)
{
    sg_json *root = sg_json_object();
    sg_json_add_path(root, "index", dir);
    sg_json_add_int(root, "items", (int64_t)info->items);
    sg_json_add_int(root, "bits", (int64_t)info->nbits);
    sg_json_add_string(root, "kind", info->kind);
    sg_json *params = sg_json_add_object(root, "params");
    for (size_t i = 0; i < info->params.n; i++)
        sg_json_add_string(params, info->params.pairs[i].key, info->params.pairs[i].value);
    sg_json_add_int(root, "bare", (int64_t)info->bare);
    sg_json_add_int(root, "foreign", (int64_t)info->foreign);
    sg_json_add_bool(root, "outputs", info->outputs);
    sg_json_add_int(root, "generation", (int64_t)info->generation);
    sg_json_add_int(root, "next_id", (int64_t)info->next_id);
    sg_json_add_int(root, "format", info->version);
    sg_json_add_string(root, "arch", arch);
    sg_json_add_string(root, "fingerprint", info->fingerprint);
    sg_json_add_bool(root, "recipe_match", !*difference);
    if (*difference) sg_json_add_string(root, "recipe_difference", difference);
    sg_json *recipe = sg_json_add_object(root, "recipe");
    for (size_t i = 0; i < info->recipe.n; i++)
        sg_json_add_string(recipe, info->recipe.pairs[i].key, info->recipe.pairs[i].value);
    return cli_print_json(root, err);
}

static void stat_text(const sg_store_info *info, const char *arch, const char *difference)
{
    printf("items       %llu\n", (unsigned long long)info->items);
    if (info->bare) printf("bare        %llu (codes without a path)\n", (unsigned long long)info->bare);
    if (info->foreign)
        printf("foreign     %llu (coded otherwise than recorded)\n", (unsigned long long)info->foreign);
    printf("bits        %zu%s\nkind        %s", info->nbits, info->outputs ? ", real outputs too" : "",
           info->kind);
    for (size_t i = 0; i < info->params.n; i++)
        printf(", %s %s", info->params.pairs[i].key, info->params.pairs[i].value);
    printf("\ngeneration  %llu\nencoder     %s, %s\nrecipe      ", (unsigned long long)info->generation, arch,
           info->fingerprint);
    for (size_t i = 0; i < info->recipe.n; i++)
        printf("%s%s %s", i ? ", " : "", info->recipe.pairs[i].key, info->recipe.pairs[i].value);
    printf("\nhere        %s%s\n", *difference ? "differs: " : "the same", difference);
}

static bool run_stat(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const index_options *o = call->options;
    sg_index *index;
    if (!cli_need_args(call, 1, 1, "INDEX", err)) return false;
    if (!sg_index_open(&index, call->args[0], SG_INDEX_ENCODE, false, err)) return false;
    const sg_store_info *info = sg_index_info(index);
    const char *difference = sg_index_recipe_difference(index);
    const char *arch = sg_model_spec(sg_encoder_model(sg_index_encoder(index)))->arch;
    bool ok = true;
    if (o->json)
        ok = stat_json(call->args[0], info, arch, difference, err);
    else
        stat_text(info, arch, difference);
    sg_index_close(index);
    return ok;
}

static const cli_option stat_options[] = {
    {"json", 0, CLI_FLAG, AT(json), NULL, "one JSON object", 0, 0},
};

const cli_command cmd_index_stat = {
    .name = "index stat",
    .summary = "how many pictures, by which encoder and recipe",
    .usage = "INDEX [--json]",
    .examples = "index stat PHOTOS.index",
    .options = stat_options,
    .noptions = sizeof stat_options / sizeof *stat_options,
    .options_size = sizeof(index_options),
    .defaults = set_defaults,
    .run = run_stat,
};
