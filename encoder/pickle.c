/* The machine. Opcodes are those of Python's pickletools; what each does to the stack is said there. */
#include "pickle_impl.h"

#include <signet/mem.h>
#include <string.h>

#define GLOBAL_NBYTES_MAX 256

typedef struct machine {
    sg_pickle *pickle;
    const unsigned char *bytes;
    size_t nbytes, at; /* at: of the next byte to read */
    sg_pickle_ref *stack;
    size_t nstack, stack_cap;
    sg_pickle_ref *memo; /* mark: not set */
    size_t nmemo, memo_cap;
    sg_pickle_ref mark; /* one value serves all marks */
    bool stopped;
} machine;

/* ---- values ---- */

static bool too_many(sg_error *err)
{
    return sg_fail(err, SG_ERR_LIMIT, "more values than any weights need");
}

bool sg_pickle_new(sg_pickle *pickle, sg_pickle_ref *ref, sg_pickle_kind kind, sg_error *err)
{
    if (pickle->n == SG_PICKLE_VALUES_MAX) return too_many(err);
    if (!sg_grow(&pickle->values, &pickle->cap, pickle->n + 1, sizeof *pickle->values))
        return sg_fail_memory(err, "pickle");
    *ref = (sg_pickle_ref)pickle->n++;
    pickle->values[*ref] = (sg_pickle_value){.kind = kind};
    return true;
}

bool sg_pickle_append(sg_pickle *pickle, sg_pickle_ref container, const sg_pickle_ref *refs, size_t n,
                      sg_error *err)
{
    sg_pickle_items *items = &pickle->values[container].items;
    if (n > SG_PICKLE_ITEMS_MAX - pickle->nitems) return too_many(err);
    if (n == 0) return true;
    if (!sg_grow(&items->refs, &items->cap, items->n + n, sizeof *items->refs))
        return sg_fail_memory(err, "pickle");
    memcpy(items->refs + items->n, refs, n * sizeof *refs);
    items->n += n;
    pickle->nitems += n;
    return true;
}

bool sg_pickle_text_is(const sg_pickle_value *value, const char *text)
{
    return value->kind == SG_PICKLE_TEXT && value->text.nbytes == strlen(text) &&
           memcmp(value->text.bytes, text, value->text.nbytes) == 0;
}

const sg_pickle_value *sg_pickle_get(const sg_pickle *pickle, const sg_pickle_value *dict, const char *key)
{
    for (size_t i = dict->kind == SG_PICKLE_DICT ? dict->items.n : 0; i >= 2; i -= 2)
        if (sg_pickle_text_is(sg_pickle_at(pickle, dict->items.refs[i - 2]), key))
            return sg_pickle_at(pickle, dict->items.refs[i - 1]);
    return NULL;
}

/* ---- the stack ---- */

static bool push(machine *m, sg_pickle_ref ref, sg_error *err)
{
    if (m->nstack == SG_PICKLE_VALUES_MAX) return too_many(err);
    if (!sg_grow(&m->stack, &m->stack_cap, m->nstack + 1, sizeof *m->stack))
        return sg_fail_memory(err, "pickle");
    m->stack[m->nstack++] = ref;
    return true;
}

static bool push_new(machine *m, sg_pickle_value value, sg_error *err)
{
    sg_pickle_ref ref;
    if (!sg_pickle_new(m->pickle, &ref, value.kind, err)) return false;
    m->pickle->values[ref] = value;
    return push(m, ref, err);
}

static bool short_stack(sg_error *err)
{
    return sg_fail(err, SG_ERR_FORMAT, "too little on the stack");
}

/* The topmost n values, none a mark, are taken off; they stay readable at m->stack[m->nstack]. */
static bool pop(machine *m, size_t n, sg_error *err)
{
    if (m->nstack < n) return short_stack(err);
    for (size_t i = m->nstack - n; i < m->nstack; i++)
        if (m->stack[i] == m->mark) return short_stack(err);
    m->nstack -= n;
    return true;
}

