/* Files of torch.save: a pickle of a state_dict whose tensors name storages, and the storages' bytes.
 *
 * zip    PREFIX/data.pkl, PREFIX/data/KEY (bytes of a storage), PREFIX/byteorder ("little", from PyTorch 2.1)
 * older  pickles of a magic number, of 1001, of the machine's kind, of the state_dict and of a list of keys; then for
 *        each key a count of numbers (i64) and the numbers */
#include "pickle_impl.h"
#include "weights_impl.h"

#include <signet/mem.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 4 /* of a state_dict in a checkpoint */

/* A storage that the pickle names, each once, sorted by key. */
typedef struct slot {
    sg_pickle_text key;
    const sg_dtype *dtype;
    int64_t size;
    size_t store; /* SIZE_MAX: none yet */
} slot;

typedef struct slots {
    slot *items;
    size_t n;
} slots;

static int compare_keys(sg_pickle_text a, sg_pickle_text b)
{
    int order = memcmp(a.bytes, b.bytes, a.nbytes < b.nbytes ? a.nbytes : b.nbytes);
    return order ? order : (a.nbytes > b.nbytes) - (a.nbytes < b.nbytes);
}

static int by_key(const void *a, const void *b)
{
    return compare_keys(((const slot *)a)->key, ((const slot *)b)->key);
}

static bool slots_init(slots *s, const sg_pickle *pickle, const sg_weights *w, sg_error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < pickle->n; i++) n += pickle->values[i].kind == SG_PICKLE_STORAGE;
    *s = (slots){.items = sg_calloc(n, sizeof *s->items)};
    if (!s->items) return sg_fail_memory(err, w->path);
    n = 0;
    for (size_t i = 0; i < pickle->n; i++) {
        const sg_pickle_storage *storage = &pickle->values[i].storage;
        if (pickle->values[i].kind != SG_PICKLE_STORAGE) continue;
        s->items[n++] =
            (slot){sg_pickle_at(pickle, storage->key)->text, storage->dtype, storage->size, SIZE_MAX};
    }
    qsort(s->items, n, sizeof *s->items, by_key);
    for (size_t i = 0; i < n; i++) {
        const slot *next = &s->items[i], *before = s->n ? &s->items[s->n - 1] : NULL;
        if (!before || compare_keys(before->key, next->key) != 0)
            s->items[s->n++] = *next;
        else if (before->dtype != next->dtype || before->size != next->size)
            return sg_fail(err, SG_ERR_FORMAT, "%s: storage '%.*s' is said to be of several kinds or sizes",
                           w->path, (int)next->key.nbytes, next->key.bytes);
    }
    return true;
}

static slot *slots_find(const slots *s, sg_pickle_text key)
{
    const slot wanted = {.key = key};
    return bsearch(&wanted, s->items, s->n, sizeof wanted, by_key);
}

static bool slot_nbytes(size_t *nbytes, const slot *s, const sg_weights *w, sg_error *err)
{
    if (sg_mul_size(nbytes, (size_t)s->size, s->dtype->nbytes)) return true;
    return sg_fail(err, SG_ERR_FORMAT, "%s: storage '%.*s' claims %lld numbers", w->path, (int)s->key.nbytes,
                   s->key.bytes, (long long)s->size);
}

/* ---- from the pickle to tensors ---- */

static bool holds_tensors(const sg_pickle *pickle, const sg_pickle_value *dict)
{
    for (size_t i = 1; i < dict->items.n; i += 2)
        if (sg_pickle_at(pickle, dict->items.refs[i])->kind == SG_PICKLE_TENSOR) return true;
    return false;
}

/* The state_dict itself, or a checkpoint's. What else a checkpoint holds is passed over. */
static const sg_pickle_value *find_state(const sg_pickle *pickle)
{
    static const char *const keys[] = {"state_dict", "model"};
    const sg_pickle_value *state = sg_pickle_at(pickle, pickle->root);
    for (int depth = 0; depth < DEPTH_MAX && state->kind == SG_PICKLE_DICT; depth++) {
        const sg_pickle_value *inner = NULL;
        for (size_t k = 0; k < 2 && (!inner || inner->kind != SG_PICKLE_DICT); k++)
            inner = sg_pickle_get(pickle, state, keys[k]);
        if (!inner || inner->kind != SG_PICKLE_DICT) return holds_tensors(pickle, state) ? state : NULL;
        state = inner;
    }
    return NULL;
}

