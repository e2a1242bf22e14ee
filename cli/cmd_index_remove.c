/* signet index remove: pictures out of an index. */
#include "commands.h"

#include <signet/file.h>
#include <signet/ingest.h>
#include <signet/mem.h>
#include <stdlib.h>

typedef struct remove_options {
    cli_texts ids;
} remove_options;

#define AT(member) offsetof(remove_options, member)

static bool find_ids(uint64_t *ids, size_t *n, sg_store *store, const cli_call *call, const remove_options *o,
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
    const remove_options *o = call->options;
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

static const cli_option remove_rows[] = {
    {"id", 0, CLI_TEXTS, AT(ids), "ID", "by id", 0, 0},
};

const cli_command cmd_index_remove = {
    .name = "index remove",
    .summary = "take pictures out of the index; the files stay",
    .usage = "INDEX PATH... [--id ID]",
    .examples = "index remove PHOTOS.index ~/Pictures/old.jpg\n"
                "index remove PHOTOS.index --id 17,18",
    .options = remove_rows,
    .noptions = sizeof remove_rows / sizeof *remove_rows,
    .options_size = sizeof(remove_options),
    .run = run_remove,
};
