#include "pages_impl.h"

#include "bytes_impl.h"
#include <errno.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Page: number u64, pad u16, flags u16, lower u16, upper u16 (of an overflow run: its pages, u32), then for branches
 * and leaves the offsets of the nodes (u16 each) up to `lower`; nodes lie from `upper` to the end. */
#define PAGE_HEAD  SG_PAGE_HEAD
#define P_BRANCH   0x01
#define P_LEAF     SG_PAGE_LEAF
#define P_OVERFLOW SG_PAGE_OVERFLOW
#define P_META     0x08
/* Node: low and high 16 bits of the data's size, flags, key's size, key, data. A branch's child is in the first
 * 48 bits. */
#define NODE_HEAD 8
#define F_BIGDATA SG_NODE_BIG
#define F_SUBDATA SG_NODE_TREE
/* Tree record: pad u32, flags u16, depth u16, pages of three kinds, entries, root: u64 each. */
#define TREE_NBYTES 48
/* Meta page, after the head: magic u32, version u32, address, map size, free and main tree, last page, txnid. */
#define META_TXNID    (PAGE_HEAD + 128)
#define META_MAGIC    0xBEEFC0DEu
#define META_VERSION  1
#define INTEGER_KEY   0x08
#define DEPTH_MAX     32
#define PAGE_MIN      512
#define PAGE_MAX      SG_PAGE_NBYTES_MAX
#define NPAGES_MAX    ((uint64_t)1 << 47)
#define META_ATTEMPTS 20
#define COPY_NBYTES   ((size_t)1 << 20)

static bool damaged(const char *path, uint64_t page, const char *what, sg_error *err)
{
    return sg_fail(err, SG_ERR_FORMAT, "%s: damaged: page %llu: %s", path, (unsigned long long)page, what);
}