static bool read_dims(sg_weight_entry *entry, const sg_pickle *pickle, const sg_pickle_tensor *tensor)
{
    const sg_pickle_items *dims = &sg_pickle_at(pickle, tensor->dims)->items;
    const sg_pickle_items *strides = &sg_pickle_at(pickle, tensor->strides)->items;
    if (dims->n > SG_WEIGHT_DIMS_MAX || dims->n != strides->n) return false;
    entry->weight.ndim = (int)dims->n;
    for (size_t d = 0; d < dims->n; d++) {
        const sg_pickle_value *dim = sg_pickle_at(pickle, dims->refs[d]);
        const sg_pickle_value *stride = sg_pickle_at(pickle, strides->refs[d]);
        if (dim->kind != SG_PICKLE_INT || stride->kind != SG_PICKLE_INT) return false;
        entry->weight.dims[d] = dim->integer;
        entry->strides[d] = stride->integer;
    }
    return true;
}

/* Gives a slot its store, when a tensor first looks at it. */
typedef bool resolve(sg_weights *w, slot *s, const void *context, sg_error *err);

static bool add_tensors(sg_weights *w, const sg_pickle *pickle, slots *s, resolve *find, const void *context,
                        sg_error *err)
{
    const sg_pickle_value *state = find_state(pickle);
    if (!state)
        return sg_fail(err, SG_ERR_FORMAT,
                       "%s: no state_dict: neither tensors by name, nor 'state_dict' or 'model'", w->path);
    for (size_t i = 0; i + 1 < state->items.n; i += 2) {
        const sg_pickle_value *key = sg_pickle_at(pickle, state->items.refs[i]);
        const sg_pickle_value *value = sg_pickle_at(pickle, state->items.refs[i + 1]);
        if (value->kind != SG_PICKLE_TENSOR) continue;
        if (key->kind != SG_PICKLE_TEXT)
            return sg_fail(err, SG_ERR_FORMAT, "%s: a tensor whose name is no text", w->path);
        const sg_pickle_storage *storage = &sg_pickle_at(pickle, value->tensor.storage)->storage;
        slot *found = slots_find(s, sg_pickle_at(pickle, storage->key)->text);
        sg_weight_entry entry = {.dtype = storage->dtype, .offset = value->tensor.offset};
        bool ok = found->store != SIZE_MAX || find(w, found, context, err);
        if (ok && !read_dims(&entry, pickle, &value->tensor))
            ok = sg_fail(err, SG_ERR_FORMAT, "%s: tensor '%.*s' has no shape", w->path, (int)key->text.nbytes,
                         key->text.bytes);
        if (!ok) return false;
        entry.store = found->store;
        if (!sg_weights_add(w, key->text.bytes, key->text.nbytes, entry, err)) return false;
    }
    return true;
}

/* ---- the zip format ---- */

bool sg_pth_zip_begins(const unsigned char *bytes, size_t nbytes)
{
    return nbytes >= 4 && memcmp(bytes, "PK\3\4", 4) == 0;
}

#define PICKLE_NAME "data.pkl"

/* The member PREFIX/data.pkl, and the length of PREFIX with its slash. */
static bool find_pickle(size_t *member, size_t *prefix, const sg_weights *w, sg_error *err)
{
    size_t found = 0;
    for (size_t i = 0; i < sg_zip_count(w->zip); i++) {
        const char *name = sg_zip_name(w->zip, i), *slash = strchr(name, '/');
        if (strcmp(slash ? slash + 1 : name, PICKLE_NAME) != 0) continue;
        *member = i;
        *prefix = strlen(name) - strlen(PICKLE_NAME);
        found++;
    }
    if (found == 1) return true;
    return sg_fail(err, SG_ERR_FORMAT, "%s: a zip archive with %s data.pkl: not of torch.save", w->path,
                   found ? "more than one" : "no");
}

/* PREFIX and name; false: there is no such member. */
static bool find_member(size_t *member, const sg_weights *w, size_t pickle, size_t prefix, const char *name)
{
    char full[512];
    int length = snprintf(full, sizeof full, "%.*s%s", (int)prefix, sg_zip_name(w->zip, pickle), name);
    return length > 0 && (size_t)length < sizeof full && sg_zip_find(member, w->zip, full);
}

