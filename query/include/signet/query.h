/* Pictures, codes and items to their answers: the nearest items of an index. */
#ifndef SIGNET_QUERY_H
#define SIGNET_QUERY_H

#include <signet/ingest.h>
#include <signet/search.h>
#include <signet/where.h>

/* --- what is asked --- */

/* What is wanted of each query. */
typedef struct sg_ask {
    size_t k;              /* so many; 0 with radius >= 0: all within it */
    int radius;            /* in bits, inclusive; < 0: no bound */
    const sg_where *where; /* the nearest of those for which it holds; NULL: of all */
    /* The rerank_from (0: k; else k at least) nearest by Hamming distance are ordered by their score, then distance, then id,
     * and the first k of them are the answer. The score is 1 - cos(z, y): z the query's real outputs (the signs of its code when it has none),
     * y the item's (the signs of its code, +1 and -1, when the index stores none). Against signs that is the order of the
     * asymmetric distance, -sum of z_i y_i. */
    bool rerank;
    size_t rerank_from;
} sg_ask;

/* One query, by its code or by an item. */
typedef struct sg_query {
    const char *path;     /* of its picture, as given: told in the answer; NULL */
    const uint8_t *code;  /* (nbits / 8); NULL with id */
    const float *outputs; /* (nbits), for re-ranking; NULL: there are none */
    uint64_t id;          /* an item's: its own code is asked for, and itself is no answer; 0: none */
} sg_query;

/* --- answers --- */

typedef struct sg_answer {
    char *query;       /* owned: the path as given; NULL: asked by a code or an item */
    uint64_t query_id; /* of the item, or 0 */
    char *query_path;  /* owned: of that item; NULL: it has none */
    uint8_t *code;     /* owned, nbits / 8 */
    size_t nbits;
    sg_search_result result;    /* by (score, distance, id) when re-ranked */
    char **paths;               /* owned, result.n; NULL: an item without one */
    sg_attributes *attributes;  /* owned, result.n; NULL: none are told */
    double *scores;             /* owned, result.n; NULL: not re-ranked */
    size_t reranked;            /* of so many nearest */
    uint64_t generation, items; /* of the index */
    char fingerprint[65];
    char recipe_difference[256]; /* as of sg_index_recipe_difference */
} sg_answer;
void sg_answer_clear(sg_answer *answer);

/* Output forms. text: one line a result, "distance id path", the path "-" for an item without one; or, with zero, the
 * path's very bytes and a NUL instead of the line's end. json: one object a line (docs/formats.md). html: a
 * self-contained contact sheet of several answers, thumbnails as data URIs; max_pixels as in sg_decode_options. */
bool sg_answer_text(FILE *out, const sg_answer *answer, bool zero, sg_error *err);
bool sg_answer_json(FILE *out, const sg_answer *answer, sg_error *err);
bool sg_answers_html(const char *path, const sg_answer *answers, size_t n, uint64_t max_pixels,
                     sg_error *err);
/* The same sheet of groups of duplicates (signet/dedupe.h), each as an answer to the one to keep. */
bool sg_groups_html(const char *path, const sg_answer *groups, size_t n, uint64_t max_pixels, sg_error *err);
/* An answer back from its JSON. An object with "error" fails with that text. */
bool sg_answer_parse(sg_answer *answer, const char *json, size_t nbytes, sg_error *err);

/* --- asking --- */

typedef struct sg_searcher sg_searcher; /* an open index with its search kind built */

/* Opens an index for reading with its searcher: the codes are loaded beside the network, which takes `batch` pictures at
 * a time. */
bool sg_searcher_open(sg_searcher **searcher, const char *dir, sg_index_need need, size_t batch,
                      sg_error *err);
/* Of an index that is open: borrowed until free. */
bool sg_searcher_new(sg_searcher **searcher, sg_index *index, sg_error *err);
void sg_searcher_free(sg_searcher *searcher);
sg_index *sg_searcher_index(sg_searcher *searcher);
/* Where another index has taken this one's place (compact and rebuild put a new file there), opens that: its model, its codes'
 * length and its ids may be others. To be called before something is asked by a searcher that is kept; files and pictures do
 * it themselves. */
bool sg_searcher_refresh(sg_searcher *searcher, sg_error *err);
/* How often that has happened. */
unsigned sg_searcher_replaced(const sg_searcher *searcher);

/* Answers to n queries at once, of the present generation of the index that is open. On failure all answers are empty.
 * SG_ERR_NOT_FOUND: no item of that id. */
bool sg_searcher_ask(sg_answer *answers, sg_searcher *searcher, const sg_query *queries, size_t n,
                     const sg_ask *ask, sg_error *err);
bool sg_searcher_code(sg_answer *answer, sg_searcher *searcher, const uint8_t *code, const sg_ask *ask,
                      sg_error *err);
bool sg_searcher_item(sg_answer *answer, sg_searcher *searcher, uint64_t id, const sg_ask *ask,
                      sg_error *err);
/* A picture from its file ("-": standard input), and one from the file's bytes. */
bool sg_searcher_image(sg_answer *answer, sg_searcher *searcher, const char *path, const sg_ask *ask,
                       sg_error *err);
bool sg_searcher_bytes(sg_answer *answer, sg_searcher *searcher, const char *bytes, size_t nbytes,
                       const sg_ask *ask, sg_error *err);

typedef struct sg_query_file {
    const char *path;
    bool named; /* by the user: then it must be an image */
} sg_query_file;

/* Who is told of each file, in their order. What returns false ends it. */
typedef struct sg_query_visit {
    bool (*answer)(void *context, sg_answer *answer,
                   sg_error *err); /* which it may take, leaving it zeroed */
    bool (*broken)(void *context, const sg_error *why, sg_error *err);
    void *context;
} sg_query_visit;

/* Many pictures: decoded by all cores, then through the network and searched together, a batch of the encoder's at a
 * time. Of those that are not named, what has no known signature is passed over. */
bool sg_searcher_files(sg_searcher *searcher, const sg_query_file *files, size_t n, const sg_ask *ask,
                       const sg_query_visit *visit, sg_error *err);

#endif
