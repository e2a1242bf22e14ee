/* Files of other programs, as rows for an index of 64 bits. */
#include "fuzz.h"
#include "index/exchange_impl.h"

#include <signet/mem.h>
#include <string.h>

static bool take_item(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    *(uint8_t *)context ^= item->code[7]; /* is it there? */
    SG_ASSERT(!item->path || item->path[0] == '/');
    SG_ASSERT(!sg_attributes_fault(item->attributes, item->attributes_nbytes));
    return true;
}

static bool take_codes(void *context, const uint8_t *codes, const uint64_t *ids, size_t n, sg_error *err)
{
    (void)err;
    if (n > 0) *(uint8_t *)context ^= codes[8 * n - 1];
    if (n > 0 && ids) *(uint8_t *)context ^= (uint8_t)ids[n - 1];
    return true;
}

static void load(const sg_format *format, const uint8_t *bytes, size_t nbytes)
{
    uint8_t sum = 0;
    const sg_rows rows = {64, take_item, take_codes, &sum};
    char *text = fuzz_text(bytes, nbytes);
    const sg_document doc = {.path = "input", .bytes = text, .nbytes = nbytes};
    sg_error err = {0};
    if (!format->load(&rows, &doc, &err)) SG_ASSERT(err.code != SG_OK && err.message[0]);
    sg_free(text);
}

void fuzz_import_csv(const uint8_t *bytes, size_t nbytes)
{
    load(&sg_format_csv, bytes, nbytes);
}

void fuzz_import_faiss(const uint8_t *bytes, size_t nbytes)
{
    load(&sg_format_faiss, bytes, nbytes);
}

void fuzz_import_jsonl(const uint8_t *bytes, size_t nbytes)
{
    load(&sg_format_jsonl, bytes, nbytes);
}