typedef struct archive {
    size_t pickle, prefix;
} archive;

static bool resolve_member(sg_weights *w, slot *s, const void *context, sg_error *err)
{
    const archive *a = context;
    char name[64];
    size_t wanted;
    sg_weight_store store = {0};
    if (!slot_nbytes(&wanted, s, w, err)) return false;
    int length = snprintf(name, sizeof name, "data/%.*s", (int)s->key.nbytes, s->key.bytes);
    if (length < 0 || (size_t)length >= sizeof name ||
        !find_member(&store.member, w, a->pickle, a->prefix, name))
        return sg_fail(err, SG_ERR_FORMAT, "%s: storage '%.*s' is missing", w->path, (int)s->key.nbytes,
                       s->key.bytes);
    if (!sg_zip_size(&store.nbytes, w->zip, store.member, err)) return false;
    if (store.nbytes != wanted)
        return sg_fail(err, SG_ERR_FORMAT, "%s: storage '%.*s' has %zu bytes, its tensors speak of %zu",
                       w->path, (int)s->key.nbytes, s->key.bytes, store.nbytes, wanted);
    return sg_weights_add_store(w, &s->store, store, err);
}

/* Absent before PyTorch 2.1: then it is little. */
static bool byteorder_check(const sg_weights *w, const archive *a, sg_error *err)
{
    size_t member, nbytes;
    char text[6];
    if (!find_member(&member, w, a->pickle, a->prefix, "byteorder")) return true;
    if (!sg_zip_size(&nbytes, w->zip, member, err)) return false;
    if (nbytes == sizeof text && !sg_zip_read(text, w->zip, member, nbytes, err)) return false;
    if (nbytes == sizeof text && memcmp(text, "little", sizeof text) == 0) return true;
    return sg_fail(err, SG_ERR_UNSUPPORTED, "%s: its numbers are not little-endian", w->path);
}

bool sg_pth_zip_read(sg_weights *w, sg_error *err)
{
    archive a;
    slots s = {0};
    sg_pickle pickle = {0};
    size_t nbytes;
    unsigned char *bytes = NULL;
    bool ok = find_pickle(&a.pickle, &a.prefix, w, err) && byteorder_check(w, &a, err) &&
              sg_zip_size(&nbytes, w->zip, a.pickle, err);
    if (ok && nbytes > SG_PICKLE_NBYTES_MAX)
        ok = sg_fail(err, SG_ERR_LIMIT, "%s: " PICKLE_NAME " is larger than any weights need", w->path);
    if (ok && !(bytes = sg_alloc(nbytes, 1))) ok = sg_fail_memory(err, w->path);
    ok = ok && sg_zip_read(bytes, w->zip, a.pickle, nbytes, err) &&
         (sg_pickle_read(&pickle, bytes, nbytes, 0, err) || sg_prefix(err, "%s: " PICKLE_NAME, w->path)) &&
         slots_init(&s, &pickle, w, err) && add_tensors(w, &pickle, &s, resolve_member, &a, err);
    sg_free(s.items);
    sg_pickle_clear(&pickle);
    sg_free(bytes);
    return ok;
}

/* ---- the older format ---- */

/* PROTO 2, LONG1 of ten bytes, STOP. */
static const unsigned char magic[15] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                        0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

/* A length of safetensors may begin with the same byte, but not be that large. */
bool sg_pth_pickle_begins(const unsigned char *bytes, size_t nbytes)
{
    return nbytes >= 2 && bytes[0] == 0x80 && bytes[1] <= 5 &&
           (nbytes < 8 || bytes[4] != 0 || bytes[5] != 0 || bytes[6] != 0 || bytes[7] != 0);
}

/* The pickle at *at, which then stands behind it. */
static bool next_pickle(sg_pickle *pickle, const sg_weights *w, size_t *at, sg_error *err)
{
    if (!sg_pickle_read(pickle, w->map.data, w->map.size, *at, err)) return sg_prefix(err, "%s", w->path);
    *at = pickle->end;
    return true;
}

