/* signet index ...: make an index, and put pictures in and out of it. */
#include "commands.h"

#include <signet/file.h>
#include <signet/ingest.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/search.h>
#include <signet/table.h>
#include <stdlib.h>
#include <string.h>

typedef struct index_options {
    const char *model, *kind, *list;
    sg_index_ways ways;
    bool strict, hidden, json, zero;
    cli_texts ids;
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
    if (!sg_index_create(call->args[0], o->model, o->kind, &o->ways, err)) return false;
    cli_remark(call, "made %s; add pictures with: signet index add %s PATH...", call->args[0], call->args[0]);
    return true;
}

static const cli_option create_options[] = {
    {"model", 0, CLI_TEXT, AT(model), "FILE", "a hash model: it is copied into the index", 0, 0},
    {"kind", 0, CLI_TEXT, AT(kind), "KIND", "kind of search: flat (exact; the default)", 0, 0},
    {"decode", 0, CLI_TEXT, AT(ways.decode), "HOW",
     "scaled: a large JPEG at a fraction of its size; exact: all of it (default: the model's)", 0, 0},
    CLI_PRECISION_OPTION(index_options, ways.precision, "the model's"),
};

const cli_command cmd_index_create = {
    .name = "index create",
    .summary = "make an empty index for a model's codes",
    .usage = "INDEX --model FILE [--kind flat] [--decode scaled|exact] [--precision f32|bf16|auto]",
    .examples = "index create PHOTOS.index --model RUN/best.safetensors",
    .options = create_options,
    .noptions = sizeof create_options / sizeof *create_options,
    .options_size = sizeof(index_options),
    .defaults = set_defaults,
    .run = run_create,
};

/* --- add ---------------------------------------------------------------------------------------------------- */

/* Paths of the command line and of --list (a path a line). lines is the file's text, parted in place; both are the
 * caller's. */
static bool gather_paths(const char ***paths, size_t *n, char **lines, const cli_call *call, const char *list,
                         sg_error *err)
{
    size_t nbytes = 0, count = call->nargs - 1, used = 0;
    *lines = NULL;
    if (list && !sg_file_read(lines, &nbytes, list, SG_MAX_FILE_NBYTES, err)) return false;
    for (size_t i = 0; i < nbytes; i++) count += (*lines)[i] == '\n';
    bool ok = nbytes == 0 || !memchr(*lines, '\0', nbytes);
    if (!ok) sg_fail(err, SG_ERR_FORMAT, "%s: a byte of value 0: no list of a path a line", list);
    if (ok && !(*paths = sg_alloc(count + 1, sizeof **paths))) ok = sg_fail_memory(err, "paths");
    if (!ok) {
        sg_free(*lines);
        return false;
    }
    for (size_t i = 1; i < call->nargs; i++) (*paths)[used++] = call->args[i];
    for (char *line = *lines, *next; line && line < *lines + nbytes; line = next) {
        next = memchr(line, '\n', (size_t)(*lines + nbytes - line));
        if (next)
            *next++ = '\0';
        else
            next = *lines + nbytes;
        if (*line) (*paths)[used++] = line;
    }
    *n = used;
    return true;
}

typedef struct add_notes {
    const cli_call *call;
    sg_progress *progress;
} add_notes;

static void note(void *context, sg_ingest_event event, const char *path, const char *what)
{
    const add_notes *notes = context;
    sg_progress_end(notes->progress);
    if (event == SG_INGEST_SKIPPED)
        cli_warn("skipped: %s", what);
    else
        cli_remark(notes->call, "%s: %s", path, what);
}

static bool report_add(const sg_ingest_counts *c, const index_options *o, const char *index, sg_error *err)
{
    if (o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "index", index);
        sg_json_add_int(root, "added", (int64_t)c->added);
        sg_json_add_int(root, "updated", (int64_t)c->updated);
        sg_json_add_int(root, "unchanged", (int64_t)c->unchanged);
        sg_json_add_int(root, "duplicates", (int64_t)c->duplicates);
        sg_json_add_int(root, "broken", (int64_t)c->broken);
        sg_json_add_int(root, "ignored", (int64_t)c->ignored);
        return cli_print_json(root, err);
    }
    printf("added %llu, updated %llu, unchanged %llu, duplicates %llu, broken %llu, no images %llu\n",
           (unsigned long long)c->added, (unsigned long long)c->updated, (unsigned long long)c->unchanged,
           (unsigned long long)c->duplicates, (unsigned long long)c->broken, (unsigned long long)c->ignored);
    return true;
}

