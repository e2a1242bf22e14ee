/* Records as bytes: head, recipe, item, keys. Each begins with the XXH3-64 of what follows, and says itself whose it
 * is, so that a sound record in a wrong place is seen too. */
#include "store_impl.h"

#include "bytes_impl.h"
#include <signet/buf.h>
#include <signet/mem.h>

#define SUM_NBYTES 8

static void seal(uint8_t *bytes, size_t nbytes)
{
    sg_put_u64(bytes, sg_xxh3_64(bytes + SUM_NBYTES, nbytes - SUM_NBYTES));
}

static bool sealed(const uint8_t *bytes, size_t nbytes)
{
    return sg_get_u64(bytes) == sg_xxh3_64(bytes + SUM_NBYTES, nbytes - SUM_NBYTES);
}

/* Head: version u32, K u32, items u64, foreign items u64, next id u64, generation u64, txnid u64, fingerprint 32,
 * kind 16; since version 2: bare items u64, items with outputs u64, pairs u64, flags u64. */
#define HEAD_NBYTES_1      104
#define HEAD_KEEPS_OUTPUTS 1u

void sg_head_write(uint8_t bytes[SG_HEAD_NBYTES], const sg_store_head *head)
{
    sg_put_u32(bytes + 8, SG_STORE_VERSION);
    sg_put_u32(bytes + 12, (uint32_t)head->nbits);
    sg_put_u64(bytes + 16, head->items);
    sg_put_u64(bytes + 24, head->foreign);
    sg_put_u64(bytes + 32, head->next_id);
    sg_put_u64(bytes + 40, head->generation);
    sg_put_u64(bytes + 48, head->txnid);
    memcpy(bytes + 56, head->fingerprint, SG_FINGERPRINT_NBYTES);
    memcpy(bytes + 88, head->kind, sizeof head->kind);
    sg_put_u64(bytes + 104, head->bare);
    sg_put_u64(bytes + 112, head->outputs);
    sg_put_u64(bytes + 120, head->pairs);
    sg_put_u64(bytes + 128, head->keeps_outputs ? HEAD_KEEPS_OUTPUTS : 0);
    seal(bytes, SG_HEAD_NBYTES);
}

/* What version 2 adds. */
static bool head_parse_2(sg_store_head *head, const uint8_t *bytes)
{
    uint64_t flags = sg_get_u64(bytes + 128);
    head->bare = sg_get_u64(bytes + 104);
    head->outputs = sg_get_u64(bytes + 112);
    head->pairs = sg_get_u64(bytes + 120);
    head->keeps_outputs = flags & HEAD_KEEPS_OUTPUTS;
    return flags <= HEAD_KEEPS_OUTPUTS && head->bare <= head->items && head->outputs <= head->items;
}

const char *sg_head_parse(sg_store_head *head, const void *data, size_t nbytes)
{
    const uint8_t *bytes = data;
    if (nbytes < 12) return "is too short";
    unsigned version = sg_get_u32(bytes + 8);
    if (version > SG_STORE_VERSION) return "was written by a newer signet";
    if (nbytes != (version == 1 ? HEAD_NBYTES_1 : SG_HEAD_NBYTES) || !sealed(bytes, nbytes))
        return "has a wrong checksum";
    *head = (sg_store_head){.version = version,
                            .nbits = sg_get_u32(bytes + 12),
                            .items = sg_get_u64(bytes + 16),
                            .foreign = sg_get_u64(bytes + 24),
                            .next_id = sg_get_u64(bytes + 32),
                            .generation = sg_get_u64(bytes + 40),
                            .txnid = sg_get_u64(bytes + 48)};
    memcpy(head->fingerprint, bytes + 56, SG_FINGERPRINT_NBYTES);
    memcpy(head->kind, bytes + 88, sizeof head->kind);
    if (version == 0 || !sg_bits_check((int64_t)head->nbits, NULL) ||
        head->kind[sizeof head->kind - 1] != '\0' || (version >= 2 && !head_parse_2(head, bytes)))
        return "makes no sense";
    return NULL;
}

