/* NumPy's format, versions 1 to 3: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include <signet/npy.h>

#include <signet/buf.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <string.h>

#define MAGIC        "\x93NUMPY"
#define MAGIC_NBYTES 6
#define ALIGNMENT    64 /* of the data in the file */

/* Element types as they stand in files, and how n of them become ours. */
typedef struct element {
    const char *descr;
    size_t nbytes;
    sg_npy_type type;
    void (*convert)(void *to, const char *from, size_t n);
} element;

static const size_t type_nbytes[] = {[SG_NPY_U8] = 1, [SG_NPY_I64] = 8, [SG_NPY_F32] = 4};
static const char *const type_descr[] = {[SG_NPY_U8] = "|u1", [SG_NPY_I64] = "<i8", [SG_NPY_F32] = "<f4"};

#define DEFINE_CONVERT(name, in, out)                                                                        \
    static void convert_##name(void *to, const char *from, size_t n)                                         \
    {                                                                                                        \
        out *d = to;                                                                                         \
        for (size_t i = 0; i < n; i++) {                                                                     \
            in x;                                                                                            \
            memcpy(&x, from + i * sizeof x, sizeof x);                                                       \
            d[i] = (out)x;                                                                                   \
        }                                                                                                    \
    }
DEFINE_CONVERT(u8, uint8_t, uint8_t)
DEFINE_CONVERT(i64, int64_t, int64_t)
DEFINE_CONVERT(i32, int32_t, int64_t)
DEFINE_CONVERT(i16, int16_t, int64_t)
DEFINE_CONVERT(u16, uint16_t, int64_t)
DEFINE_CONVERT(u32, uint32_t, int64_t)
DEFINE_CONVERT(f32, float, float)
DEFINE_CONVERT(f64, double, float)

static const element elements[] = {
    {"|u1", 1, SG_NPY_U8, convert_u8},   {"|b1", 1, SG_NPY_U8, convert_u8},
    {"<i8", 8, SG_NPY_I64, convert_i64}, {"<i4", 4, SG_NPY_I64, convert_i32},
    {"<i2", 2, SG_NPY_I64, convert_i16}, {"<u2", 2, SG_NPY_I64, convert_u16},
    {"<u4", 4, SG_NPY_I64, convert_u32}, {"<f4", 4, SG_NPY_F32, convert_f32},
    {"<f8", 8, SG_NPY_F32, convert_f64},
};

/* The header's text, a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } */
typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_blanks(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n')) c->at++;
}

static bool take(cursor *c, const char *word)
{
    size_t length = strlen(word);
    skip_blanks(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0) return false;
    c->at += length;
    return true;
}

