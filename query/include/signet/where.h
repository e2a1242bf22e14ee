/* A condition on items' attributes, by which a query looks at some of an index only. */
#ifndef SIGNET_WHERE_H
#define SIGNET_WHERE_H

#include <signet/attributes.h>

typedef struct sg_where_term {
    char *key, *value; /* owned; value NULL: any */
    bool absent;       /* such a pair must not be there */
} sg_where_term;

/* All terms must hold; without any it holds for everything. */
typedef struct sg_where {
    sg_where_term *terms;
    size_t n, cap;
} sg_where;

#define SG_WHERE_INIT                                                                                        \
    {                                                                                                        \
        NULL, 0, 0                                                                                           \
    }

/* "key=value": has that pair; "key!=value": has not (nor need it have the key); "key": has one of that key. SG_ERR_USAGE
 * for what has no key. */
bool sg_where_parse_add(sg_where *where, const char *term, sg_error *err);
bool sg_where_add(sg_where *where, const char *key, const char *value, sg_error *err);
bool sg_where_holds(const sg_where *where, const char *attributes, size_t nbytes);
bool sg_where_copy(sg_where *to, const sg_where *from, sg_error *err);
bool sg_where_same(const sg_where *a, const sg_where *b);
void sg_where_clear(sg_where *where);

#endif