bool sg_head_set_kind(sg_store_head *head, const char *kind, sg_error *err)
{
    size_t n = strlen(kind);
    if (n == 0 || n >= sizeof head->kind) return sg_fail(err, SG_ERR_USAGE, "'%s' is no kind of index", kind);
    memset(head->kind, 0, sizeof head->kind);
    memcpy(head->kind, kind, n);
    return true;
}

/* Texts: key NUL value NUL, for each pair. */
bool sg_texts_write(uint8_t **bytes, size_t *nbytes, const sg_kv *texts, sg_error *err)
{
    sg_buf buf = SG_BUF_INIT;
    sg_buf_put(&buf, "\0\0\0\0\0\0\0", SUM_NBYTES);
    for (size_t i = 0; i < texts->n; i++) {
        sg_buf_put(&buf, texts->pairs[i].key, strlen(texts->pairs[i].key) + 1);
        sg_buf_put(&buf, texts->pairs[i].value, strlen(texts->pairs[i].value) + 1);
    }
    if (!sg_buf_ok(&buf)) {
        sg_buf_clear(&buf);
        return sg_fail_memory(err, "texts");
    }
    seal((uint8_t *)buf.data, buf.size);
    *bytes = (uint8_t *)buf.data;
    *nbytes = buf.size;
    return true;
}

bool sg_texts_parse(sg_kv *texts, const char **fault, const void *data, size_t nbytes, sg_error *err)
{
    const char *bytes = data, *end = bytes + nbytes;
    *texts = (sg_kv)SG_KV_INIT;
    *fault = "has a wrong checksum";
    if (nbytes < SUM_NBYTES || !sealed(data, nbytes)) return true;
    *fault = "makes no sense";
    if (nbytes > SUM_NBYTES && end[-1] != '\0') return true;
    for (const char *key = bytes + SUM_NBYTES; key < end;) {
        const char *value = key + strlen(key) + 1;
        if (value >= end) return true;
        if (!sg_kv_set(texts, key, value, err)) return false;
        key = value + strlen(value) + 1;
    }
    *fault = NULL;
    return true;
}

/* Item: id u64, nbytes u64, mtime i64 (ns), content 16, flags u32, path and its NUL, packed attributes. */
#define ITEM_HEAD       (SUM_NBYTES + 8 + 8 + 8 + SG_CONTENT_NBYTES + 4)
#define ITEM_FOREIGN    1u
#define ITEM_DISK_SHIFT 16

size_t sg_item_nbytes(const sg_item *item)
{
    return ITEM_HEAD + strlen(item->path) + 1 + item->attributes_nbytes;
}

void sg_item_write(uint8_t *bytes, const sg_item *item)
{
    size_t npath = strlen(item->path) + 1;
    sg_put_u64(bytes + 8, item->id);
    sg_put_u64(bytes + 16, item->nbytes);
    sg_put_u64(bytes + 24, (uint64_t)item->mtime_ns);
    memcpy(bytes + 32, item->content, SG_CONTENT_NBYTES);
    sg_put_u32(bytes + 48,
               (item->foreign ? ITEM_FOREIGN : 0) | (uint32_t)item->disk_depth << ITEM_DISK_SHIFT);
    memcpy(bytes + ITEM_HEAD, item->path, npath);
    if (item->attributes_nbytes > 0)
        memcpy(bytes + ITEM_HEAD + npath, item->attributes, item->attributes_nbytes);
    seal(bytes, ITEM_HEAD + npath + item->attributes_nbytes);
}

