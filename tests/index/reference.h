/* For tests of index: what a store should hold, kept in plain arrays, and the comparison with what it does hold. */
#ifndef SIGNET_TESTS_REFERENCE_H
#define SIGNET_TESTS_REFERENCE_H

#include "base/scratch.h"

#include <signet/random.h>
#include <signet/store.h>

#define WAIT_MS     120000 /* for another process, at most: much more than it takes on a busy machine */
#define FINGERPRINT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

typedef struct ref_item {
    uint64_t id, nbytes;
    int64_t mtime_ns;
    bool foreign;
    char *path; /* NULL: bare */
    uint8_t content[SG_CONTENT_NBYTES];
    uint8_t code[SG_BITS_MAX / 8];
    char *attributes; /* packed */
    size_t attributes_nbytes;
    float *outputs; /* NULL: none */
} ref_item;

typedef struct ref_pair {
    uint64_t a, b; /* a < b */
} ref_pair;

typedef struct reference {
    size_t nbits;
    ref_item *items; /* ascending id */
    size_t n, cap;
    uint64_t next_id;
    bool keeps_outputs;
    ref_pair *pairs; /* in no order */
    size_t npairs;
    const char *kind, *probe; /* search kind, and its param "probe" or NULL */
} reference;

static inline reference ref_new(size_t nbits)
{
    return (reference){.nbits = nbits, .next_id = 1, .kind = "flat"};
}

static inline void ref_item_free(ref_item *item)
{
    free(item->path);
    free(item->attributes);
    free(item->outputs);
}

static inline void ref_free(reference *ref)
{
    for (size_t i = 0; i < ref->n; i++) ref_item_free(&ref->items[i]);
    free(ref->items);
    free(ref->pairs);
    *ref = (reference){0};
}

static inline void *ref_dup(const void *bytes, size_t nbytes)
{
    void *copy = bytes ? malloc(nbytes + 1) : NULL;
    if (copy && nbytes > 0) memcpy(copy, bytes, nbytes);
    return copy;
}

static inline reference ref_copy(const reference *from)
{
    reference to = *from;
    to.items = calloc(from->n + 1, sizeof *to.items);
    to.cap = from->n + 1;
    for (size_t i = 0; i < from->n; i++) {
        ref_item *item = &to.items[i];
        *item = from->items[i];
        item->path = ref_dup(item->path, item->path ? strlen(item->path) + 1 : 0);
        item->attributes = ref_dup(item->attributes, item->attributes_nbytes);
        item->outputs = ref_dup(item->outputs, from->nbits * sizeof(float));
    }
    to.pairs = ref_dup(from->pairs, from->npairs * sizeof *from->pairs);
    return to;
}

static inline ref_item *ref_path(reference *ref, const char *path)
{
    for (size_t i = 0; i < ref->n; i++)
        if (ref->items[i].path && strcmp(ref->items[i].path, path) == 0) return &ref->items[i];
    return NULL;
}

static inline ref_item *ref_id(reference *ref, uint64_t id)
{
    for (size_t i = 0; i < ref->n; i++)
        if (ref->items[i].id == id) return &ref->items[i];
    return NULL;
}

static inline void ref_pair_set(reference *ref, uint64_t a, uint64_t b, bool marked)
{
    const ref_pair pair = a < b ? (ref_pair){a, b} : (ref_pair){b, a};
    size_t kept = 0;
    ref->pairs = realloc(ref->pairs, (ref->npairs + 1) * sizeof pair);
    for (size_t i = 0; i < ref->npairs; i++)
        if (ref->pairs[i].a != pair.a || ref->pairs[i].b != pair.b) ref->pairs[kept++] = ref->pairs[i];
    if (marked) ref->pairs[kept++] = pair;
    ref->npairs = kept;
}

static inline void ref_remove(reference *ref, ref_item *item)
{
    size_t kept = 0;
    for (size_t i = 0; i < ref->npairs; i++)
        if (ref->pairs[i].a != item->id && ref->pairs[i].b != item->id) ref->pairs[kept++] = ref->pairs[i];
    ref->npairs = kept;
    ref_item_free(item);
    memmove(item, item + 1, (size_t)(ref->items + --ref->n - item) * sizeof *item);
}

static inline ref_item *ref_append(reference *ref)
{
    if (ref->n == ref->cap) {
        ref->cap = ref->cap ? 2 * ref->cap : 16;
        ref->items = realloc(ref->items, ref->cap * sizeof *ref->items);
    }
    ref->items[ref->n] = (ref_item){.id = ref->next_id++};
    return &ref->items[ref->n++];
}

static inline void ref_set_attributes(ref_item *item, const char *data, size_t nbytes)
{
    free(item->attributes);
    item->attributes = ref_dup(nbytes > 0 ? data : NULL, nbytes);
    item->attributes_nbytes = nbytes;
}

static inline void ref_put_code(reference *ref, const uint8_t *code)
{
    memcpy(ref_append(ref)->code, code, ref->nbits / 8);
}