/* A string without escapes, shorter than cap. */
static bool take_string(cursor *c, char *out, size_t cap)
{
    skip_blanks(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"')) return false;
    const char *first = c->at + 1;
    const char *last = memchr(first, *c->at, (size_t)(c->end - first));
    if (!last || (size_t)(last - first) >= cap || memchr(first, '\\', (size_t)(last - first))) return false;
    memcpy(out, first, (size_t)(last - first));
    out[last - first] = '\0';
    c->at = last + 1;
    return true;
}

static bool take_size(cursor *c, size_t *value)
{
    skip_blanks(c);
    const char *first = c->at;
    for (*value = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (!sg_mul_size(value, *value, 10) || !sg_add_size(value, *value, (size_t)(*c->at - '0')))
            return false;
    return c->at > first;
}

/* (n,) or (n, m) */
static bool take_shape(cursor *c, sg_npy *npy)
{
    if (!take(c, "(") || !take_size(c, &npy->rows) || !take(c, ",")) return false;
    npy->ndim = 1;
    npy->cols = 1;
    if (take(c, ")")) return true;
    if (!take_size(c, &npy->cols)) return false;
    npy->ndim = 2;
    take(c, ",");
    return take(c, ")");
}

static const element *find_element(const char *descr)
{
    for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
        if (strcmp(elements[i].descr, descr) == 0) return &elements[i];
    return NULL;
}

typedef struct npy_header {
    const element *from;
    sg_npy *npy; /* for its shape */
    bool has_order, has_shape;
} npy_header;

static const char broken[] = "a broken npy header";

/* One key and its value. NULL, or what is wrong. */
static const char *parse_item(npy_header *h, cursor *c)
{
    char key[16], descr[16];
    if (!take_string(c, key, sizeof key) || !take(c, ":")) return broken;
    if (strcmp(key, "descr") == 0 && !h->from) {
        if (take_string(c, descr, sizeof descr)) h->from = find_element(descr);
        return h->from ? NULL : "an element type that signet does not read";
    }
    if (strcmp(key, "fortran_order") == 0 && !h->has_order) {
        h->has_order = true;
        return take(c, "False") ? NULL : "not in C order (numpy.ascontiguousarray helps)";
    }
    if (strcmp(key, "shape") == 0 && !h->has_shape) {
        h->has_shape = true;
        return take_shape(c, h->npy) ? NULL : "not of one or two dimensions";
    }
    return broken;
}

/* The whole dictionary. NULL, or what is wrong. */
static const char *parse_header(npy_header *h, cursor c)
{
    if (!take(&c, "{")) return broken;
    while (!take(&c, "}")) {
        const char *problem = parse_item(h, &c);
        if (problem) return problem;
        if (take(&c, ",")) continue;
        if (!take(&c, "}")) return broken;
        break;
    }
    skip_blanks(&c);
    return h->from && h->has_order && h->has_shape && c.at == c.end ? NULL : broken;
}

/* The header's text; the data begins where it ends. */
static bool find_header(cursor *text, const char *bytes, size_t nbytes, const char *path, sg_error *err)
{
    if (nbytes < MAGIC_NBYTES + 6 || memcmp(bytes, MAGIC, MAGIC_NBYTES) != 0)
        return sg_fail(err, SG_ERR_FORMAT, "%s: is no npy file", path);
    const unsigned char *s = (const unsigned char *)bytes + MAGIC_NBYTES;
    if (s[0] < 1 || s[0] > 3 || s[1] != 0)
        return sg_fail(err, SG_ERR_FORMAT, "%s: npy version %u.%u is not known", path, s[0], s[1]);
    size_t length = s[2] | (size_t)s[3] << 8, first = MAGIC_NBYTES + 4;
    if (s[0] > 1) {
        length |= (size_t)s[4] << 16 | (size_t)s[5] << 24;
        first += 2;
    }
    if (length > nbytes - first) return sg_fail(err, SG_ERR_FORMAT, "%s: ends in its npy header", path);
    *text = (cursor){bytes + first, bytes + first + length};
    return true;
}

static bool decode(sg_npy *npy, const char *bytes, size_t nbytes, const char *path, sg_error *err)
{
    cursor text = {bytes, bytes};
    npy_header h = {.npy = npy};
    size_t n, need;
    if (!find_header(&text, bytes, nbytes, path, err)) return false;
    const char *problem = parse_header(&h, text);
    if (problem) return sg_fail(err, SG_ERR_FORMAT, "%s: %s", path, problem);
    size_t there = nbytes - (size_t)(text.end - bytes);
    if (!sg_mul_size(&n, npy->rows, npy->cols) || !sg_mul_size(&need, n, h.from->nbytes) || need != there)
        return sg_fail(err, SG_ERR_FORMAT, "%s: holds %zu bytes of data, not %zu x %zu of %zu", path, there,
                       npy->rows, npy->cols, h.from->nbytes);
    npy->type = h.from->type;
    npy->data = sg_alloc(n, type_nbytes[npy->type]);
    if (!npy->data) return sg_fail_memory(err, path);
    h.from->convert(npy->data, text.end, n);
    return true;
}

bool sg_npy_parse(sg_npy *npy, const char *bytes, size_t nbytes, const char *path, sg_error *err)
{
    sg_npy read = {0};
    *npy = read;
    if (!decode(&read, bytes, nbytes, path, err)) return false;
    *npy = read;
    return true;
}

bool sg_npy_read(sg_npy *npy, const char *path, sg_error *err)
{
    char *bytes;
    size_t nbytes;
    *npy = (sg_npy){0};
    if (!sg_file_read(&bytes, &nbytes, path, PTRDIFF_MAX, err)) return false;
    bool ok = sg_npy_parse(npy, bytes, nbytes, path, err);
    sg_free(bytes);
    return ok;
}

void sg_npy_clear(sg_npy *npy)
{
    sg_free(npy->data);
    *npy = (sg_npy){0};
}

bool sg_npy_write(const char *path, sg_npy_type type, int ndim, size_t rows, size_t cols, const void *data,
                  sg_error *err)
{
    sg_buf header = SG_BUF_INIT;
    sg_out *out = NULL;
    bool ok = false;
    SG_ASSERT(ndim == 2 || (ndim == 1 && cols == 1));
    sg_buf_put(&header, MAGIC "\x01\x00\x00\x00", MAGIC_NBYTES + 4);
    sg_buf_printf(&header, "{'descr': '%s', 'fortran_order': False, 'shape': (%zu,", type_descr[type], rows);
    if (ndim == 2) sg_buf_printf(&header, " %zu", cols);
    sg_buf_puts(&header, "), }");
    while (sg_buf_ok(&header) && header.size % ALIGNMENT != ALIGNMENT - 1) sg_buf_puts(&header, " ");
    sg_buf_puts(&header, "\n");
    if (!sg_buf_ok(&header)) {
        sg_fail_memory(err, path);
        goto done;
    }
    header.data[MAGIC_NBYTES + 2] = (char)(header.size - MAGIC_NBYTES - 4); /* below 256: see above */
    if (!sg_out_open(&out, path, err) || !sg_out_write(out, header.data, header.size, err) ||
        !sg_out_write(out, data, rows * cols * type_nbytes[type], err))
        goto done;
    ok = sg_out_commit(out, err);
    out = NULL;
done:
    sg_out_abort(out);
    sg_buf_clear(&header);
    return ok;
}