/* Reads all of it; *whole false when the file ends before. */
static bool read_at(void *bytes, size_t nbytes, bool *whole, int fd, uint64_t offset, const char *path,
                    sg_error *err)
{
    for (size_t done = 0; done < nbytes;) {
        ssize_t got = pread(fd, (char *)bytes + done, nbytes - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return sg_fail_errno(err, errno, "%s: cannot read", path);
        *whole = got > 0;
        if (got == 0) return true;
        done += (size_t)got;
    }
    *whole = true;
    return true;
}

typedef struct meta {
    size_t page_nbytes;
    uint64_t last_page, txnid;
    sg_tree free, main;
    uint8_t bytes[SG_META_NBYTES];
} meta;

static sg_tree tree_parse(const uint8_t *record, const char *name)
{
    return (sg_tree){.name = name,
                     .depth = sg_get_u16(record + 6),
                     .entries = sg_get_u64(record + 32),
                     .root = sg_get_u64(record + 40)};
}

static bool tree_sound(const sg_tree *tree, uint64_t npages)
{
    if (tree->root == SG_PAGE_NONE) return tree->depth == 0 && tree->entries == 0;
    return tree->root >= 2 && tree->root < npages && tree->depth >= 1 && tree->depth <= DEPTH_MAX;
}

/* The record of a table: plain keys, no repeats. */
static bool tree_read(sg_tree *tree, const uint8_t *record, const char *name, uint64_t npages)
{
    *tree = tree_parse(record, name);
    return sg_get_u16(record + 4) == 0 && sg_get_u32(record) == 0 && tree_sound(tree, npages);
}

bool sg_node_tree(sg_tree *tree, const sg_node *n, const char *name, uint64_t npages)
{
    return n->flags == F_SUBDATA && n->data_nbytes == TREE_NBYTES && tree_read(tree, n->data, name, npages);
}

/* Parses a meta page; what is wrong with it, or NULL. */
static const char *meta_parse(meta *m, const uint8_t *page, uint64_t number)
{
    const uint8_t *at = page + PAGE_HEAD, *free_tree = at + 24, *main_tree = free_tree + TREE_NBYTES;
    if (sg_get_u32(at) != META_MAGIC) return "no LMDB meta page";
    if (sg_get_u32(at + 4) != META_VERSION) return "another version of LMDB's data file";
    if (sg_get_u64(page) != number || sg_get_u16(page + 10) != P_META)
        return "a meta page that is not where it belongs";
    if (sg_get_u16(free_tree + 4) != INTEGER_KEY || sg_get_u16(main_tree + 4) != 0)
        return "unknown flags in a meta page";
    *m = (meta){.page_nbytes = sg_get_u32(free_tree),
                .last_page = sg_get_u64(at + 120),
                .txnid = sg_get_u64(at + 128),
                .free = tree_parse(free_tree, "free list"),
                .main = tree_parse(main_tree, "list of tables")};
    m->free.integer = m->main.main = true;
    if (m->page_nbytes < PAGE_MIN || m->page_nbytes > PAGE_MAX || (m->page_nbytes & (m->page_nbytes - 1)))
        return "a page size that cannot be";
    if (m->last_page < 1 || m->last_page >= NPAGES_MAX) return "a number of pages that cannot be";
    if ((m->txnid & 1) != number) return "a transaction number that cannot be";
    return NULL;
}

/* A meta page that leads somewhere. That of the older transaction need not: when the system refuses to write a meta
 * page, LMDB leaves new roots under the old transaction's number. It is written over by the next one. */
static const char *roots_fault(const meta *m)
{
    bool sound = tree_sound(&m->free, m->last_page + 1) && tree_sound(&m->main, m->last_page + 1);
    return sound ? NULL : "a root that cannot be";
}

static bool meta_read(meta *m, const char **fault, int fd, const char *path, size_t page_nbytes,
                      uint64_t number, sg_error *err)
{
    uint8_t page[SG_META_NBYTES];
    bool whole;
    if (!read_at(page, sizeof page, &whole, fd, number * page_nbytes, path, err)) return false;
    *fault = whole ? meta_parse(m, page, number) : "the file ends in it";
    if (!*fault) memcpy(m->bytes, page, sizeof page);
    return true;
}

/* Both meta pages alone and together: a commit replaces the older one, so they are one transaction apart. */
static bool metas_read(const char **fault, uint64_t *number, int fd, const char *path, sg_error *err)
{
    meta m[2];
    *number = 0;
    if (!meta_read(&m[0], fault, fd, path, 0, 0, err)) return false;
    if (*fault) return true;
    *number = 1;
    if (!meta_read(&m[1], fault, fd, path, m[0].page_nbytes, 1, err)) return false;
    if (*fault) return true;
    if (m[0].page_nbytes != m[1].page_nbytes)
        *fault = "the meta pages disagree in page size";
    else if (m[0].txnid + 1 != m[1].txnid && m[1].txnid + 1 != m[0].txnid)
        *fault = "the meta pages do not follow each other";
    if (*fault) return true;
    *number = m[1].txnid > m[0].txnid;
    *fault = roots_fault(&m[*number]);
    return true;
}

bool sg_pages_check_file(int fd, const char *path, sg_error *err)
{
    struct stat st;
    const char *fault = NULL;
    uint64_t number = 0;
    if (fstat(fd, &st) != 0) return sg_fail_errno(err, errno, "%s: cannot read", path);
    if (!S_ISREG(st.st_mode)) return sg_fail(err, SG_ERR_FORMAT, "%s: is not a regular file", path);
    if (st.st_size == 0) return sg_fail(err, SG_ERR_FORMAT, "%s: is empty", path);
    /* A writer at work may be seen between two commits: look again before calling it damage. */
    for (int i = 0; i < META_ATTEMPTS; i++) {
        if (!metas_read(&fault, &number, fd, path, err)) return false;
        if (!fault) return true;
        nanosleep(&(struct timespec){.tv_nsec = 200 * 1000}, NULL);
    }
    return damaged(path, number, fault, err);
}

static sg_pages pages_of(const meta *m, int fd, const char *path)
{
    sg_pages pages = {.fd = fd,
                      .path = path,
                      .page_nbytes = m->page_nbytes,
                      .npages = m->last_page + 1,
                      .free = m->free,
                      .main = m->main};
    memcpy(pages.meta, m->bytes, sizeof m->bytes);
    return pages;
}

bool sg_pages_meta(sg_pages *pages, uint64_t *txnid, bool *sound, int fd, const char *path,
                   size_t page_nbytes, unsigned number, sg_error *err)
{
    meta m = {0};
    const char *fault;
    if (!meta_read(&m, &fault, fd, path, page_nbytes, number, err)) return false;
    *sound = !fault && !roots_fault(&m);
    *pages = pages_of(&m, fd, path);
    *txnid = m.txnid;
    return true;
}

bool sg_pages_snapshot(sg_pages *pages, bool *moved, int fd, const char *path, uint64_t txnid, sg_error *err)
{
    meta first, m;
    const char *fault;
    if (!meta_read(&first, &fault, fd, path, 0, 0, err)) return false;
    if (fault) return damaged(path, 0, fault, err);
    if (!meta_read(&m, &fault, fd, path, first.page_nbytes, txnid & 1, err)) return false;
    if (!fault) fault = roots_fault(&m);
    if (fault) return damaged(path, txnid & 1, fault, err);
    *moved = m.txnid != txnid;
    *pages = pages_of(&m, fd, path);
    return true;
}

/* --- writing a state --- */

static bool write_at(int fd, const uint8_t *bytes, size_t nbytes, uint64_t offset, const char *path,
                     sg_error *err)
{
    for (size_t done = 0; done < nbytes;) {
        ssize_t put = pwrite(fd, bytes + done, nbytes - done, (off_t)(offset + done));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return sg_fail_errno(err, errno, "%s: cannot write", path);
        done += (size_t)put;
    }
    return true;
}

bool sg_pages_seal(const sg_pages *pages, int fd, const char *path, uint64_t txnid, sg_error *err)
{
    uint8_t *page = sg_calloc(pages->page_nbytes, 1);
    if (!page) return sg_fail_memory(err, path);
    bool ok = true;
    for (unsigned i = 0; ok && i < 2; i++) {
        uint64_t id = txnid - 1 + i, number = id & 1;
        memcpy(page, pages->meta, SG_META_NBYTES);
        sg_put_u64(page, number);
        sg_put_u64(page + META_TXNID, id);
        ok = write_at(fd, page, pages->page_nbytes, number * pages->page_nbytes, path, err);
    }
    sg_free(page);
    return ok;
}

bool sg_pages_copy(const sg_pages *pages, int fd, const char *path, uint64_t txnid, sg_error *err)
{
    uint64_t at = 2 * pages->page_nbytes, end = pages->npages * pages->page_nbytes;
    uint8_t *bytes = sg_alloc(COPY_NBYTES, 1);
    if (!bytes) return sg_fail_memory(err, path);
    bool ok = true, more = true;
    while (ok && more && at < end) {
        size_t want = end - at < COPY_NBYTES ? end - at : COPY_NBYTES;
        ssize_t got = pread(pages->fd, bytes, want, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) ok = sg_fail_errno(err, errno, "%s: cannot read", pages->path);
        more = got > 0; /* pages at the end that no one uses may be missing */
        ok = ok && sg_interrupt_check(err) && write_at(fd, bytes, (size_t)got, at, path, err);
        at += ok ? (uint64_t)got : 0;
    }
    sg_free(bytes);
    return ok && sg_pages_seal(pages, fd, path, txnid, err);
}

/* --- walking --- */

typedef struct walk {
    const sg_pages *pages;
    const sg_tree *tree;
    sg_span lo, hi;
    uint64_t left;    /* pages that may still be visited: a loop ends */
    uint64_t entries; /* met so far */
    void (*visit)(void *context, const sg_node *n);
    void *context;
} walk;

static bool hurt(const walk *w, uint64_t page, const char *what, sg_error *err)
{
    return sg_fail(err, SG_ERR_FORMAT, "%s: damaged: page %llu (%s): %s", w->pages->path,
                   (unsigned long long)page, w->tree->name, what);
}

static int compare(const walk *w, sg_span a, sg_span b)
{
    if (w->tree->integer) {
        uint64_t x = sg_get_u64(a.data), y = sg_get_u64(b.data);
        return (x > y) - (x < y);
    }
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static bool below(const walk *w, sg_span key, sg_span bound)
{
    return bound.data && compare(w, key, bound) < 0;
}

/* Counts a page as used; false on the second use, or when more are visited than there are. */
static bool use(walk *w, uint64_t number)
{
    if (w->left == 0) return false;
    w->left--;
    uint8_t *seen = w->pages->seen, bit = (uint8_t)(1u << (number & 7));
    if (!seen) return true;
    if (seen[number / 8] & bit) return false;
    seen[number / 8] |= bit;
    return true;
}

static bool page_read(uint8_t *page, size_t nbytes, walk *w, uint64_t number, sg_error *err)
{
    const sg_pages *pages = w->pages;
    bool whole;
    if (number < 2 || number >= pages->npages) return hurt(w, number, "a page number that cannot be", err);
    if (!use(w, number)) return hurt(w, number, "is used twice", err);
    if (!read_at(page, nbytes, &whole, pages->fd, number * pages->page_nbytes, pages->path, err))
        return false;
    if (!whole) return hurt(w, number, "the file ends before it", err);
    if (sg_get_u64(page) != number) return hurt(w, number, "carries another number", err);
    return true;
}

/* A run of overflow pages: its head, its length, and that the file holds it. */
static bool overflow_check(walk *w, const sg_node *n, sg_error *err)
{
    const sg_pages *pages = w->pages;
    uint8_t head[PAGE_HEAD], last;
    uint64_t number = sg_get_u64(n->data);
    uint64_t need = (PAGE_HEAD - 1 + n->data_nbytes) / pages->page_nbytes + 1;
    bool whole = false;
    if (!page_read(head, sizeof head, w, number, err)) return false;
    uint64_t run = sg_get_u32(head + 12);
    if (sg_get_u16(head + 10) != P_OVERFLOW || run < need || run > pages->npages - number)
        return hurt(w, number, "an overflow page that cannot be", err);
    for (uint64_t i = 1; i < run; i++)
        if (!use(w, number + i)) return hurt(w, number + i, "is used twice", err);
    uint64_t end = number * pages->page_nbytes + PAGE_HEAD + n->data_nbytes;
    if (!read_at(&last, 1, &whole, pages->fd, end - 1, pages->path, err)) return false;
    return whole ? true : hurt(w, number, "the file ends in it", err);
}

const char *sg_node_parse(sg_node *n, const sg_tree *tree, const uint8_t *page, size_t page_nbytes,
                          unsigned i, bool leaf)
{
    size_t at = sg_get_u16(page + PAGE_HEAD + 2 * i);
    if (at < sg_get_u16(page + 14) || at + NODE_HEAD > page_nbytes) return "a node outside of it";
    const uint8_t *head = page + at;
    size_t key_nbytes = sg_get_u16(head + 6), room = page_nbytes - at - NODE_HEAD;
    if (key_nbytes > room) return "a key longer than the page";
    *n = (sg_node){.key = {head + NODE_HEAD, key_nbytes}, .data = head + NODE_HEAD + key_nbytes};
    if (!leaf) {
        n->child = sg_get_u32(head) | (uint64_t)sg_get_u16(head + 4) << 32;
    } else {
        n->flags = sg_get_u16(head + 4);
        n->data_nbytes = sg_get_u32(head);
        if (n->flags != (tree->main ? F_SUBDATA : 0) && (tree->main || n->flags != F_BIGDATA))
            return "unknown flags of a node";
        if ((n->flags == F_BIGDATA ? 8 : n->data_nbytes) > room - key_nbytes)
            return "a value longer than the page";
        if (n->flags == F_SUBDATA && n->data_nbytes != TREE_NBYTES) return "a tree record of another size";
    }
    /* The first key of a branch stands for everything below the second: LMDB leaves it empty. */
    if (tree->integer && key_nbytes != 8 && (leaf || i > 0)) return "a key of another size";
    return NULL;
}

static const char *node_parse(sg_node *n, const walk *w, const uint8_t *page, unsigned i, bool leaf)
{
    return sg_node_parse(n, w->tree, page, w->pages->page_nbytes, i, leaf);
}

const char *sg_page_fault(const uint8_t *page, size_t page_nbytes, bool leaf)
{
    size_t lower = sg_get_u16(page + 12), upper = sg_get_u16(page + 14);
    if (sg_get_u16(page + 10) != (leaf ? P_LEAF : P_BRANCH)) return "is of another kind than its place asks";
    if (lower < PAGE_HEAD + 2 || lower % 2 || lower > upper || upper > page_nbytes)
        return "bounds that cannot be";
    return NULL;
}

unsigned sg_page_nodes(const uint8_t *page)
{
    return (sg_get_u16(page + 12) - PAGE_HEAD) / 2u;
}

/* Is a node's value looked at when LMDB goes from lo to hi? The first key after hi is, too: it steps there. */
static bool is_met(const walk *w, sg_span previous, sg_span key)
{
    if (below(w, key, w->lo)) return false;
    return !w->hi.data || !previous.data || compare(w, previous, w->hi) <= 0;
}

static bool leaf_check(walk *w, const uint8_t *page, uint64_t number, sg_span from, sg_span to, sg_error *err)
{
    unsigned count = sg_page_nodes(page);
    sg_span previous = {NULL, 0};
    for (unsigned i = 0; i < count; i++) {
        sg_node n;
        const char *fault = node_parse(&n, w, page, i, true);
        if (fault) return hurt(w, number, fault, err);
        bool ordered = i == 0 ? !below(w, n.key, from) : below(w, previous, n.key);
        if (!ordered || (to.data && !below(w, n.key, to))) return hurt(w, number, "keys out of order", err);
        if (n.flags == F_BIGDATA && is_met(w, previous, n.key) && !overflow_check(w, &n, err)) return false;
        if (w->visit) w->visit(w->context, &n);
        previous = n.key;
        w->entries++;
    }
    return true;
}

static bool page_check(walk *w, uint64_t number, unsigned level, sg_span from, sg_span to, sg_error *err);

/* Visits the children that hold keys of [lo, hi], and the first page after hi on every level: LMDB steps there when
 * it looks for the next key. */
static bool branch_check(walk *w, const uint8_t *page, uint64_t number, unsigned level, sg_span from,
                         sg_span to, sg_error *err)
{
    unsigned count = sg_page_nodes(page);
    sg_node n, next = {0};
    const char *fault = node_parse(&n, w, page, 0, false);
    if (fault) return hurt(w, number, fault, err);
    n.key = from;
    for (unsigned i = 0; i < count; i++, n = next) {
        bool last = i + 1 == count;
        if (!last) {
            fault = node_parse(&next, w, page, i + 1, false);
            if (fault) return hurt(w, number, fault, err);
            if ((n.key.data && !below(w, n.key, next.key)) || (to.data && !below(w, next.key, to)))
                return hurt(w, number, "keys out of order", err);
        }
        sg_span end = last ? to : next.key;
        if (w->lo.data && end.data && compare(w, end, w->lo) <= 0) continue;
        if (!page_check(w, n.child, level - 1, n.key, end, err)) return false;
        if (w->hi.data && n.key.data && compare(w, n.key, w->hi) > 0) return true;
    }
    return true;
}

/* Checks page `number` and what hangs below it. level 1 is a leaf; all its keys lie in [from, to). */
static bool page_check(walk *w, uint64_t number, unsigned level, sg_span from, sg_span to, sg_error *err)
{
    uint8_t *page = sg_alloc(w->pages->page_nbytes, 1);
    if (!page) return sg_fail_memory(err, w->pages->path);
    bool ok = page_read(page, w->pages->page_nbytes, w, number, err);
    if (ok) {
        const char *fault = sg_page_fault(page, w->pages->page_nbytes, level == 1);
        if (fault) ok = hurt(w, number, fault, err);
    }
    if (ok)
        ok = level == 1 ? leaf_check(w, page, number, from, to, err)
                        : branch_check(w, page, number, level, from, to, err);
    sg_free(page);
    return ok;
}

static bool walk_run(walk *w, sg_error *err)
{
    const sg_span none = {NULL, 0};
    w->left = w->pages->npages;
    if (w->tree->root != SG_PAGE_NONE && !page_check(w, w->tree->root, w->tree->depth, none, none, err))
        return false;
    if (!w->lo.data && !w->hi.data && w->entries != w->tree->entries)
        return sg_fail(err, SG_ERR_FORMAT, "%s: damaged: %s: %llu entries where %llu are recorded",
                       w->pages->path, w->tree->name, (unsigned long long)w->entries,
                       (unsigned long long)w->tree->entries);
    return true;
}

bool sg_pages_check(const sg_pages *pages, const sg_tree *tree, sg_span lo, sg_span hi, sg_error *err)
{
    walk w = {.pages = pages, .tree = tree, .lo = lo, .hi = hi};
    return walk_run(&w, err);
}

typedef struct wanted {
    sg_span name;
    uint8_t record[TREE_NBYTES];
    bool found;
} wanted;

static void take_tree(void *context, const sg_node *n)
{
    wanted *want = context;
    if (n->key.size != want->name.size || memcmp(n->key.data, want->name.data, n->key.size) != 0) return;
    memcpy(want->record, n->data, TREE_NBYTES);
    want->found = true;
}

bool sg_pages_tree(sg_tree *tree, const sg_pages *pages, const char *name, sg_error *err)
{
    wanted want = {.name = {(const uint8_t *)name, strlen(name)}};
    sg_pages unmarked = *pages;
    unmarked.seen = NULL; /* looking up a tree is no use of the pages on the way */
    walk w = {.pages = &unmarked,
              .tree = &pages->main,
              .lo = want.name,
              .hi = want.name,
              .visit = take_tree,
              .context = &want};
    if (!walk_run(&w, err)) return false;
    if (!want.found) return sg_fail(err, SG_ERR_FORMAT, "%s: has no table '%s'", pages->path, name);
    if (!tree_read(tree, want.record, name, pages->npages))
        return sg_fail(err, SG_ERR_FORMAT, "%s: damaged: the record of table '%s'", pages->path, name);
    return true;
}