/* What put should do, by its description in the header. */
static inline uint64_t ref_put(reference *ref, sg_put_kind *kind, uint64_t *other, const sg_item *item)
{
    ref_item *old = item->path ? ref_path(ref, item->path) : NULL, inherited = {0};
    *kind = old ? SG_PUT_UPDATED : SG_PUT_ADDED;
    *other = 0;
    if (old && item->attributes) ref_set_attributes(old, item->attributes, item->attributes_nbytes);
    if (old && memcmp(old->content, item->content, SG_CONTENT_NBYTES) == 0) {
        *kind = SG_PUT_UNCHANGED;
        old->nbytes = item->nbytes;
        old->mtime_ns = item->mtime_ns;
        return old->id;
    }
    for (size_t i = ref->n; item->path && i-- > 0;)
        if (ref->items[i].path && memcmp(ref->items[i].content, item->content, SG_CONTENT_NBYTES) == 0)
            *other = ref->items[i].id;
    if (*other && !old) *kind = SG_PUT_DUPLICATE;
    if (old) {
        ref_set_attributes(&inherited, old->attributes, old->attributes_nbytes);
        ref_remove(ref, old);
    } else {
        ref_set_attributes(&inherited, item->attributes, item->attributes_nbytes);
    }
    ref_item *fresh = ref_append(ref);
    if (item->path) {
        fresh->foreign = item->foreign;
        fresh->nbytes = item->nbytes;
        fresh->mtime_ns = item->mtime_ns;
        fresh->path = strdup(item->path);
        memcpy(fresh->content, item->content, SG_CONTENT_NBYTES);
    }
    fresh->attributes = inherited.attributes;
    fresh->attributes_nbytes = inherited.attributes_nbytes;
    if (ref->keeps_outputs) fresh->outputs = ref_dup(item->outputs, ref->nbits * sizeof(float));
    memcpy(fresh->code, item->code, ref->nbits / 8);
    return fresh->id;
}

/* An item whose content follows from `content`, and its code from that. code: room for nbits / 8. */
static inline sg_item make_item(const char *path, uint64_t content, uint64_t nbytes, int64_t mtime_ns,
                                uint8_t *code, size_t nbits)
{
    bool foreign = content % 7 == 0;
    sg_item item = {.path = path, .nbytes = nbytes, .mtime_ns = mtime_ns, .foreign = foreign, .code = code};
    sg_blake2b_of(item.content, sizeof item.content, &content, sizeof content);
    sg_rng rng = sg_rng_at(content, SG_RNG_TEST, 0, 0);
    for (size_t i = 0; i < nbits / 8; i++) code[i] = (uint8_t)sg_rng_u32(&rng);
    return item;
}

static inline void assert_put(sg_store *store, reference *ref, const sg_item *item)
{
    sg_error err = {0};
    sg_put_kind kind, want_kind;
    uint64_t id, other, want_other, want = ref_put(ref, &want_kind, &want_other, item);
    if (!sg_store_put(&kind, &id, &other, store, item, &err)) fail_msg("%s", err.message);
    assert_int_equal(id, want);
    assert_int_equal(kind, want_kind);
    assert_int_equal(other, want_other);
}

typedef struct comparison {
    const reference *ref;
    size_t n;
    bool equal;
} comparison;

static inline bool compare_next(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    comparison *c = context;
    const ref_item *want = &c->ref->items[c->n];
    c->equal = c->n < c->ref->n && item->id == want->id && item->nbytes == want->nbytes &&
               item->mtime_ns == want->mtime_ns && item->foreign == want->foreign &&
               !item->path == !want->path && (!item->path || strcmp(item->path, want->path) == 0) &&
               item->attributes_nbytes == want->attributes_nbytes &&
               (want->attributes_nbytes == 0 ||
                memcmp(item->attributes, want->attributes, want->attributes_nbytes) == 0) &&
               memcmp(item->content, want->content, SG_CONTENT_NBYTES) == 0 &&
               memcmp(item->code, want->code, c->ref->nbits / 8) == 0;
    c->n++;
    return c->equal;
}

static inline bool equal_items(sg_store *store, const reference *ref, sg_error *err)
{
    comparison c = {ref, 0, true};
    return sg_store_each(store, compare_next, &c, err) && c.equal && c.n == ref->n;
}

/* Every item's own outputs, or none. */
static inline bool equal_outputs(sg_store *store, const reference *ref, sg_error *err)
{
    float outputs[SG_BITS_MAX];
    bool found;
    for (size_t i = 0; i < ref->n; i++) {
        const ref_item *want = &ref->items[i];
        if (!sg_store_outputs(outputs, &found, store, want->id, err) || found != (want->outputs != NULL) ||
            (found && memcmp(outputs, want->outputs, ref->nbits * sizeof *outputs) != 0))
            return false;
    }
    return true;
}

typedef struct pair_comparison {
    const reference *ref;
    size_t n;
    ref_pair last;
} pair_comparison;

static inline bool compare_pair(void *context, uint64_t a, uint64_t b, sg_error *err)
{
    (void)err;
    pair_comparison *c = context;
    assert_true(a < b && (a > c->last.a || (a == c->last.a && b > c->last.b)));
    c->last = (ref_pair){a, b};
    for (size_t i = 0; i < c->ref->npairs; i++) c->n += c->ref->pairs[i].a == a && c->ref->pairs[i].b == b;
    return true;
}