static bool run_add(const cli_call *call, int *status, sg_error *err)
{
    const index_options *o = call->options;
    sg_index *index;
    const char **paths;
    char *lines;
    size_t n = 0;
    if (!cli_need_args(call, o->list ? 1 : 2, SIZE_MAX, "INDEX and PATH", err)) return false;
    if (!gather_paths(&paths, &n, &lines, call, o->list, err)) return false;
    bool ok = sg_index_open(&index, call->args[0], SG_INDEX_ENCODE, true, err);
    if (ok) {
        sg_progress progress;
        sg_ingest_counts counts = {0};
        sg_index_set_max_pixels(index, (uint64_t)call->common.max_pixels);
        add_notes notes = {call, &progress};
        sg_progress_init(&progress, cli_log(call), "add", "images", 0);
        if (*sg_index_recipe_difference(index))
            cli_remark(call, "other codes than recorded are possible here: %s",
                       sg_index_recipe_difference(index));
        sg_ingest_options options = {.strict = o->strict,
                                     .hidden = o->hidden,
                                     .threads = (int)call->common.threads,
                                     .note = note,
                                     .context = &notes,
                                     .progress = &progress};
        ok = sg_ingest_paths(&counts, index, paths, n, &options, err);
        sg_progress_end(&progress);
        if (ok) ok = report_add(&counts, o, call->args[0], err);
        if (!ok && err->code == SG_ERR_INTERRUPTED)
            sg_prefix(err, "%s keeps %llu added and %llu updated", call->args[0],
                      (unsigned long long)counts.added, (unsigned long long)counts.updated);
        if (counts.broken) *status = 1;
        sg_index_close(index);
    }
    sg_free(paths);
    sg_free(lines);
    return ok;
}

static const cli_option add_options[] = {
    {"list", 0, CLI_TEXT, AT(list), "FILE", "a path a line, - for standard input", 0, 0},
    {"strict", 0, CLI_FLAG, AT(strict), NULL, "stop at the first broken image", 0, 0},
    {"hidden", 0, CLI_FLAG, AT(hidden), NULL, "hidden files of folders too", 0, 0},
    {"json", 0, CLI_FLAG, AT(json), NULL, "the counts as one JSON object", 0, 0},
};

const cli_command cmd_index_add = {
    .name = "index add",
    .summary = "add pictures and folders; what is there and unchanged is left alone",
    .usage = "INDEX PATH... [--list FILE] [--strict]",
    .examples = "index add PHOTOS.index ~/Pictures\n"
                "find . -name '*.jpg' | signet index add PHOTOS.index --list -",
    .options = add_options,
    .noptions = sizeof add_options / sizeof *add_options,
    .options_size = sizeof(index_options),
    .defaults = set_defaults,
    .run = run_add,
};

/* --- remove ------------------------------------------------------------------------------------------------- */

