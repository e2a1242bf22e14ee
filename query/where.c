#include <signet/where.h>

#include <signet/mem.h>
#include <string.h>

static bool add(sg_where *f, const char *key, size_t key_nbytes, const char *value, bool absent,
                sg_error *err)
{
    if (key_nbytes == 0)
        return sg_fail(err, SG_ERR_USAGE, "a filter without a key (key=value, key!=value or key)");
    if (!sg_grow(&f->terms, &f->cap, f->n + 1, sizeof *f->terms)) return sg_fail_memory(err, "filter");
    sg_where_term term = {.absent = absent, .value = value ? sg_strdup(value) : NULL};
    term.key = sg_calloc(key_nbytes + 1, 1);
    if (!term.key || (value && !term.value)) {
        sg_free(term.key);
        sg_free(term.value);
        return sg_fail_memory(err, "filter");
    }
    memcpy(term.key, key, key_nbytes);
    f->terms[f->n++] = term;
    return true;
}

bool sg_where_add(sg_where *where, const char *key, const char *value, sg_error *err)
{
    return add(where, key, strlen(key), value, false, err);
}

bool sg_where_parse_add(sg_where *where, const char *term, sg_error *err)
{
    const char *equals = strchr(term, '=');
    if (!equals) return add(where, term, strlen(term), NULL, false, err);
    bool absent = equals > term && equals[-1] == '!';
    return add(where, term, (size_t)(equals - term) - absent, equals + 1, absent, err);
}

bool sg_where_holds(const sg_where *where, const char *attributes, size_t nbytes)
{
    for (size_t i = 0; i < where->n; i++) {
        const sg_where_term *t = &where->terms[i];
        if (sg_attributes_has(attributes, nbytes, t->key, t->value) == t->absent) return false;
    }
    return true;
}

bool sg_where_copy(sg_where *to, const sg_where *from, sg_error *err)
{
    *to = (sg_where)SG_WHERE_INIT;
    for (size_t i = 0; i < from->n; i++) {
        const sg_where_term *t = &from->terms[i];
        if (add(to, t->key, strlen(t->key), t->value, t->absent, err)) continue;
        sg_where_clear(to);
        return false;
    }
    return true;
}

static bool same_term(const sg_where_term *a, const sg_where_term *b)
{
    return a->absent == b->absent && strcmp(a->key, b->key) == 0 && !a->value == !b->value &&
           (!a->value || strcmp(a->value, b->value) == 0);
}

bool sg_where_same(const sg_where *a, const sg_where *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!same_term(&a->terms[i], &b->terms[i])) return false;
    return true;
}

void sg_where_clear(sg_where *where)
{
    for (size_t i = 0; i < where->n; i++) {
        sg_free(where->terms[i].key);
        sg_free(where->terms[i].value);
    }
    sg_free(where->terms);
    *where = (sg_where)SG_WHERE_INIT;
}