/* The same for all above the topmost mark, which goes too; *n are they, from m->stack[m->nstack + 1]. */
static bool pop_mark(machine *m, size_t *n, sg_error *err)
{
    for (size_t i = m->nstack; i-- > 0;) {
        if (m->stack[i] != m->mark) continue;
        *n = m->nstack - i - 1;
        m->nstack = i;
        return true;
    }
    return sg_fail(err, SG_ERR_FORMAT, "no mark on the stack");
}

static bool top_is(const machine *m, sg_pickle_kind kind)
{
    return m->nstack > 0 && m->pickle->values[m->stack[m->nstack - 1]].kind == kind;
}

/* ---- reading ---- */

static bool take(machine *m, const unsigned char **bytes, size_t nbytes, sg_error *err)
{
    if (nbytes > m->nbytes - m->at) return sg_fail(err, SG_ERR_FORMAT, "cut off");
    *bytes = m->bytes + m->at;
    m->at += nbytes;
    return true;
}

/* A whole number of nbytes <= 8, little-endian, not negative. */
static bool take_size(machine *m, size_t *value, size_t nbytes, sg_error *err)
{
    const unsigned char *bytes;
    if (!take(m, &bytes, nbytes, err)) return false;
    *value = 0;
    for (size_t i = nbytes; i-- > 0;) *value = *value << 8 | bytes[i];
    return true;
}

static bool take_line(machine *m, sg_pickle_text *line, sg_error *err)
{
    size_t left = m->nbytes - m->at;
    const char *begin = (const char *)m->bytes + m->at;
    const char *end = left ? memchr(begin, '\n', left < GLOBAL_NBYTES_MAX ? left : GLOBAL_NBYTES_MAX) : NULL;
    if (!end) return sg_fail(err, SG_ERR_FORMAT, left < GLOBAL_NBYTES_MAX ? "cut off" : "a name too long");
    *line = (sg_pickle_text){begin, (size_t)(end - begin)};
    m->at += line->nbytes + 1;
    return true;
}

/* ---- opcodes: constants ---- */

static bool op_proto(machine *m, sg_error *err)
{
    size_t version;
    if (!take_size(m, &version, 1, err)) return false;
    return version <= 2 ? true
                        : sg_fail(err, SG_ERR_UNSUPPORTED, "pickle protocol %zu; signet reads 2", version);
}

static bool op_none(machine *m, sg_error *err)
{
    return push_new(m, (sg_pickle_value){.kind = SG_PICKLE_NONE}, err);
}

static bool op_true(machine *m, sg_error *err)
{
    return push_new(m, (sg_pickle_value){.kind = SG_PICKLE_BOOL, .integer = 1}, err);
}

static bool op_false(machine *m, sg_error *err)
{
    return push_new(m, (sg_pickle_value){.kind = SG_PICKLE_BOOL}, err);
}

static bool push_int(machine *m, int64_t value, sg_error *err)
{
    return push_new(m, (sg_pickle_value){.kind = SG_PICKLE_INT, .integer = value}, err);
}

static bool op_binint(machine *m, sg_error *err)
{
    size_t value;
    return take_size(m, &value, 4, err) && push_int(m, (int32_t)(uint32_t)value, err);
}

static bool op_binint1(machine *m, sg_error *err)
{
    size_t value;
    return take_size(m, &value, 1, err) && push_int(m, (int64_t)value, err);
}

static bool op_binint2(machine *m, sg_error *err)
{
    size_t value;
    return take_size(m, &value, 2, err) && push_int(m, (int64_t)value, err);
}

/* Two's complement of any length. */
static bool push_long(machine *m, size_t nbytes, sg_error *err)
{
    const unsigned char *bytes;
    if (!take(m, &bytes, nbytes, err)) return false;
    if (nbytes > 8) return push_new(m, (sg_pickle_value){.kind = SG_PICKLE_LONG}, err);
    uint64_t value = nbytes > 0 && bytes[nbytes - 1] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = nbytes; i-- > 0;) value = value << 8 | bytes[i];
    return push_int(m, (int64_t)value, err);
}

