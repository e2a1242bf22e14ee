/* Pickles, as torch.save writes them (protocol 2): read as data by a small machine that knows the opcodes and the few
 * globals that tensors need, and executes nothing. Anything else is an error that names the opcode or the global and
 * its byte. Memory and time are bounded by the pickle's size, and that by SG_PICKLE_NBYTES_MAX. */
#ifndef SIGNET_PICKLE_IMPL_H
#define SIGNET_PICKLE_IMPL_H

#include "dtype_impl.h"

#include <signet/error.h>
#include <stdint.h>

#define SG_PICKLE_NBYTES_MAX ((size_t)16 << 20)
#define SG_PICKLE_VALUES_MAX ((size_t)1 << 20) /* made, on the stack, in the memo */
#define SG_PICKLE_ITEMS_MAX  ((size_t)1 << 22) /* of all containers together */

typedef enum {
    SG_PICKLE_NONE,
    SG_PICKLE_BOOL,
    SG_PICKLE_INT,
    SG_PICKLE_LONG, /* more than 64 bits: not kept */
    SG_PICKLE_FLOAT,
    SG_PICKLE_TEXT,
    SG_PICKLE_TUPLE,
    SG_PICKLE_LIST,
    SG_PICKLE_DICT,          /* OrderedDict too */
    SG_PICKLE_GLOBAL,        /* a function or class that may be called */
    SG_PICKLE_STORAGE_CLASS, /* torch.FloatStorage and the like */
    SG_PICKLE_STORAGE,
    SG_PICKLE_TENSOR,
    SG_PICKLE_MARK /* on the stack only */
} sg_pickle_kind;

typedef uint32_t
    sg_pickle_ref; /* a value's place in sg_pickle.values: containers may share values, or hold themselves */

typedef struct sg_pickle_global sg_pickle_global;

typedef struct sg_pickle_text {
    const char *bytes; /* borrowed from the pickle; no NUL at the end */
    size_t nbytes;
} sg_pickle_text;

typedef struct sg_pickle_items {
    sg_pickle_ref *refs; /* of a dict: key, value, key, value ... */
    size_t n, cap;
} sg_pickle_items;

typedef struct sg_pickle_storage {
    sg_pickle_ref key; /* a text */
    const sg_dtype *dtype;
    int64_t size; /* numbers, as claimed; not below 0 */
} sg_pickle_storage;

typedef struct sg_pickle_tensor {
    sg_pickle_ref storage, dims, strides; /* dims, strides: tuples or lists, of anything */
    int64_t offset;                       /* numbers, as claimed */
} sg_pickle_tensor;

typedef struct sg_pickle_value {
    sg_pickle_kind kind;
    union {
        int64_t integer; /* bool too */
        double real;
        sg_pickle_text text;
        sg_pickle_items items; /* tuple, list, dict */
        const sg_pickle_global *global;
        const sg_dtype *dtype; /* of a storage class */
        sg_pickle_storage storage;
        sg_pickle_tensor tensor;
    };
} sg_pickle_value;

typedef struct sg_pickle {
    sg_pickle_value *values;
    size_t n, cap, nitems;
    sg_pickle_ref root;
    size_t end; /* the byte after STOP */
} sg_pickle;

/* Reads one pickle that begins at bytes[begin]; more may follow it. Borrows bytes until sg_pickle_clear. Messages tell
 * the byte. */
bool sg_pickle_read(sg_pickle *pickle, const unsigned char *bytes, size_t nbytes, size_t begin,
                    sg_error *err);
void sg_pickle_clear(sg_pickle *pickle);

static inline const sg_pickle_value *sg_pickle_at(const sg_pickle *pickle, sg_pickle_ref ref)
{
    return &pickle->values[ref];
}

bool sg_pickle_text_is(const sg_pickle_value *value, const char *text);
/* The last value of that key, as Python has it; NULL when absent, or when `dict` is none. */
const sg_pickle_value *sg_pickle_get(const sg_pickle *pickle, const sg_pickle_value *dict, const char *key);

/* ---- for the globals (pickle_globals.c) ---- */

struct sg_pickle_global {
    const char *module, *name;
    /* What it gives for these arguments. Messages without the byte. */
    bool (*call)(sg_pickle *pickle, sg_pickle_ref *result, sg_pickle_items args, sg_error *err);
};

/* NULL: weights need no such global. */
const sg_pickle_global *sg_pickle_global_find(sg_pickle_text module, sg_pickle_text name);
/* A new value of that kind, all else zero; pointers to values are then no longer good. */
bool sg_pickle_new(sg_pickle *pickle, sg_pickle_ref *ref, sg_pickle_kind kind, sg_error *err);
/* Appends to a tuple, list or dict. */
bool sg_pickle_append(sg_pickle *pickle, sg_pickle_ref container, const sg_pickle_ref *refs, size_t n,
                      sg_error *err);

#endif
