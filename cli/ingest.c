#include "ingest.h"

#include <inttypes.h>

typedef struct notes {
    const cli_call *call;
    const cli_ingest *options;
    sg_progress progress;
    bool dry_lines; /* a line on standard output for each file */
    sg_error failed;
} notes;

/* What an event does to the index, as a word of the output. */
static const char *word_of(sg_ingest_event event)
{
    switch (event) {
    case SG_INGEST_ADDED:
        return "add";
    case SG_INGEST_UPDATED:
        return "update";
    case SG_INGEST_RENEWED:
        return "renew";
    case SG_INGEST_GONE:
        return "gone";
    case SG_INGEST_REMOVED:
        return "remove";
    default:
        return NULL;
    }
}

static void print_line(notes *n, const char *word, const char *path)
{
    if (n->options->json) {
        sg_json *root = sg_json_object();
        sg_json_add_string(root, "would", word);
        sg_json_add_path(root, "path", path);
        if (!cli_print_json(root, n->failed.code ? NULL : &n->failed)) return;
    } else {
        printf("%s\t", word);
        cli_print_text(path);
        putchar('\n');
    }
}

static void note(void *context, sg_ingest_event event, const char *path, const char *what)
{
    notes *n = context;
    const char *word = word_of(event);
    sg_progress_end(&n->progress);
    if (event == SG_INGEST_SKIPPED || event == SG_INGEST_KEPT)
        cli_warn("%s: %s", event == SG_INGEST_KEPT ? "kept" : "skipped", what);
    else if (n->dry_lines && word)
        print_line(n, word, path);
    else if (!n->options->dry_run)
        cli_remark(n->call, "%s: %s", path, what);
}

typedef struct count {
    const char *key, *text;
    uint64_t value;
    bool sync_only;
} count;

static bool report(const sg_ingest_counts *c, const cli_ingest *o, bool syncs, const char *index,
                   sg_error *err)
{
    const count counts[] = {{"added", "added", c->added, false},
                            {"updated", "updated", c->updated, false},
                            {"unchanged", "unchanged", c->unchanged, false},
                            {"duplicates", "duplicates", c->duplicates, false},
                            {"moved", "moved", c->moved, true},
                            {"gone", "gone", c->gone, true},
                            {"removed", "removed", c->removed, true},
                            {"kept", "kept", c->kept, true},
                            {"broken", "broken", c->broken, false},
                            {"ignored", "no images", c->ignored, false}};
    enum { N = sizeof counts / sizeof *counts };
    if (o->json) {
        sg_json *root = sg_json_object();
        sg_json_add_path(root, "index", index);
        for (size_t i = 0; i < N; i++)
            if (syncs || !counts[i].sync_only) sg_json_add_int(root, counts[i].key, (int64_t)counts[i].value);
        if (o->dry_run) sg_json_add_bool(root, "dry_run", true);
        return cli_print_json(root, err);
    }
    if (o->dry_run) printf("would be: ");
    for (size_t i = 0; i < N; i++)
        if (syncs || !counts[i].sync_only)
            printf("%s%s %" PRIu64, i ? ", " : "", counts[i].text, counts[i].value);
    putchar('\n');
    return cli_stdout_check(err);
}

static bool run(sg_ingest_counts *counts, sg_index *index, notes *n, cli_ingest_what what,
                const char *const *paths, size_t npaths, const sg_attributes *attributes, sg_error *err)
{
    const cli_ingest *o = n->options;
    const sg_ingest_options options = {.strict = o->strict,
                                       .hidden = o->hidden,
                                       .exclude = o->exclude.items,
                                       .nexclude = o->exclude.n,
                                       .any_recipe = o->any_recipe,
                                       .dry_run = o->dry_run,
                                       .attributes = attributes->data,
                                       .attributes_nbytes = attributes->nbytes,
                                       .folder_labels = o->folder_labels,
                                       .each = n->dry_lines || n->call->common.verbose,
                                       .threads = (int)n->call->common.threads,
                                       .note = note,
                                       .context = n,
                                       .progress = &n->progress};
    sg_progress_init(&n->progress, cli_log(n->call), what == CLI_ADD ? "add" : "sync", "images", 0);
    bool ok = what == CLI_ADD
                  ? sg_ingest_paths(counts, index, paths, npaths, &options, err)
                  : sg_ingest_sync(counts, index, paths, npaths, what == CLI_SYNC_PRUNE, &options, err);
    sg_progress_end(&n->progress);
    if (ok && n->failed.code) return sg_fail(err, n->failed.code, "%s", n->failed.message);
    return ok;
}

bool cli_parse_attributes(sg_attributes *attributes, const cli_texts *texts, sg_error *err)
{
    for (size_t i = 0; i < texts->n; i++) {
        if (sg_attributes_parse_add(attributes, texts->items[i], err)) continue;
        sg_attributes_clear(attributes);
        return sg_prefix(err, "--attribute");
    }
    return true;
}

static bool ingest(sg_ingest_counts *counts, notes *n, sg_index *index, cli_ingest_what what,
                   const char *const *paths, size_t npaths, sg_error *err)
{
    sg_attributes attributes = SG_ATTRIBUTES_INIT;
    if (!cli_parse_attributes(&attributes, &n->options->attributes, err)) return false;
    sg_index_set_max_pixels(index, (uint64_t)n->call->common.max_pixels);
    bool ok = run(counts, index, n, what, paths, npaths, &attributes, err);
    if (ok && *sg_index_recipe_difference(index))
        cli_remark(n->call, "other codes than recorded are possible here: %s",
                   sg_index_recipe_difference(index));
    sg_attributes_clear(&attributes);
    return ok;
}

bool cli_ingest_run(const cli_call *call, const cli_ingest *o, cli_ingest_what what, const char *const *paths,
                    size_t npaths, int *status, sg_error *err)
{
    sg_index *index;
    sg_ingest_counts counts = {0};
    notes n = {.call = call, .options = o, .dry_lines = o->dry_run && (o->json || call->common.verbose)};
    if (!sg_index_open(&index, call->args[0], SG_INDEX_STORE, !o->dry_run, err)) return false;
    bool ok = ingest(&counts, &n, index, what, paths, npaths, err);
    if (ok) ok = report(&counts, o, what != CLI_ADD, call->args[0], err);
    if (!ok && !o->dry_run && err->code == SG_ERR_INTERRUPTED)
        sg_prefix(err, "%s keeps %" PRIu64 " added and %" PRIu64 " updated", call->args[0], counts.added,
                  counts.updated);
    if (ok && what == CLI_SYNC && counts.gone)
        cli_remark(call,
                   "%" PRIu64 " pictures are gone from these folders; --prune removes them from the index",
                   counts.gone);
    if (counts.broken || (what == CLI_SYNC_PRUNE && counts.kept)) *status = 1;
    sg_index_close(index);
    return ok;
}
