#include "select.h"
#include "paths.h"

#include <inttypes.h>
#include <signet/mem.h>
#include <string.h>

bool cli_selects(const cli_select *o)
{
    return o->ids.n > 0 || o->prefixes.n > 0 || o->where.n > 0 || o->list;
}

bool cli_select_check(const cli_call *call, const cli_select *o, sg_error *err)
{
    if (o->zero && !o->list) return sg_fail(err, SG_ERR_USAGE, "-0 goes with --list");
    return cli_need_args(call, cli_selects(o) ? 1 : 2, SIZE_MAX, "INDEX and PATH or --id", err);
}

static bool parse_where(sg_where *where, const cli_texts *terms, sg_error *err)
{
    for (size_t i = 0; i < terms->n; i++)
        if (!sg_where_parse_add(where, terms->items[i], err)) return sg_prefix(err, "--where");
    return true;
}

bool cli_select_items(uint64_t **ids, size_t *n, sg_store *store, const cli_call *call, const cli_select *o,
                      sg_error *err)
{
    uint64_t wanted[CLI_LIST_MAX];
    for (size_t i = 0; i < o->ids.n; i++) {
        int64_t id;
        if (!sg_parse_int(&id, o->ids.items[i]) || id < 0)
            return sg_fail(err, SG_ERR_USAGE, "--id: \"%s\" is no id", o->ids.items[i]);
        wanted[i] = (uint64_t)id;
    }
    cli_paths named;
    if (!cli_paths_gather(&named, call, o->list, o->zero, err)) return false;
    if (o->list &&
        named.n + o->prefixes.n + o->ids.n == 0) { /* an empty list names none, whatever --where says */
        cli_paths_clear(&named);
        *ids = NULL;
        *n = 0;
        return true;
    }
    const char **paths = sg_alloc(named.n + o->prefixes.n, sizeof *paths);
    if (!paths) {
        cli_paths_clear(&named);
        return sg_fail_memory(err, "paths");
    }
    memcpy(paths, named.v, named.n * sizeof *paths);
    memcpy(paths + named.n, o->prefixes.items, o->prefixes.n * sizeof *paths);
    sg_where where = SG_WHERE_INIT;
    const sg_select select = {.paths = paths,
                              .npaths = named.n + o->prefixes.n,
                              .ids = wanted,
                              .nids = o->ids.n,
                              .where = o->where.n > 0 ? &where : NULL};
    bool ok = parse_where(&where, &o->where, err) && sg_select_items(ids, n, store, &select, err);
    sg_where_clear(&where);
    sg_free(paths);
    cli_paths_clear(&named);
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
