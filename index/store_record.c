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
 * kind 16. */
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
    seal(bytes, SG_HEAD_NBYTES);
}

const char *sg_head_parse(sg_store_head *head, const void *data, size_t nbytes)
{
    const uint8_t *bytes = data;
    if (nbytes < 12) return "is too short";
    if (sg_get_u32(bytes + 8) > SG_STORE_VERSION) return "was written by a newer signet";
    if (nbytes != SG_HEAD_NBYTES || !sealed(bytes, nbytes)) return "has a wrong checksum";
    *head = (sg_store_head){.nbits = sg_get_u32(bytes + 12),
                            .items = sg_get_u64(bytes + 16),
                            .foreign = sg_get_u64(bytes + 24),
                            .next_id = sg_get_u64(bytes + 32),
                            .generation = sg_get_u64(bytes + 40),
                            .txnid = sg_get_u64(bytes + 48)};
    memcpy(head->fingerprint, bytes + 56, SG_FINGERPRINT_NBYTES);
    memcpy(head->kind, bytes + 88, sizeof head->kind);
    if (!sg_bits_check((int64_t)head->nbits, NULL) || head->kind[sizeof head->kind - 1] != '\0')
        return "makes no sense";
    return NULL;
}

/* Recipe: key NUL value NUL, for each pair. */
bool sg_recipe_write(uint8_t **bytes, size_t *nbytes, const sg_kv *recipe, sg_error *err)
{
    sg_buf buf = SG_BUF_INIT;
    sg_buf_put(&buf, "\0\0\0\0\0\0\0", SUM_NBYTES);
    for (size_t i = 0; i < recipe->n; i++) {
        sg_buf_put(&buf, recipe->pairs[i].key, strlen(recipe->pairs[i].key) + 1);
        sg_buf_put(&buf, recipe->pairs[i].value, strlen(recipe->pairs[i].value) + 1);
    }
    if (!sg_buf_ok(&buf)) {
        sg_buf_clear(&buf);
        return sg_fail_memory(err, "recipe");
    }
    seal((uint8_t *)buf.data, buf.size);
    *bytes = (uint8_t *)buf.data;
    *nbytes = buf.size;
    return true;
}

bool sg_recipe_parse(sg_kv *recipe, const char **fault, const void *data, size_t nbytes, sg_error *err)
{
    const char *bytes = data, *end = bytes + nbytes;
    *recipe = (sg_kv)SG_KV_INIT;
    *fault = "has a wrong checksum";
    if (nbytes < SUM_NBYTES || !sealed(data, nbytes)) return true;
    *fault = "makes no sense";
    if (nbytes > SUM_NBYTES && end[-1] != '\0') return true;
    for (const char *key = bytes + SUM_NBYTES; key < end;) {
        const char *value = key + strlen(key) + 1;
        if (value >= end) return true;
        if (!sg_kv_set(recipe, key, value, err)) return false;
        key = value + strlen(value) + 1;
    }
    *fault = NULL;
    return true;
}

/* Item: id u64, nbytes u64, mtime i64 (ns), content 16, flags u32, path and its NUL. */
#define ITEM_HEAD    (SUM_NBYTES + 8 + 8 + 8 + SG_CONTENT_NBYTES + 4)
#define ITEM_FOREIGN 1u

size_t sg_item_nbytes(const sg_item *item)
{
    return ITEM_HEAD + strlen(item->path) + 1;
}

void sg_item_write(uint8_t *bytes, const sg_item *item)
{
    sg_put_u64(bytes + 8, item->id);
    sg_put_u64(bytes + 16, item->nbytes);
    sg_put_u64(bytes + 24, (uint64_t)item->mtime_ns);
    memcpy(bytes + 32, item->content, SG_CONTENT_NBYTES);
    sg_put_u32(bytes + 48, item->foreign ? ITEM_FOREIGN : 0);
    memcpy(bytes + ITEM_HEAD, item->path, strlen(item->path) + 1);
    seal(bytes, sg_item_nbytes(item));
}

const char *sg_item_parse(sg_item *item, uint64_t id, const void *data, size_t nbytes)
{
    const uint8_t *bytes = data;
    if (nbytes < ITEM_HEAD + 2) return "is too short";
    if (!sealed(bytes, nbytes)) return "has a wrong checksum";
    *item = (sg_item){.id = sg_get_u64(bytes + 8),
                      .nbytes = sg_get_u64(bytes + 16),
                      .mtime_ns = (int64_t)sg_get_u64(bytes + 24),
                      .foreign = sg_get_u32(bytes + 48) == ITEM_FOREIGN,
                      .path = (const char *)bytes + ITEM_HEAD};
    memcpy(item->content, bytes + 32, SG_CONTENT_NBYTES);
    if (item->id != id) return "stands under another id";
    if (sg_get_u32(bytes + 48) > ITEM_FOREIGN ||
        memchr(item->path, '\0', nbytes - ITEM_HEAD) != item->path + (nbytes - ITEM_HEAD - 1))
        return "makes no sense";
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