static inline bool equal_pairs(sg_store *store, const reference *ref, sg_error *err)
{
    pair_comparison c = {.ref = ref};
    return sg_store_pairs(store, compare_pair, &c, err) && c.n == ref->npairs;
}

/* Codes and ids as loaded. *loaded: whether load itself succeeded. */
static inline bool equal_codes(bool *loaded, sg_store *store, const reference *ref, sg_error *err)
{
    uint8_t *codes;
    uint64_t *ids, generation;
    size_t n, nbytes = ref->nbits / 8;
    *loaded = sg_store_load(&codes, &ids, &n, &generation, store, err);
    bool equal = *loaded && n == ref->n;
    for (size_t i = 0; equal && i < n; i++)
        equal = ids[i] == ref->items[i].id && memcmp(codes + i * nbytes, ref->items[i].code, nbytes) == 0;
    sg_free(codes);
    sg_free(ids);
    return equal;
}

static inline void print_fault(void *context, const char *fault)
{
    (void)context;
    print_message("fault: %s\n", fault);
}

static inline void assert_sound(sg_store *store)
{
    sg_error err = {0};
    size_t faults;
    if (!sg_store_verify(&faults, store, print_fault, NULL, &err)) fail_msg("%s", err.message);
    assert_int_equal(faults, 0);
}

/* What the store says of itself. */
static inline void assert_info(sg_store *store, const reference *ref)
{
    sg_error err = {0};
    sg_store_info info;
    uint64_t foreign = 0, bare = 0;
    for (size_t i = 0; i < ref->n; i++) {
        foreign += ref->items[i].foreign;
        bare += !ref->items[i].path;
    }
    if (!sg_store_info_get(&info, store, &err)) fail_msg("%s", err.message);
    assert_int_equal(info.items, ref->n);
    assert_int_equal(info.bare, bare);
    assert_int_equal(info.next_id, ref->next_id);
    assert_int_equal(info.foreign, foreign);
    assert_int_equal(info.nbits, ref->nbits);
    assert_int_equal(info.outputs, ref->keeps_outputs);
    assert_string_equal(info.kind, ref->kind);
    const char *probe = sg_kv_get(&info.params, "probe");
    assert_true(ref->probe ? probe && strcmp(probe, ref->probe) == 0 : info.params.n == 0);
    sg_store_info_clear(&info);
}

/* Everything the store can say equals the reference, and it verifies. */
static inline void assert_equals(sg_store *store, reference *ref)
{
    sg_error err = {0};
    bool loaded;
    assert_info(store, ref);
    if (!equal_items(store, ref, &err)) fail_msg("items differ: %s", err.message);
    if (!equal_codes(&loaded, store, ref, &err)) fail_msg("codes differ: %s", err.message);
    if (!equal_outputs(store, ref, &err)) fail_msg("outputs differ: %s", err.message);
    if (!equal_pairs(store, ref, &err)) fail_msg("pairs differ: %s", err.message);
    assert_sound(store);
}

static inline sg_store *open_store(const char *dir, bool writable)
{
    sg_error err = {0};
    sg_store *store;
    if (!sg_store_open(&store, dir, writable, 0, &err)) fail_msg("%s", err.message);
    return store;
}

static inline void create_store_of(const char *dir, const reference *ref)
{
    sg_error err = {0};
    sg_kv recipe = SG_KV_INIT, params = SG_KV_INIT;
    assert_true(sg_kv_set(&recipe, "resize", "32", &err));
    assert_true(sg_kv_set(&recipe, "instructions", "avx2", &err));
    if (ref->probe) assert_true(sg_kv_set(&params, "probe", ref->probe, &err));
    if (!sg_store_create(dir, ref->nbits, FINGERPRINT, &recipe, ref->kind, &params, ref->keeps_outputs, NULL,
                         NULL, &err))
        fail_msg("%s", err.message);
    sg_kv_clear(&recipe);
    sg_kv_clear(&params);
}

static inline void create_store(const char *dir, size_t nbits)
{
    const reference ref = ref_new(nbits);
    create_store_of(dir, &ref);
}

static inline void begin(sg_store *store)
{
    sg_error err = {0};
    if (!sg_store_begin(store, &err)) fail_msg("%s", err.message);
}

static inline void commit(sg_store *store)
{
    sg_error err = {0};
    if (!sg_store_commit(store, &err)) fail_msg("%s", err.message);
}

/* n items "/p/FIRST..." of contents FIRST... in one batch. */
static inline void add_items(sg_store *store, reference *ref, size_t first, size_t n)
{
    uint8_t code[SG_BITS_MAX / 8];
    char path[64];
    begin(store);
    for (size_t i = first; i < first + n; i++) {
        snprintf(path, sizeof path, "/p/%zu", i);
        sg_item item = make_item(path, i, 1000 + i, (int64_t)i * 1000000007, code, ref->nbits);
        assert_put(store, ref, &item);
    }
    commit(store);
}

#endif