const char *sg_item_parse(sg_item *item, uint64_t id, const void *data, size_t nbytes)
{
    const uint8_t *bytes = data;
    if (nbytes < ITEM_HEAD + 2) return "is too short";
    if (!sealed(bytes, nbytes)) return "has a wrong checksum";
    const uint32_t flags = sg_get_u32(bytes + 48);
    *item = (sg_item){.id = sg_get_u64(bytes + 8),
                      .nbytes = sg_get_u64(bytes + 16),
                      .mtime_ns = (int64_t)sg_get_u64(bytes + 24),
                      .foreign = flags & ITEM_FOREIGN,
                      .disk_depth = (uint16_t)(flags >> ITEM_DISK_SHIFT),
                      .path = (const char *)bytes + ITEM_HEAD};
    memcpy(item->content, bytes + 32, SG_CONTENT_NBYTES);
    if (item->id != id) return "stands under another id";
    const char *end = memchr(item->path, '\0', nbytes - ITEM_HEAD);
    if ((flags & 0xffff) > ITEM_FOREIGN || !end) return "makes no sense";
    item->attributes = end + 1;
    item->attributes_nbytes = (size_t)((const char *)bytes + nbytes - item->attributes);
    return sg_attributes_fault(item->attributes, item->attributes_nbytes)
               ? "has attributes that make no sense"
               : NULL;
}

/* Outputs: id u64, reals f32 (K). */
#define OUTPUTS_HEAD (SUM_NBYTES + 8)

size_t sg_outputs_nbytes(size_t nbits)
{
    return OUTPUTS_HEAD + nbits * sizeof(float);
}

void sg_outputs_write(uint8_t *bytes, uint64_t id, const float *outputs, size_t nbits)
{
    sg_put_u64(bytes + 8, id);
    memcpy(bytes + OUTPUTS_HEAD, outputs,
           nbits * sizeof(float)); /* little-endian, as all machines that run this */
    seal(bytes, sg_outputs_nbytes(nbits));
}

const char *sg_outputs_parse(float *outputs, uint64_t id, size_t nbits, const void *data, size_t nbytes)
{
    const uint8_t *bytes = data;
    if (nbytes != sg_outputs_nbytes(nbits)) return "are of another size";
    if (!sealed(bytes, nbytes)) return "have a wrong checksum";
    if (sg_get_u64(bytes + 8) != id) return "stand under another id";
    if (outputs) memcpy(outputs, bytes + OUTPUTS_HEAD, nbits * sizeof(float));
    return NULL;
}

void sg_id_key(uint8_t key[SG_ID_NBYTES], uint64_t id)
{
    id = htobe64(id);
    memcpy(key, &id, SG_ID_NBYTES);
}

uint64_t sg_key_id(const uint8_t key[SG_ID_NBYTES])
{
    uint64_t id;
    memcpy(&id, key, SG_ID_NBYTES);
    return be64toh(id);
}

void sg_path_ref(uint8_t key[SG_REF_NBYTES], const char *path, uint64_t id)
{
    sg_xxh3_128(key, path, strlen(path));
    sg_id_key(key + 16, id);
}

void sg_content_ref(uint8_t key[SG_REF_NBYTES], const uint8_t content[SG_CONTENT_NBYTES], uint64_t id)
{
    memcpy(key, content, SG_CONTENT_NBYTES);
    sg_id_key(key + SG_CONTENT_NBYTES, id);
}

/* Pair: it stands under both orders of its ids, so that it is found from either. */
void sg_pair_key(uint8_t key[SG_PAIR_NBYTES], uint64_t id, uint64_t other)
{
    sg_id_key(key, id);
    sg_id_key(key + SG_ID_NBYTES, other);
}

void sg_pair_sum(uint8_t sum[SG_PAIR_SUM_NBYTES], const uint8_t key[SG_PAIR_NBYTES])
{
    sg_put_u64(sum, sg_xxh3_64(key, SG_PAIR_NBYTES));
}

const char *sg_pair_parse(uint64_t *id, uint64_t *other, const MDB_val *key, const MDB_val *value)
{
    const uint8_t *ids = key->mv_data;
    if (key->mv_size != SG_PAIR_NBYTES || value->mv_size != SG_PAIR_SUM_NBYTES) return "is of another size";
    *id = sg_key_id(ids);
    *other = sg_key_id(ids + SG_ID_NBYTES);
    if (sg_get_u64(value->mv_data) != sg_xxh3_64(ids, SG_PAIR_NBYTES)) return "has a wrong checksum";
    return *id == *other ? "makes no sense" : NULL;
}
