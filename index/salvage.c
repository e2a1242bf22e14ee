#include "salvage_impl.h"

#include "bytes_impl.h"
#include <errno.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define IDENTITY_AT 8 /* a record's own id or number, after its sum */

static const int record_tables[] = {SG_TABLE_ITEMS, SG_TABLE_CODES, SG_TABLE_OUTPUTS};
#define NRECORD_TABLES (sizeof record_tables / sizeof *record_tables)

typedef struct search {
    sg_salvage *s;
    uint8_t *seen;   /* bit a page: a tree holds it */
    uint8_t *record; /* room for a value of overflow pages */
    size_t cap;
    bool out_of_memory;
} search;

static bool add(search *w, sg_found found)
{
    sg_salvage *s = w->s;
    if (!sg_grow(&s->found, &s->cap, s->n + 1, sizeof *s->found)) {
        w->out_of_memory = true;
        return false;
    }
    s->found[s->n++] = found;
    return true;
}

/* Is it a sound record of the table? It says itself whose it is. An item's path is absolute: by that it is told from
 * other records. */
static bool is_record(uint64_t *key, const sg_salvage *s, int table, const uint8_t *bytes, size_t nbytes)
{
    sg_block block;
    sg_item item;
    if (nbytes < IDENTITY_AT + 8) return false;
    *key = sg_get_u64(bytes + IDENTITY_AT);
    if (table == SG_TABLE_CODES) return !sg_block_parse(&block, *key, s->head.nbits / 8, bytes, nbytes);
    if (table == SG_TABLE_OUTPUTS) return !sg_outputs_parse(NULL, *key, s->head.nbits, bytes, nbytes);
    return !sg_item_parse(&item, *key, bytes, nbytes) && item.path[0] == '/';
}

/* The bytes of a node's value, and where they lie; NULL: they cannot be read. */
static const uint8_t *node_value(uint64_t *at, search *w, const sg_node *n, const uint8_t *page,
                                 uint64_t number)
{
    const sg_salvage *s = w->s;
    if (n->flags == 0) {
        *at = number * s->page_nbytes + (uint64_t)(n->data - page);
        return n->data;
    }
    uint64_t run = sg_get_u64(n->data);
    if (run < 2 || run >= s->npages) return NULL;
    *at = run * s->page_nbytes + SG_PAGE_HEAD;
    if (n->data_nbytes > s->nbytes - *at) return NULL; /* no memory for what cannot be there */
    if (!sg_grow(&w->record, &w->cap, n->data_nbytes, 1)) {
        w->out_of_memory = true;
        return NULL;
    }
    return sg_salvage_bytes(w->record, n->data_nbytes, s, *at) ? w->record : NULL;
}

/* A pair stands in its key; it is taken in one of its two orders. */
static bool take_pair(search *w, bool in_tree, const sg_node *n, const uint8_t *page, uint64_t number)
{
    MDB_val key = {n->key.size, (void *)n->key.data}, value = {n->data_nbytes, (void *)n->data};
    uint64_t id, other, at = number * w->s->page_nbytes + (uint64_t)(n->key.data - page);
    if (n->flags != 0 || sg_pair_parse(&id, &other, &key, &value)) return false;
    return id > other || add(w, (sg_found){id, at, SG_PAIR_NBYTES, SG_TABLE_PAIRS, in_tree});
}

/* Takes a leaf's node as a record of `table`; false: it is none. */
static bool take_node(search *w, int table, bool in_tree, const sg_node *n, const uint8_t *page,
                      uint64_t number)
{
    uint64_t key, at;
    if (table == SG_TABLE_PAIRS) return take_pair(w, in_tree, n, page, number);
    const uint8_t *value = node_value(&at, w, n, page, number);
    if (!value || !is_record(&key, w->s, table, value, n->data_nbytes)) return false;
    return add(w, (sg_found){key, at, (uint32_t)n->data_nbytes, (uint8_t)table, in_tree});
}

static bool mark(search *w, uint64_t number)
{
    uint8_t bit = (uint8_t)(1u << (number & 7));
    if (w->seen[number / 8] & bit) return false;
    w->seen[number / 8] |= bit;
    return true;
}

/* --- trees, as far as they can be followed --- */