/* The pickles before the state_dict. */
static bool read_front(const sg_weights *w, size_t *at, sg_error *err)
{
    sg_pickle pickle;
    if (w->map.size < sizeof magic || memcmp(w->map.data, magic, sizeof magic) != 0)
        return sg_fail(err, SG_ERR_FORMAT, "%s: a pickle, but not of torch.save", w->path);
    *at = sizeof magic;
    if (!next_pickle(&pickle, w, at, err)) return false;
    const sg_pickle_value *root = sg_pickle_at(&pickle, pickle.root);
    bool ok = root->kind == SG_PICKLE_INT && root->integer == 1001;
    sg_pickle_clear(&pickle);
    if (!ok) return sg_fail(err, SG_ERR_UNSUPPORTED, "%s: not version 1001 of torch.save's format", w->path);
    if (!next_pickle(&pickle, w, at, err)) return false;
    root = sg_pickle_at(&pickle, pickle.root);
    const sg_pickle_value *little =
        root->kind == SG_PICKLE_DICT ? sg_pickle_get(&pickle, root, "little_endian") : NULL;
    ok = little && little->kind == SG_PICKLE_BOOL && little->integer;
    sg_pickle_clear(&pickle);
    return ok ? true : sg_fail(err, SG_ERR_UNSUPPORTED, "%s: its numbers are not little-endian", w->path);
}

/* The bytes of the storage of this key, at *at. */
static bool read_storage(sg_weights *w, slots *s, const sg_pickle_value *key, size_t *at, sg_error *err)
{
    slot *found = key->kind == SG_PICKLE_TEXT ? slots_find(s, key->text) : NULL;
    int64_t count;
    size_t nbytes, left = w->map.size - *at;
    if (!found || found->store != SIZE_MAX)
        return sg_fail(err, SG_ERR_FORMAT, "%s: a storage that belongs to no tensor, or is there twice",
                       w->path);
    if (!slot_nbytes(&nbytes, found, w, err)) return false;
    if (left < sizeof count || left - sizeof count < nbytes)
        return sg_fail(err, SG_ERR_FORMAT, "%s: cut off in storage '%.*s'", w->path, (int)found->key.nbytes,
                       found->key.bytes);
    memcpy(&count, w->map.data + *at, sizeof count);
    if (count != found->size)
        return sg_fail(err, SG_ERR_FORMAT, "%s: storage '%.*s' has %lld numbers, its tensors speak of %lld",
                       w->path, (int)found->key.nbytes, found->key.bytes, (long long)count,
                       (long long)found->size);
    const unsigned char *data = w->map.data + *at + sizeof count;
    *at += sizeof count + nbytes;
    return sg_weights_add_store(w, &found->store, (sg_weight_store){data, NULL, nbytes, 0}, err);
}

static bool read_storages(sg_weights *w, slots *s, size_t at, sg_error *err)
{
    sg_pickle keys;
    if (!next_pickle(&keys, w, &at, err)) return false;
    const sg_pickle_value *list = sg_pickle_at(&keys, keys.root);
    bool ok = list->kind == SG_PICKLE_LIST
                  ? true
                  : sg_fail(err, SG_ERR_FORMAT, "%s: no list of storages behind the state_dict", w->path);
    for (size_t i = 0; ok && i < list->items.n; i++)
        ok = read_storage(w, s, sg_pickle_at(&keys, list->items.refs[i]), &at, err);
    if (ok && at != w->map.size)
        ok = sg_fail(err, SG_ERR_FORMAT, "%s: %zu bytes behind the last storage", w->path, w->map.size - at);
    sg_pickle_clear(&keys);
    return ok;
}

static bool resolve_missing(sg_weights *w, slot *s, const void *context, sg_error *err)
{
    (void)context;
    return sg_fail(err, SG_ERR_FORMAT, "%s: storage '%.*s' is missing", w->path, (int)s->key.nbytes,
                   s->key.bytes);
}

bool sg_pth_pickle_read(sg_weights *w, sg_error *err)
{
    size_t at;
    slots s = {0};
    sg_pickle pickle = {0};
    bool ok = read_front(w, &at, err) && next_pickle(&pickle, w, &at, err) &&
              slots_init(&s, &pickle, w, err) && read_storages(w, &s, at, err) &&
              add_tensors(w, &pickle, &s, resolve_missing, NULL, err);
    sg_free(s.items);
    sg_pickle_clear(&pickle);
    return ok;
}