static bool op_long1(machine *m, sg_error *err)
{
    size_t nbytes;
    return take_size(m, &nbytes, 1, err) && push_long(m, nbytes, err);
}

static bool op_long4(machine *m, sg_error *err)
{
    size_t nbytes;
    return take_size(m, &nbytes, 4, err) && push_long(m, nbytes, err);
}

static bool op_binfloat(machine *m, sg_error *err)
{
    const unsigned char *bytes;
    if (!take(m, &bytes, 8, err)) return false;
    uint64_t bits = 0;
    for (size_t i = 0; i < 8; i++) bits = bits << 8 | bytes[i]; /* big-endian, unlike all else */
    sg_pickle_value value = {.kind = SG_PICKLE_FLOAT};
    memcpy(&value.real, &bits, sizeof bits);
    return push_new(m, value, err);
}

static bool push_text(machine *m, size_t length_nbytes, sg_error *err)
{
    size_t nbytes;
    const unsigned char *bytes;
    return take_size(m, &nbytes, length_nbytes, err) && take(m, &bytes, nbytes, err) &&
           push_new(m, (sg_pickle_value){.kind = SG_PICKLE_TEXT, .text = {(const char *)bytes, nbytes}}, err);
}

static bool op_text(machine *m, sg_error *err)
{
    return push_text(m, 4, err);
}

static bool op_short_text(machine *m, sg_error *err)
{
    return push_text(m, 1, err);
}

/* ---- opcodes: containers ---- */

static bool op_mark(machine *m, sg_error *err)
{
    return push(m, m->mark, err);
}

static bool op_empty_tuple(machine *m, sg_error *err)
{
    return push_new(m, (sg_pickle_value){.kind = SG_PICKLE_TUPLE}, err);
}

static bool op_empty_list(machine *m, sg_error *err)
{
    return push_new(m, (sg_pickle_value){.kind = SG_PICKLE_LIST}, err);
}

static bool op_empty_dict(machine *m, sg_error *err)
{
    return push_new(m, (sg_pickle_value){.kind = SG_PICKLE_DICT}, err);
}

/* Of the n values from `refs`, which stand above the stack's end: they are copied before they are overwritten. */
static bool push_tuple(machine *m, const sg_pickle_ref *refs, size_t n, sg_error *err)
{
    sg_pickle_ref tuple;
    return sg_pickle_new(m->pickle, &tuple, SG_PICKLE_TUPLE, err) &&
           sg_pickle_append(m->pickle, tuple, refs, n, err) && push(m, tuple, err);
}

static bool op_tuple(machine *m, sg_error *err)
{
    size_t n;
    return pop_mark(m, &n, err) && push_tuple(m, m->stack + m->nstack + 1, n, err);
}

static bool op_tuple1(machine *m, sg_error *err)
{
    return pop(m, 1, err) && push_tuple(m, m->stack + m->nstack, 1, err);
}

static bool op_tuple2(machine *m, sg_error *err)
{
    return pop(m, 2, err) && push_tuple(m, m->stack + m->nstack, 2, err);
}

static bool op_tuple3(machine *m, sg_error *err)
{
    return pop(m, 3, err) && push_tuple(m, m->stack + m->nstack, 3, err);
}

/* Appends n values to the list or dict that is now on top. */
static bool add(machine *m, sg_pickle_kind kind, const sg_pickle_ref *refs, size_t n, sg_error *err)
{
    bool dict = kind == SG_PICKLE_DICT;
    if (!top_is(m, kind)) return sg_fail(err, SG_ERR_FORMAT, "no %s to add to", dict ? "dict" : "list");
    if (dict && n % 2) return sg_fail(err, SG_ERR_FORMAT, "a key without a value");
    return sg_pickle_append(m->pickle, m->stack[m->nstack - 1], refs, n, err);
}

static bool op_append(machine *m, sg_error *err)
{
    return pop(m, 1, err) && add(m, SG_PICKLE_LIST, m->stack + m->nstack, 1, err);
}

