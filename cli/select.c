#include "select.h"
#include "paths.h"

#include <inttypes.h>
#include <signet/file.h>
#include <signet/image.h>
#include <signet/mem.h>
#include <string.h>

bool cli_selects(const cli_select *o)
{
    return o->ids.n > 0 || o->id_list || o->prefixes.n > 0 || o->where.n > 0 || o->list;
}

bool cli_select_check(const cli_call *call, const cli_select *o, sg_error *err)
{
    if (o->zero && !o->list) return sg_fail(err, SG_ERR_USAGE, "-0 goes with --list");
    if (o->list && o->id_list && strcmp(o->list, "-") == 0 && strcmp(o->id_list, "-") == 0)
        return sg_fail(err, SG_ERR_USAGE, "--list and --id-list: one of them from standard input");
    return cli_need_args(call, cli_selects(o) ? 1 : 2, SIZE_MAX, "INDEX and PATH or --id", err);
}

static bool parse_where(sg_where *where, const cli_texts *terms, sg_error *err)
{
    for (size_t i = 0; i < terms->n; i++)
        if (!sg_where_parse_add(where, terms->items[i], err)) return sg_prefix(err, "--where");
    return true;
}

typedef struct id_list {
    uint64_t *v;
    size_t n, cap;
} id_list;

static bool add_id(id_list *ids, const char *text, const char *from, sg_error *err)
{
    int64_t id;
    if (!sg_parse_int(&id, text) || id < 0)
        return sg_fail(err, SG_ERR_USAGE, "%s: \"%s\" is no id", from, text);
    if (!sg_grow(&ids->v, &ids->cap, ids->n + 1, sizeof *ids->v)) return sg_fail_memory(err, "ids");
    ids->v[ids->n++] = (uint64_t)id;
    return true;
}

/* Of --id, and the lines of --id-list. */
static bool gather_ids(id_list *ids, const cli_select *o, sg_error *err)
{
    for (size_t i = 0; i < o->ids.n; i++)
        if (!add_id(ids, o->ids.items[i], "--id", err)) return false;
    if (!o->id_list) return true;
    char *text, *at;
    size_t nbytes;
    if (!sg_file_read(&text, &nbytes, o->id_list, SG_MAX_FILE_NBYTES, err)) return false;
    bool ok = strlen(text) == nbytes ||
              sg_fail(err, SG_ERR_FORMAT, "%s: a byte of value 0: no list of an id a line", o->id_list);
    for (char *line = strtok_r(text, "\n", &at); ok && line; line = strtok_r(NULL, "\n", &at))
        ok = add_id(ids, line, o->id_list, err);
    sg_free(text);
    return ok;
}

static bool select_named(uint64_t **ids, size_t *n, sg_store *store, const cli_select *o,
                         const cli_paths *named, const id_list *by_id, bool pictures, sg_error *err)
{
    const size_t npaths = named->n + o->prefixes.n;
    if ((o->list || o->id_list) &&
        npaths + by_id->n == 0) { /* an empty list names none, whatever --where says */
        *ids = NULL;
        *n = 0;
        return true;
    }
    const char **paths = sg_alloc(npaths, sizeof *paths);
    if (!paths) return sg_fail_memory(err, "paths");
    memcpy(paths, named->v, named->n * sizeof *paths);
    memcpy(paths + named->n, o->prefixes.items, o->prefixes.n * sizeof *paths);
    sg_where where = SG_WHERE_INIT;
    const sg_select select = {.paths = paths,
                              .npaths = npaths,
                              .ids = by_id->v,
                              .nids = by_id->n,
                              .where = o->where.n > 0 ? &where : NULL,
                              .pictures = pictures};
    bool ok = parse_where(&where, &o->where, err) && sg_select_items(ids, n, store, &select, err);
    sg_where_clear(&where);
    sg_free(paths);
    return ok;
}

bool cli_select_items(uint64_t **ids, size_t *n, sg_store *store, const cli_call *call, const cli_select *o,
                      bool pictures, sg_error *err)
{
    id_list by_id = {NULL, 0, 0};
    cli_paths named = {NULL, 0, NULL};
    bool ok = gather_ids(&by_id, o, err) && cli_paths_gather(&named, call, o->list, o->zero, err) &&
              select_named(ids, n, store, o, &named, &by_id, pictures, err);
    cli_paths_clear(&named);
    sg_free(by_id.v);
    return ok;
}

bool cli_print_change(const char *word, uint64_t id, const char *path, bool json, sg_error *err)
{
    if (json) {
        sg_json *root = sg_json_object();
        sg_json_add_string(root, "would", word);
        sg_json_add_int(root, "id", (int64_t)id);
        if (path) sg_json_add_path(root, "path", path);
        return cli_print_json(root, err);
    }
    printf("%s\t", word);
    if (path)
        cli_print_text(path);
    else
        printf("id %" PRIu64, id);
    putchar('\n');
    return cli_stdout_check(err);
}
