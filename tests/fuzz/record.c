/* Records of an index, whose checksum stands first: it is made right, for who wants to do harm can do so too. */
#include "fuzz.h"
#include "index/bytes_impl.h"
#include "index/store_impl.h"

#include <signet/mem.h>

enum { SUM_NBYTES = 8 };

/* The input with its checksum; NULL when it is too short for one. */
static uint8_t *seal(const uint8_t *bytes, size_t nbytes)
{
    if (nbytes < SUM_NBYTES) return NULL;
    uint8_t *record = sg_memdup(bytes, nbytes);
    SG_ASSERT(record);
    sg_put_u64(record, sg_xxh3_64(record + SUM_NBYTES, nbytes - SUM_NBYTES));
    return record;
}

void fuzz_record_block(const uint8_t *bytes, size_t nbytes)
{
    uint8_t *record = seal(bytes, nbytes);
    sg_block block;
    unsigned live, found = 0;
    if (nbytes >= 16 && record && !sg_block_parse(&block, sg_get_u64(record + 8), 8, record, nbytes)) {
        SG_ASSERT(sg_block_peek(&live, record, nbytes) && live == block.live_count);
        SG_ASSERT(sg_block_claims(record, 8) == nbytes);
        for (unsigned slot = 0; slot < SG_BLOCK_CODES; slot++) {
            const uint64_t id = block.number * SG_BLOCK_CODES + slot;
            if (!sg_block_has(&block, id)) continue;
            found += 1 + (sg_block_is_bare(&block, id) && !block.codes);
            volatile uint8_t last = block.codes[slot * 8 + 7];
            (void)last;
        }
        SG_ASSERT(found == live || block.number > UINT64_MAX / SG_BLOCK_CODES);
    }
    sg_free(record);
}

void fuzz_record_item(const uint8_t *bytes, size_t nbytes)
{
    uint8_t *record = seal(bytes, nbytes);
    sg_item item;
    if (nbytes >= 16 && record && !sg_item_parse(&item, sg_get_u64(record + 8), record, nbytes)) {
        SG_ASSERT(sg_item_nbytes(&item) == nbytes);
        SG_ASSERT(!sg_attributes_fault(item.attributes, item.attributes_nbytes));
    }
    sg_free(record);
}

void fuzz_record_texts(const uint8_t *bytes, size_t nbytes)
{
    uint8_t *record = seal(bytes, nbytes);
    sg_kv texts = SG_KV_INIT;
    sg_store_head head;
    const char *fault;
    if (record) {
        SG_ASSERT(sg_texts_parse(&texts, &fault, record, nbytes, NULL));
        sg_kv_clear(&texts);
        if (!sg_head_parse(&head, record, nbytes)) SG_ASSERT(head.nbits > 0 && head.kind[15] == '\0');
    }
    sg_free(record);
}