static bool op_appends(machine *m, sg_error *err)
{
    size_t n;
    return pop_mark(m, &n, err) && add(m, SG_PICKLE_LIST, m->stack + m->nstack + 1, n, err);
}

static bool op_setitem(machine *m, sg_error *err)
{
    return pop(m, 2, err) && add(m, SG_PICKLE_DICT, m->stack + m->nstack, 2, err);
}

static bool op_setitems(machine *m, sg_error *err)
{
    size_t n;
    return pop_mark(m, &n, err) && add(m, SG_PICKLE_DICT, m->stack + m->nstack + 1, n, err);
}

/* ---- opcodes: memo ---- */

static bool put(machine *m, size_t index_nbytes, sg_error *err)
{
    size_t index;
    if (!take_size(m, &index, index_nbytes, err)) return false;
    if (m->nstack == 0 || m->stack[m->nstack - 1] == m->mark) return short_stack(err);
    if (index >= SG_PICKLE_VALUES_MAX) return sg_fail(err, SG_ERR_LIMIT, "memo %zu is too large", index);
    if (!sg_grow(&m->memo, &m->memo_cap, index + 1, sizeof *m->memo)) return sg_fail_memory(err, "pickle");
    while (m->nmemo <= index) m->memo[m->nmemo++] = m->mark;
    m->memo[index] = m->stack[m->nstack - 1];
    return true;
}

static bool get(machine *m, size_t index_nbytes, sg_error *err)
{
    size_t index;
    if (!take_size(m, &index, index_nbytes, err)) return false;
    if (index >= m->nmemo || m->memo[index] == m->mark)
        return sg_fail(err, SG_ERR_FORMAT, "memo %zu was never set", index);
    return push(m, m->memo[index], err);
}

static bool op_binput(machine *m, sg_error *err)
{
    return put(m, 1, err);
}

static bool op_long_binput(machine *m, sg_error *err)
{
    return put(m, 4, err);
}

static bool op_binget(machine *m, sg_error *err)
{
    return get(m, 1, err);
}

static bool op_long_binget(machine *m, sg_error *err)
{
    return get(m, 4, err);
}

/* ---- opcodes: globals and tensors ---- */

static bool op_global(machine *m, sg_error *err)
{
    sg_pickle_text module, name;
    sg_pickle_value value = {.kind = SG_PICKLE_GLOBAL};
    if (!take_line(m, &module, err) || !take_line(m, &name, err)) return false;
    value.global = sg_pickle_global_find(module, name);
    if (!value.global && module.nbytes == 5 && memcmp(module.bytes, "torch", 5) == 0) {
        value.dtype = sg_dtype_of_storage(name.bytes, name.nbytes);
        value.kind = SG_PICKLE_STORAGE_CLASS;
        if (value.dtype) return push_new(m, value, err);
    }
    if (value.global) return push_new(m, value, err);
    return sg_fail(err, SG_ERR_UNSUPPORTED,
                   "%.*s.%.*s is nothing that weights need (save the state_dict alone)", (int)module.nbytes,
                   module.bytes, (int)name.nbytes, name.bytes);
}

static bool op_reduce(machine *m, sg_error *err)
{
    if (!pop(m, 2, err)) return false;
    sg_pickle_ref result;
    const sg_pickle_value *callee = sg_pickle_at(m->pickle, m->stack[m->nstack]);
    const sg_pickle_value *args = sg_pickle_at(m->pickle, m->stack[m->nstack + 1]);
    if (callee->kind != SG_PICKLE_GLOBAL || args->kind != SG_PICKLE_TUPLE)
        return sg_fail(err, SG_ERR_FORMAT, "a call of what cannot be called");
    return callee->global->call(m->pickle, &result, args->items, err) && push(m, result, err);
}

