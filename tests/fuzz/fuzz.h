/* Targets: each hands bytes of unknown origin to one of our parsers or decoders, and uses what that makes of them. It
 * returns, whatever they are; what is wrong is for a sanitizer or an SG_ASSERT to see. How they are run: main.c. */
#ifndef SIGNET_TESTS_FUZZ_H
#define SIGNET_TESTS_FUZZ_H

#include <signet/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of them. The inputs of `json` lie in tests/corpus/json, its function is fuzz_json, by default in json.c. */
#define FUZZ_TARGETS(row)                                                                                    \
    row(answer) row(attributes) row(cifar) row(exif) row(gzip) row(idx) row(index) row(json) row(list)       \
        row(model) row(npy) row(number) row(pickle) row(pth) row(request) row(safetensors) row(jpeg)         \
            row(png) row(webp) row(heif)                     /* picture.c */                                 \
        row(import_csv) row(import_faiss) row(import_jsonl)  /* import.c */                                  \
        row(record_block) row(record_item) row(record_texts) /* record.c */                                  \
        row(snapshot_ivf) row(snapshot_mih)                  /* snapshot.c */
#define FUZZ_DECLARE(name) void fuzz_##name(const uint8_t *bytes, size_t nbytes);
FUZZ_TARGETS(FUZZ_DECLARE)

/* A folder of this process's own, for parsers that read files. */
const char *fuzz_folder(void);
/* Writes a file there. Its path: the caller's (sg_free). */
char *fuzz_file(const char *name, const void *bytes, size_t nbytes);
/* The input with a NUL behind it, as sg_file_read gives a file. The caller's (sg_free). */
char *fuzz_text(const uint8_t *bytes, size_t nbytes);

#endif
