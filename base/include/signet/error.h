/* Errors: a function that can fail returns bool and takes `sg_error *err` last (NULL allowed).
 * The message is one line, written once where the fault is found; callers may prefix context. */
#ifndef SIGNET_ERROR_H
#define SIGNET_ERROR_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

typedef enum {
    SG_OK = 0,
    SG_ERR_USAGE,       /* the caller (or the command line) asked for something that makes no sense */
    SG_ERR_IO,          /* the system refused: open, read, write, full disk; message ends in strerror */
    SG_ERR_FORMAT,      /* bytes that do not mean what they claim: broken or hostile files */
    SG_ERR_LIMIT,       /* larger than a stated bound */
    SG_ERR_MEMORY,      /* allocation failed */
    SG_ERR_MISMATCH,    /* two sound things that do not belong together (model and index, shapes) */
    SG_ERR_NOT_FOUND,   /* named thing is absent */
    SG_ERR_UNSUPPORTED, /* sound, but not for this build or processor */
    SG_ERR_INTERRUPTED  /* the user asked to stop */
} sg_code;

#define SG_ERROR_MAX 512

typedef struct sg_error {
    sg_code code;
    char message[SG_ERROR_MAX];
} sg_error;

/* Fills *err (when not NULL) and returns false, so that `return sg_fail(err, ...)` is the one idiom.
 * Control characters in the message become '?': it stays one line. Longer text is cut. */
bool sg_fail(sg_error *err, sg_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As sg_fail with SG_ERR_IO and ": strerror(errnum)" appended. */
bool sg_fail_errno(sg_error *err, int errnum, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* SG_ERR_MEMORY: "out of memory (WHAT)". */
bool sg_fail_memory(sg_error *err, const char *what);

/* Puts "context: " before the message that is there; returns false. No effect on NULL. */
bool sg_prefix(sg_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A broken invariant of ours, never bad data. Always on. */
#define SG_ASSERT(cond)                                                                                      \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            fprintf(stderr, "%s:%d: broken invariant: %s\n", __FILE__, __LINE__, #cond);                     \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#endif