/* Only an OrderedDict gets attributes (_metadata: versions of modules), which say nothing of tensors. */
static bool op_build(machine *m, sg_error *err)
{
    if (!pop(m, 1, err)) return false;
    return top_is(m, SG_PICKLE_DICT) ? true : sg_fail(err, SG_ERR_FORMAT, "attributes of what has none");
}

/* ('storage', class, key, location, size) in a zip; the older format has None behind it, once for views. */
static bool op_binpersid(machine *m, sg_error *err)
{
    static const sg_pickle_kind kinds[] = {SG_PICKLE_TEXT, SG_PICKLE_STORAGE_CLASS, SG_PICKLE_TEXT,
                                           SG_PICKLE_TEXT, SG_PICKLE_INT,           SG_PICKLE_NONE};
    if (!pop(m, 1, err)) return false;
    const sg_pickle_value *id = sg_pickle_at(m->pickle, m->stack[m->nstack]);
    bool ok = id->kind == SG_PICKLE_TUPLE && (id->items.n == 5 || id->items.n == 6);
    for (size_t i = 0; ok && i < id->items.n; i++)
        ok = sg_pickle_at(m->pickle, id->items.refs[i])->kind == kinds[i];
    if (!ok || !sg_pickle_text_is(sg_pickle_at(m->pickle, id->items.refs[0]), "storage"))
        return sg_fail(err, SG_ERR_FORMAT, "a persistent object that is no storage");
    sg_pickle_value value = {
        .kind = SG_PICKLE_STORAGE,
        .storage = {.key = id->items.refs[2],
                    .dtype = sg_pickle_at(m->pickle, id->items.refs[1])->dtype,
                    .size = sg_pickle_at(m->pickle, id->items.refs[4])->integer},
    };
    if (value.storage.size < 0) return sg_fail(err, SG_ERR_FORMAT, "a storage of a size below 0");
    return push_new(m, value, err);
}

static bool op_stop(machine *m, sg_error *err)
{
    if (!pop(m, 1, err)) return false;
    if (m->nstack != 0) return sg_fail(err, SG_ERR_FORMAT, "more than one value on the stack");
    m->pickle->root = m->stack[0];
    m->stopped = true;
    return true;
}

/* ---- the table ---- */

typedef struct opcode {
    const char *name;                       /* NULL: Python has none of that number */
    bool (*run)(machine *m, sg_error *err); /* NULL: weights need no such thing */
} opcode;