typedef struct tree_walk {
    search *w;
    const sg_tree *tree;
    int table;
    uint64_t entries;
    bool whole;
} tree_walk;

static int compare(sg_span a, sg_span b)
{
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static bool within(sg_span key, sg_span from, sg_span to)
{
    return (!from.data || compare(key, from) >= 0) && (!to.data || compare(key, to) < 0);
}

/* The pages of a value in a tree are no strays. */
static void mark_run(search *w, const sg_node *n)
{
    uint64_t first = sg_get_u64(n->data), count = (SG_PAGE_HEAD - 1 + n->data_nbytes) / w->s->page_nbytes + 1;
    for (uint64_t i = first; i < first + count && i < w->s->npages; i++) mark(w, i);
}

static void walk_leaf(tree_walk *t, const uint8_t *page, uint64_t number, sg_span from, sg_span to)
{
    sg_node n;
    for (unsigned i = 0; i < sg_page_nodes(page); i++) {
        if (sg_node_parse(&n, t->tree, page, t->w->s->page_nbytes, i, true) || !within(n.key, from, to) ||
            !take_node(t->w, t->table, true, &n, page, number)) {
            t->whole = false;
            continue;
        }
        if (n.flags == SG_NODE_BIG) mark_run(t->w, &n);
        t->entries++;
    }
}

static void walk_page(tree_walk *t, uint64_t number, unsigned level, sg_span from, sg_span to);

static void walk_branch(tree_walk *t, const uint8_t *page, unsigned level, sg_span from, sg_span to)
{
    unsigned count = sg_page_nodes(page);
    size_t page_nbytes = t->w->s->page_nbytes;
    sg_node n, next;
    for (unsigned i = 0; i < count; i++) {
        if (sg_node_parse(&n, t->tree, page, page_nbytes, i, false)) {
            t->whole = false;
            continue;
        }
        bool bounded = i + 1 < count && !sg_node_parse(&next, t->tree, page, page_nbytes, i + 1, false);
        walk_page(t, n.child, level - 1, i == 0 ? from : n.key, bounded ? next.key : to);
    }
}

/* What stands where it cannot be is not followed. */
static void walk_page(tree_walk *t, uint64_t number, unsigned level, sg_span from, sg_span to)
{
    sg_salvage *s = t->w->s;
    uint8_t *page = sg_alloc(s->page_nbytes, 1);
    if (!page) {
        t->w->out_of_memory = true;
        return;
    }
    if (sg_interrupted() || !sg_salvage_page(page, s, number, level == 1) || !mark(t->w, number))
        t->whole = false;
    else if (level == 1)
        walk_leaf(t, page, number, from, to);
    else
        walk_branch(t, page, level, from, to);
    sg_free(page);
}

static void walk_table(search *w, const sg_state *state, int table)
{
    const sg_tree *tree = &state->trees[table];
    const sg_span none = {NULL, 0};
    tree_walk t = {.w = w, .tree = tree, .table = table, .whole = state->has[table]};
    bool absent = state->has_head && table >= sg_tables_of(state->head.version);
    if (t.whole && tree->root != SG_PAGE_NONE) walk_page(&t, tree->root, tree->depth, none, none);
    w->s->whole[table] = absent || (t.whole && t.entries == tree->entries);
}

/* --- strays: every page that no tree led to --- */

/* A run of overflow pages to which no sound node leads may still hold a block, which says itself how long it is. */
static void take_run(search *w, uint64_t number)
{
    const sg_salvage *s = w->s;
    uint8_t head[SG_BLOCK_HEAD_NBYTES];
    uint64_t key, at = number * s->page_nbytes + SG_PAGE_HEAD;
    if (!sg_salvage_bytes(head, sizeof head, s, at)) return;
    size_t nbytes = sg_block_claims(head, s->head.nbits / 8);
    if (nbytes == 0) return;
    if (!sg_grow(&w->record, &w->cap, nbytes, 1))
        w->out_of_memory = true;
    else if (sg_salvage_bytes(w->record, nbytes, s, at) &&
             is_record(&key, s, SG_TABLE_CODES, w->record, nbytes))
        add(w, (sg_found){key, at, (uint32_t)nbytes, SG_TABLE_CODES, false});
}

static void take_stray(search *w, const uint8_t *page, uint64_t number)
{
    static const sg_tree plain = {.name = "stray"};
    sg_node n;
    for (unsigned i = 0; i < sg_page_nodes(page); i++) {
        if (sg_node_parse(&n, &plain, page, w->s->page_nbytes, i, true)) continue;
        if (n.key.size == SG_PAIR_NBYTES && take_pair(w, false, &n, page, number)) continue;
        for (size_t t = 0; t < NRECORD_TABLES; t++)
            if (take_node(w, record_tables[t], false, &n, page, number)) break;
    }
}

static bool scan_strays(search *w, uint8_t *page, sg_error *err)
{
    for (uint64_t number = 2; number < w->s->npages && !w->out_of_memory; number++) {
        if (!sg_interrupt_check(err)) return false;
        if (w->seen[number / 8] >> (number & 7) & 1) continue;
        if (sg_salvage_page(page, w->s, number, true))
            take_stray(w, page, number);
        else if (sg_get_u64(page) == number && sg_get_u16(page + 10) == SG_PAGE_OVERFLOW)
            take_run(w, number);
    }
    return true;
}

/* --- all of it --- */

static int compare_found(const void *a, const void *b)
{
    const sg_found *x = a, *y = b;
    if (x->table != y->table) return x->table < y->table ? -1 : 1;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    if (x->in_tree != y->in_tree) return x->in_tree ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static bool find_records(sg_salvage *s, const sg_state *state, uint8_t *page, sg_error *err)
{
    search w = {.s = s, .seen = sg_calloc(s->npages / 8 + 1, 1)};
    bool ok = w.seen ? true : sg_fail_memory(err, s->path), whole = true;
    for (int t = 0; ok && t < SG_TABLES; t++) {
        if (t == SG_TABLE_META || t == SG_TABLE_PATHS || t == SG_TABLE_CONTENTS)
            continue; /* follow from items */
        walk_table(&w, state, t);
        whole = whole && s->whole[t];
    }
    ok = ok && sg_interrupt_check(err) && ((whole && s->newest) || scan_strays(&w, page, err));
    if (ok && w.out_of_memory) ok = sg_fail_memory(err, s->path);
    if (ok && s->n > 0) qsort(s->found, s->n, sizeof *s->found, compare_found);
    sg_free(w.seen);
    sg_free(w.record);
    return ok;
}

bool sg_salvage_open(sg_salvage *s, int fd, const char *path, sg_error *err)
{
    struct stat file;
    sg_state state;
    *s = (sg_salvage){.fd = fd, .path = path, .recipe = SG_KV_INIT, .search = SG_KV_INIT};
    if (fstat(fd, &file) != 0) return sg_fail_errno(err, errno, "%s: cannot read", path);
    if (!S_ISREG(file.st_mode)) return sg_fail(err, SG_ERR_FORMAT, "%s: is not a regular file", path);
    s->nbytes = (uint64_t)file.st_size;
    uint8_t *page = sg_calloc(SG_PAGE_NBYTES_MAX, 1);
    bool ok = page ? sg_salvage_state(&state, s, page, err) : sg_fail_memory(err, path);
    if (ok && !(s->has_head && s->has_recipe))
        ok = sg_fail(err, SG_ERR_FORMAT, "%s: nothing can be saved: no sound head and recipe are left", path);
    if (ok) {
        s->current = state.has_head && state.head.generation == s->head.generation;
        s->next_id = state.has_head ? state.head.next_id : UINT64_MAX;
        ok = find_records(s, &state, page, err);
    }
    sg_free(page);
    if (!ok) sg_salvage_clear(s);
    return ok;
}

void sg_salvage_clear(sg_salvage *s)
{
    sg_kv_clear(&s->recipe);
    sg_kv_clear(&s->search);
    sg_free(s->found);
    s->found = NULL;
    s->n = s->cap = 0;
}

const sg_found *sg_salvage_table(size_t *n, const sg_salvage *s, int table)
{
    size_t from = 0, to;
    while (from < s->n && s->found[from].table < table) from++;
    for (to = from; to < s->n && s->found[to].table == table;) to++;
    *n = to - from;
    return from < s->n ? &s->found[from] : NULL;
}

bool sg_salvage_read(uint8_t *bytes, const sg_salvage *s, const sg_found *found)
{
    return sg_salvage_bytes(bytes, found->nbytes, s, found->at);
}
