/* Another folder in the place of one at the beginning of paths. */
#include <signet/buf.h>
#include <signet/interrupt.h>
#include <signet/join.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>

typedef struct move {
    uint64_t id;
    char *path; /* owned: the new one */
} move;

typedef struct moves {
    const char *from, *to; /* "" for the root: what follows begins with a slash */
    size_t nfrom;
    move *items;
    size_t n, cap;
} moves;

/* What follows the folder in a path that begins with it, or NULL. */
static const char *rest_of(const moves *m, const char *path)
{
    if (!path || strncmp(path, m->from, m->nfrom) != 0) return NULL;
    const char *rest = path + m->nfrom;
    return *rest == '\0' || *rest == '/' ? rest : NULL;
}

static bool take_item(void *context, const sg_item *item, sg_error *err)
{
    moves *m = context;
    sg_buf path = SG_BUF_INIT;
    const char *rest = rest_of(m, item->path);
    if (!sg_interrupt_check(err)) return false;
    if (!rest) return true;
    sg_buf_puts(&path, m->to);
    sg_buf_puts(&path, rest);
    if (!sg_buf_ok(&path) || !sg_grow(&m->items, &m->cap, m->n + 1, sizeof *m->items)) {
        sg_buf_clear(&path);
        return sg_fail_memory(err, item->path);
    }
    if (path.size == 0) return sg_fail(err, SG_ERR_USAGE, "%s: would lose its name", item->path);
    m->items[m->n++] = (move){item->id, path.data};
    return true;
}

/* A new path may be that of an item which stays. Two that move never meet: what follows the folder differs. */
static bool check_free(const moves *m, sg_store *store, sg_error *err)
{
    uint64_t id;
    bool found;
    for (size_t i = 0; i < m->n; i++) {
        if (!sg_interrupt_check(err) || !sg_store_find_path(&id, &found, store, m->items[i].path, err))
            return false;
        if (found && !rest_of(m, m->items[i].path))
            return sg_fail(err, SG_ERR_USAGE, "%s: is in the index already (id %llu)", m->items[i].path,
                           (unsigned long long)id);
    }
    return true;
}

static int shorter_first(const void *a, const void *b)
{
    const move *x = a, *y = b;
    size_t m = strlen(x->path), n = strlen(y->path);
    return m != n ? (m > n) - (m < n) : (x->id > y->id) - (x->id < y->id);
}

/* Where one folder lies within the other, an item may get the path of one that moves too: that one goes first. It is
 * the longer one when paths grow, else the shorter. */
static bool move_all(moves *m, sg_store *store, sg_error *err)
{
    bool grow = strlen(m->to) > m->nfrom, ok = true;
    qsort(m->items, m->n, sizeof *m->items, shorter_first);
    for (size_t i = 0; ok && i < m->n; i++) {
        const move *item = &m->items[grow ? m->n - 1 - i : i];
        ok = sg_interrupt_check(err) && sg_store_set_path(store, item->id, item->path, err);
    }
    return ok;
}

bool sg_store_relocate(uint64_t *n, sg_store *store, const char *from, const char *to, bool only_check,
                       sg_error *err)
{
    moves m = {.from = strcmp(from, "/") ? from : "", .to = strcmp(to, "/") ? to : ""};
    sg_error why = {SG_OK, ""};
    m.nfrom = strlen(m.from);
    *n = 0;
    if (strcmp(from, to) == 0) return sg_fail(err, SG_ERR_USAGE, "%s: is where it is", from);
    bool ok = sg_store_each(store, take_item, &m, &why) && check_free(&m, store, &why);
    if (ok && m.n == 0) ok = sg_fail(&why, SG_ERR_NOT_FOUND, "%s: no path in the index begins with it", from);
    if (ok && !only_check && (ok = sg_store_begin(store, &why))) {
        if ((ok = move_all(&m, store, &why)))
            ok = sg_store_commit(store, &why);
        else
            sg_store_abort(store);
    }
    if (ok) *n = m.n;
    for (size_t i = 0; i < m.n; i++) sg_free(m.items[i].path);
    sg_free(m.items);
    if (!ok && err) *err = why;
    return ok;
}