static const opcode opcodes[256] = {
    ['('] = {"MARK", op_mark},
    [')'] = {"EMPTY_TUPLE", op_empty_tuple},
    ['.'] = {"STOP", op_stop},
    ['G'] = {"BINFLOAT", op_binfloat},
    ['J'] = {"BININT", op_binint},
    ['K'] = {"BININT1", op_binint1},
    ['M'] = {"BININT2", op_binint2},
    ['N'] = {"NONE", op_none},
    ['Q'] = {"BINPERSID", op_binpersid},
    ['R'] = {"REDUCE", op_reduce},
    ['T'] = {"BINSTRING", op_text},
    ['U'] = {"SHORT_BINSTRING", op_short_text},
    ['X'] = {"BINUNICODE", op_text},
    [']'] = {"EMPTY_LIST", op_empty_list},
    ['a'] = {"APPEND", op_append},
    ['b'] = {"BUILD", op_build},
    ['c'] = {"GLOBAL", op_global},
    ['e'] = {"APPENDS", op_appends},
    ['h'] = {"BINGET", op_binget},
    ['j'] = {"LONG_BINGET", op_long_binget},
    ['q'] = {"BINPUT", op_binput},
    ['r'] = {"LONG_BINPUT", op_long_binput},
    ['s'] = {"SETITEM", op_setitem},
    ['t'] = {"TUPLE", op_tuple},
    ['u'] = {"SETITEMS", op_setitems},
    ['}'] = {"EMPTY_DICT", op_empty_dict},
    [0x80] = {"PROTO", op_proto},
    [0x85] = {"TUPLE1", op_tuple1},
    [0x86] = {"TUPLE2", op_tuple2},
    [0x87] = {"TUPLE3", op_tuple3},
    [0x88] = {"NEWTRUE", op_true},
    [0x89] = {"NEWFALSE", op_false},
    [0x8a] = {"LONG1", op_long1},
    [0x8b] = {"LONG4", op_long4},
    /* The rest have names only, for the message. */
    ['0'] = {"POP", NULL},
    ['1'] = {"POP_MARK", NULL},
    ['2'] = {"DUP", NULL},
    ['B'] = {"BINBYTES", NULL},
    ['C'] = {"SHORT_BINBYTES", NULL},
    ['F'] = {"FLOAT", NULL},
    ['I'] = {"INT", NULL},
    ['L'] = {"LONG", NULL},
    ['P'] = {"PERSID", NULL},
    ['S'] = {"STRING", NULL},
    ['V'] = {"UNICODE", NULL},
    ['d'] = {"DICT", NULL},
    ['g'] = {"GET", NULL},
    ['i'] = {"INST", NULL},
    ['l'] = {"LIST", NULL},
    ['o'] = {"OBJ", NULL},
    ['p'] = {"PUT", NULL},
    [0x81] = {"NEWOBJ", NULL},
    [0x82] = {"EXT1", NULL},
    [0x83] = {"EXT2", NULL},
    [0x84] = {"EXT4", NULL},
    [0x8c] = {"SHORT_BINUNICODE", NULL},
    [0x8d] = {"BINUNICODE8", NULL},
    [0x8e] = {"BINBYTES8", NULL},
    [0x8f] = {"EMPTY_SET", NULL},
    [0x90] = {"ADDITEMS", NULL},
    [0x91] = {"FROZENSET", NULL},
    [0x92] = {"NEWOBJ_EX", NULL},
    [0x93] = {"STACK_GLOBAL", NULL},
    [0x94] = {"MEMOIZE", NULL},
    [0x95] = {"FRAME", NULL},
    [0x96] = {"BYTEARRAY8", NULL},
    [0x97] = {"NEXT_BUFFER", NULL},
    [0x98] = {"READONLY_BUFFER", NULL},
};

static bool step(machine *m, sg_error *err)
{
    size_t at = m->at;
    const unsigned char *code;
    if (!take(m, &code, 1, err)) return sg_prefix(err, "byte %zu", at);
    const opcode *op = &opcodes[*code];
    if (op->run) return op->run(m, err) || sg_prefix(err, "byte %zu: opcode %s", at, op->name);
    if (op->name)
        return sg_fail(err, SG_ERR_UNSUPPORTED, "byte %zu: opcode %s is nothing that weights need", at,
                       op->name);
    return sg_fail(err, SG_ERR_FORMAT, "byte %zu: 0x%02x is no opcode", at, *code);
}

bool sg_pickle_read(sg_pickle *pickle, const unsigned char *bytes, size_t nbytes, size_t begin, sg_error *err)
{
    *pickle = (sg_pickle){0};
    if (nbytes - begin > SG_PICKLE_NBYTES_MAX)
        nbytes = begin + SG_PICKLE_NBYTES_MAX; /* no opcode begins behind */
    machine m = {.pickle = pickle, .bytes = bytes, .nbytes = nbytes, .at = begin};
    bool ok = sg_pickle_new(pickle, &m.mark, SG_PICKLE_MARK, err);
    while (ok && !m.stopped) ok = step(&m, err);
    pickle->end = m.at;
    sg_free(m.stack);
    sg_free(m.memo);
    if (!ok) sg_pickle_clear(pickle);
    return ok;
}

void sg_pickle_clear(sg_pickle *pickle)
{
    for (size_t i = 0; i < pickle->n; i++) {
        sg_pickle_kind kind = pickle->values[i].kind;
        if (kind == SG_PICKLE_TUPLE || kind == SG_PICKLE_LIST || kind == SG_PICKLE_DICT)
            sg_free(pickle->values[i].items.refs);
    }
    sg_free(pickle->values);
    *pickle = (sg_pickle){0};
}
