/* Which state of a damaged file is the newest. The meta pages say so when both are sound. Otherwise the pages do: every
 * leaf of the list of tables leads to a head, and a head names its transaction. */
#include "salvage_impl.h"

#include "bytes_impl.h"
#include <errno.h>
#include <signet/interrupt.h>
#include <string.h>
#include <unistd.h>

static const sg_tree tables_tree = {.name = "list of tables", .main = true};
static const sg_tree plain_tree = {.name = "table"};

bool sg_salvage_bytes(void *bytes, size_t nbytes, const sg_salvage *s, uint64_t at)
{
    for (size_t done = 0; done < nbytes;) {
        ssize_t got = pread(s->fd, (char *)bytes + done, nbytes - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false; /* what the disk does not give is as good as damaged */
        done += (size_t)got;
    }
    return true;
}

bool sg_salvage_page(uint8_t *page, const sg_salvage *s, uint64_t number, bool leaf)
{
    return number >= 2 && number < s->npages &&
           sg_salvage_bytes(page, s->page_nbytes, s, number * s->page_nbytes) && sg_get_u64(page) == number &&
           !sg_page_fault(page, s->page_nbytes, leaf);
}

static bool named(sg_span key, const char *name)
{
    return key.size == strlen(name) && memcmp(key.data, name, key.size) == 0;
}

static void take_trees(sg_state *state, const sg_salvage *s, const uint8_t *page)
{
    sg_node n;
    for (unsigned i = 0; i < sg_page_nodes(page); i++) {
        if (sg_node_parse(&n, &tables_tree, page, s->page_nbytes, i, true)) continue;
        for (int t = 0; t < SG_TABLES; t++)
            if (named(n.key, sg_table_names[t]))
                state->has[t] = sg_node_tree(&state->trees[t], &n, sg_table_names[t], s->npages);
    }
}

static bool take_texts(sg_kv *texts, bool *has, const sg_node *n, sg_error *err)
{
    sg_kv parsed;
    const char *fault;
    if (!sg_texts_parse(&parsed, &fault, n->data, n->data_nbytes, err)) return false;
    if (fault) {
        sg_kv_clear(&parsed);
        return true;
    }
    sg_kv_clear(texts);
    *texts = parsed;
    *has = true;
    return true;
}

/* What stands on a leaf of the table `meta`, if it is one. head: that of the page. The newest head that is met is kept
 * in *s, with the parameters beside it; and a recipe, which never changes. */
static bool take_meta(sg_store_head *head, bool *has_head, sg_salvage *s, const uint8_t *page, sg_error *err)
{
    sg_kv search = SG_KV_INIT;
    bool ok = true, has_search = false;
    *has_head = false;
    for (unsigned i = 0; ok && i < sg_page_nodes(page); i++) {
        sg_node n;
        if (sg_node_parse(&n, &plain_tree, page, s->page_nbytes, i, true) || n.flags != 0) continue;
        if (named(n.key, "head")) *has_head = !sg_head_parse(head, n.data, n.data_nbytes);
        if (named(n.key, "search")) ok = take_texts(&search, &has_search, &n, err);
        if (named(n.key, "recipe") && !s->has_recipe) ok = take_texts(&s->recipe, &s->has_recipe, &n, err);
    }
    if (ok && *has_head && (!s->has_head || head->generation > s->head.generation)) {
        s->head = *head;
        s->has_head = true;
        sg_kv_clear(&s->search);
        s->search = search;
    } else {
        sg_kv_clear(&search);
    }
    return ok;
}

/* The state whose list of tables stands on `page`, which is overwritten. */
static bool read_state(sg_state *state, sg_salvage *s, uint8_t *page, sg_error *err)
{
    *state = (sg_state){.has_head = false};
    take_trees(state, s, page);
    if (!state->has[SG_TABLE_META] || !sg_salvage_page(page, s, state->trees[SG_TABLE_META].root, true))
        return true;
    return take_meta(&state->head, &state->has_head, s, page, err);
}

/* Is everything of it where it belongs? */
static bool is_complete(const sg_state *state, const sg_salvage *s)
{
    const sg_span none = {NULL, 0};
    const sg_pages pages = {.fd = s->fd, .path = s->path, .page_nbytes = s->page_nbytes, .npages = s->npages};
    if (!state->has_head) return false;
    for (int t = 0; t < sg_tables_of(state->head.version); t++)
        if (!state->has[t] || !sg_pages_check(&pages, &state->trees[t], none, none, NULL)) return false;
    return true;
}

typedef struct choice {
    sg_state state;
    bool found, complete;
} choice;

/* Goes over all pages for the newest state after transaction `after`: a complete one rather than a newer one. */
static bool scan(choice *best, uint64_t after, sg_salvage *s, uint8_t *page, sg_error *err)
{
    *best = (choice){.found = false};
    for (uint64_t number = 2; number < s->npages; number++) {
        choice it = {.found = true};
        sg_store_head unused;
        if (!sg_interrupt_check(err)) return false;
        if (!sg_salvage_page(page, s, number, true)) continue;
        if (!take_meta(&unused, &it.complete, s, page, err) || !read_state(&it.state, s, page, err))
            return false;
        if (!it.state.has_head || it.state.head.txnid <= after) continue;
        bool newer = !best->found || it.state.head.txnid > best->state.head.txnid;
        if (best->complete && !newer) continue;
        it.complete = is_complete(&it.state, s); /* which reads all of it */
        if (it.complete || (newer && !best->complete)) *best = it;
    }
    return true;
}

/* A meta page by itself; what cannot be read is not sound. */
static bool read_meta(sg_pages *meta, uint64_t *txnid, const sg_salvage *s, unsigned number)
{
    bool sound = false;
    return sg_pages_meta(meta, txnid, &sound, s->fd, s->path, number * s->page_nbytes, number, NULL) && sound;
}

bool sg_salvage_state(sg_state *state, sg_salvage *s, uint8_t *page, sg_error *err)
{
    sg_pages metas[2];
    uint64_t txnid[2] = {0, 0};
    bool sound[2];
    choice other;
    s->page_nbytes = (size_t)sysconf(_SC_PAGESIZE); /* what LMDB takes; a sound meta page knows better */
    sound[0] = read_meta(&metas[0], &txnid[0], s, 0);
    if (sound[0]) s->page_nbytes = metas[0].page_nbytes;
    sound[1] = read_meta(&metas[1], &txnid[1], s, 1);
    s->npages = s->nbytes / s->page_nbytes;
    bool agree = sound[0] && sound[1] && (txnid[0] + 1 == txnid[1] || txnid[1] + 1 == txnid[0]);
    int newest = sound[1] && (!sound[0] || txnid[1] > txnid[0]);
    *state = (sg_state){.has_head = false};
    if (sound[newest] && sg_salvage_page(page, s, metas[newest].main.root, true) &&
        !read_state(state, s, page, err))
        return false;
    if (state->has_head && state->head.txnid != txnid[newest]) state->has_head = false;
    s->newest = agree && state->has_head && s->has_recipe;
    if (s->newest) return true;
    /* A state that a meta page vouches for gives way to a newer one only if that is complete. */
    bool vouched = sound[newest] && state->has_head;
    if (!scan(&other, vouched ? state->head.txnid : 0, s, page, err)) return false;
    if (!agree && other.found && (other.complete || !vouched)) *state = other.state;
    return true;
}