static bool find_ids(uint64_t *ids, size_t *n, sg_store *store, const cli_call *call, const index_options *o,
                     sg_error *err)
{
    *n = 0;
    for (size_t i = 0; i < o->ids.n; i++) {
        int64_t id;
        if (!sg_parse_int(&id, o->ids.items[i]) || id < 0)
            return sg_fail(err, SG_ERR_USAGE, "--id: \"%s\" is no id", o->ids.items[i]);
        ids[(*n)++] = (uint64_t)id;
    }
    for (size_t i = 1; i < call->nargs; i++) {
        char *path;
        bool found;
        if (!sg_path_absolute(&path, call->args[i], err)) return false;
        bool ok = sg_store_find_path(&ids[*n], &found, store, path, err);
        if (ok && !found) ok = sg_fail(err, SG_ERR_NOT_FOUND, "%s: is not in the index", path);
        sg_free(path);
        if (!ok) return false;
        ++*n;
    }
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* A picture that was named twice is removed once. */
static void drop_repeated(uint64_t *ids, size_t *n)
{
    size_t kept = 0;
    if (*n > 1) qsort(ids, *n, sizeof *ids, compare_ids);
    for (size_t i = 0; i < *n; i++)
        if (kept == 0 || ids[i] != ids[kept - 1]) ids[kept++] = ids[i];
    *n = kept;
}

/* All or nothing: one transaction. */
static bool run_remove(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const index_options *o = call->options;
    sg_index *index;
    if (!cli_need_args(call, o->ids.n ? 1 : 2, SIZE_MAX, "INDEX and PATH or --id", err)) return false;
    if (!sg_index_open(&index, call->args[0], SG_INDEX_STORE, true, err)) return false;
    sg_store *store = sg_index_store(index);
    size_t n = 0;
    uint64_t *ids = sg_alloc(o->ids.n + call->nargs, sizeof *ids);
    bool ok = ids ? find_ids(ids, &n, store, call, o, err) : sg_fail_memory(err, "ids");
    if (ok) drop_repeated(ids, &n);
    if (ok && (ok = sg_store_begin(store, err))) {
        for (size_t i = 0; ok && i < n; i++) ok = sg_store_remove(store, ids[i], err);
        if (ok)
            ok = sg_store_commit(store, err);
        else
            sg_store_abort(store);
    }
    if (ok) cli_remark(call, "removed %zu", n);
    sg_free(ids);
    sg_index_close(index);
    return ok;
}

static const cli_option remove_options[] = {
    {"id", 0, CLI_TEXTS, AT(ids), "ID", "by id", 0, 0},
};

const cli_command cmd_index_remove = {
    .name = "index remove",
    .summary = "take pictures out of the index; the files stay",
    .usage = "INDEX PATH... [--id ID]",
    .examples = "index remove PHOTOS.index ~/Pictures/old.jpg\n"
                "index remove PHOTOS.index --id 17,18",
    .options = remove_options,
    .noptions = sizeof remove_options / sizeof *remove_options,
    .options_size = sizeof(index_options),
    .defaults = set_defaults,
    .run = run_remove,
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
        printf("%llu\t", (unsigned long long)item->id);
        if (l->options->zero)
            fwrite(item->path, 1, strlen(item->path) + 1, stdout);
        else {
            cli_print_text(item->path);
            putchar('\n');
        }
        return cli_stdout_check(err);
    }
    char code[SG_BITS_MAX / 4 + 1], content[2 * SG_CONTENT_NBYTES + 1];
    sg_hex(code, item->code, l->code_nbytes);
    sg_hex(content, item->content, SG_CONTENT_NBYTES);
    sg_json *root = sg_json_object();
    sg_json_add_int(root, "id", (int64_t)item->id);
    sg_json_add_path(root, "path", item->path);
    sg_json_add_string(root, "code", code);
    sg_json_add_string(root, "content", content);
    sg_json_add_int(root, "size", (int64_t)item->nbytes);
    sg_json_add_number(root, "mtime", (double)item->mtime_ns / 1e9);
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
    {"json", 0, CLI_FLAG, AT(json), NULL, "one JSON object a picture: id, path, code, content, size, mtime",
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

static bool run_stat(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const index_options *o = call->options;
    sg_index *index;
    if (!cli_need_args(call, 1, 1, "INDEX", err)) return false;
    if (!sg_index_open(&index, call->args[0], SG_INDEX_ENCODE, false, err)) return false;
    const sg_store_info *info = sg_index_info(index);
    const char *difference = sg_index_recipe_difference(index);
    const sg_net_spec *spec = sg_model_spec(sg_encoder_model(sg_index_encoder(index)));
    bool ok = true;
    if (o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "index", call->args[0]);
        sg_json_add_int(root, "items", (int64_t)info->items);
        sg_json_add_int(root, "bits", (int64_t)info->nbits);
        sg_json_add_string(root, "kind", info->kind);
        sg_json_add_int(root, "generation", (int64_t)info->generation);
        sg_json_add_int(root, "next_id", (int64_t)info->next_id);
        sg_json_add_string(root, "arch", spec->arch);
        sg_json_add_string(root, "fingerprint", info->fingerprint);
        sg_json_add_bool(root, "recipe_match", !*difference);
        sg_json *recipe = sg_json_add_object(root, "recipe");
        for (size_t i = 0; i < info->recipe.n; i++)
            sg_json_add_string(recipe, info->recipe.pairs[i].key, info->recipe.pairs[i].value);
        ok = cli_print_json(root, err);
    } else {
        printf("items       %llu\nbits        %zu\nkind        %s\ngeneration  %llu\nencoder     %s, "
               "%s\nrecipe      ",
               (unsigned long long)info->items, info->nbits, info->kind, (unsigned long long)info->generation,
               spec->arch, info->fingerprint);
        for (size_t i = 0; i < info->recipe.n; i++)
            printf("%s%s %s", i ? ", " : "", info->recipe.pairs[i].key, info->recipe.pairs[i].value);
        printf("\nhere        %s%s\n", *difference ? "differs: " : "the same", difference);
    }
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

/* --- verify ------------------------------------------------------------------------------------------------- */

static void print_fault(void *context, const char *fault)
{
    (void)context;
    printf("%s\n", fault);
}

static bool run_verify(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    sg_index *index;
    sg_model *model;
    char *encoder;
    size_t faults;
    if (!cli_need_args(call, 1, 1, "INDEX", err)) return false;
    if (!sg_index_open(&index, call->args[0], SG_INDEX_STORE, false, err)) return false;
    bool ok = sg_store_verify(&faults, sg_index_store(index), print_fault, NULL, err);
    if (ok && (ok = sg_path_join(&encoder, call->args[0], SG_INDEX_ENCODER, err))) {
        ok = sg_model_load(&model, encoder, err);
        if (ok) ok = sg_model_check(model, err) || sg_prefix(err, "%s", encoder);
        if (ok && strcmp(model->fingerprint, sg_index_info(index)->fingerprint))
            ok =
                sg_fail(err, SG_ERR_MISMATCH, "%s: is not the encoder that the index was made with", encoder);
        sg_model_free(model);
        sg_free(encoder);
    }
    if (ok && faults) ok = sg_fail(err, SG_ERR_FORMAT, "%s: %zu faults", call->args[0], faults);
    if (ok) cli_remark(call, "%s is sound", call->args[0]);
    sg_index_close(index);
    return ok;
}

const cli_command cmd_index_verify = {
    .name = "index verify",
    .summary = "check every record, every checksum and the encoder",
    .usage = "INDEX",
    .examples = "index verify PHOTOS.index",
    .options_size = sizeof(index_options),
    .run = run_verify,
};
