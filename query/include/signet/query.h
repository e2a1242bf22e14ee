/* A picture's answers. */
#ifndef SIGNET_QUERY_H
#define SIGNET_QUERY_H

#include <signet/ingest.h>
#include <signet/search.h>

typedef struct sg_searcher sg_searcher; /* an open index with its search kind built */

/* Borrows index until free. */
bool sg_searcher_new(sg_searcher **searcher, sg_index *index, sg_error *err);
void sg_searcher_free(sg_searcher *searcher);

typedef struct sg_answer {
    char *query;   /* owned: the path as given */
    uint8_t *code; /* owned, nbits / 8 */
    size_t nbits;
    sg_search_result result;
    char **paths; /* owned, result.n; NULL: a code without a path */
    uint64_t generation;
} sg_answer;

/* k 0 with radius >= 0: all within. radius < 0: none. */
bool sg_searcher_image(sg_answer *answer, sg_searcher *searcher, const char *path, size_t k, int radius,
                       sg_error *err);
bool sg_searcher_code(sg_answer *answer, sg_searcher *searcher, const uint8_t *code, size_t k, int radius,
                      sg_error *err);
void sg_answer_clear(sg_answer *answer);

/* Output forms. text: one line a result, "distance id path". json: one object a line (the design's section 5). html: a
 * self-contained contact sheet of several answers, thumbnails as data URIs. */
bool sg_answer_text(FILE *out, const sg_answer *answer, sg_error *err);
bool sg_answer_json(FILE *out, const sg_answer *answer, const sg_index *index, sg_error *err);
bool sg_answers_html(const char *path, const sg_answer *answers, size_t n, const sg_index *index,
                     sg_error *err);

#endif
