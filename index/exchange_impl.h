/* Inside import and export: the table of a format, the rows that its reader finds, and the two that are text. */
#ifndef SIGNET_EXCHANGE_IMPL_H
#define SIGNET_EXCHANGE_IMPL_H

#include <signet/attributes.h>
#include <signet/buf.h>
#include <signet/exchange.h>
#include <signet/file.h>

/* Where a reader's rows go, in the file's order. Each may end the reading by an error. */
typedef struct sg_rows {
    size_t nbits;
    /* item->path NULL: a bare code. item->id: as the file says, 0: it does not. */
    bool (*item)(void *context, const sg_item *item, sg_error *err);
    bool (*codes)(void *context, const uint8_t *codes, const uint64_t *ids /* NULL: not said */, size_t n,
                  sg_error *err);
    void *context;
} sg_rows;

/* A file in memory. */
typedef struct sg_document {
    const char *path; /* for messages */
    const char *bytes;
    size_t nbytes;
    const char *ids_path; /* a second file, with ids; NULL: none */
} sg_document;

struct sg_format {
    const char *name, *ending;
    bool second; /* its ids stand in a file of their own */
    bool (*save)(uint64_t *n, sg_store *store, const char *path, const char *ids_path, sg_error *err);
    bool (*load)(const sg_rows *rows, const sg_document *doc, sg_error *err);
};

extern const sg_format sg_format_faiss, sg_format_npy, sg_format_jsonl, sg_format_csv;

/* Are codes of so many bits what the index holds? */
bool sg_rows_check_bits(const sg_rows *rows, size_t nbits, const char *path, sg_error *err);

/* --- rows of text: exchange_row.c --- */

/* Fields as they stand in the file, NULL or "" where it has none. */
typedef struct sg_row_text {
    const char *id, *path, *path_hex, *code, *content, *size, *mtime_ns, *foreign;
} sg_row_text;

typedef struct sg_row {
    sg_item item; /* into what follows */
    uint8_t code[SG_BITS_MAX / 8];
    sg_buf path;
    sg_attributes attributes; /* filled by the format, before */
} sg_row;

#define SG_ROW_INIT                                                                                          \
    {                                                                                                        \
        .path = SG_BUF_INIT, .attributes = SG_ATTRIBUTES_INIT                                                \
    }
void sg_row_clear(sg_row *row);
/* *fault: what is wrong with the fields, or NULL: then *row holds them. False: no memory. */
bool sg_row_fill(sg_row *row, const char **fault, const sg_row_text *text, size_t nbits, sg_error *err);

/* All items and bare codes of a store, through `put`, into a file. */
typedef bool (*sg_row_put)(sg_buf *line, const sg_item *item, size_t code_nbytes, sg_error *err);
bool sg_rows_save(uint64_t *n, sg_store *store, const char *path, const char *first_line, sg_row_put put,
                  sg_error *err);

#endif
