/* Pictures to answers. A batch of files is looked at by all threads, goes through the network and is searched for, at once
 * for all; the answers are told in the files' order. */
#include "picture_impl.h"
#include "searcher_impl.h"

#include <signet/cpu.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>

#define ATTEMPTS 3 /* against an index that is replaced while codes are made */

typedef struct batch {
    sg_searcher *searcher;
    const sg_ask *ask;
    const sg_query_visit *visit;
    size_t size; /* room for so many pictures */
    sg_picture *pictures;
    uint8_t *pixels, *codes; /* (size, image_nbytes), (size, nbits / 8) */
    float *z;                /* (size, nbits) */
    size_t image_nbytes, nbits;
    sg_query *queries; /* (size): of the good ones */
    sg_answer *answers;
} batch;

static void batch_free(batch *b)
{
    sg_free(b->pictures);
    sg_free(b->pixels);
    sg_free(b->codes);
    sg_free(b->z);
    sg_free(b->queries);
    sg_free(b->answers);
    *b = (batch){.size = 0};
}

static bool batch_new(batch *b, sg_searcher *s, size_t size, const sg_ask *ask, const sg_query_visit *visit,
                      sg_error *err)
{
    const sg_index *index = s->index;
    *b = (batch){.searcher = s,
                 .ask = ask,
                 .visit = visit,
                 .size = size,
                 .image_nbytes = sg_net_input_size(index->model->net),
                 .nbits = index->info.nbits};
    b->pictures = sg_calloc(size, sizeof *b->pictures);
    b->pixels = sg_alloc(size, b->image_nbytes);
    b->codes = sg_alloc(size, b->nbits / 8);
    size_t outputs;
    b->z = sg_mul_size(&outputs, size, b->nbits) ? sg_alloc(outputs, sizeof *b->z) : NULL;
    b->queries = sg_calloc(size, sizeof *b->queries);
    b->answers = sg_calloc(size, sizeof *b->answers);
    if (b->pictures && b->pixels && b->codes && b->z && b->queries && b->answers) return true;
    batch_free(b);
    return sg_fail_memory(err, "pictures");
}

/* The good pictures' pixels move together, in their order, and each becomes a query. How many that are. */
static size_t gather_good(batch *b, size_t n)
{
    size_t good = 0;
    for (size_t i = 0; i < n; i++) {
        if (b->pictures[i].state != SG_PICTURE_GOOD) continue;
        if (good < i)
            memcpy(b->pixels + good * b->image_nbytes, b->pixels + i * b->image_nbytes, b->image_nbytes);
        b->queries[good] = (sg_query){.path = b->pictures[i].path,
                                      .code = b->codes + good * (b->nbits / 8),
                                      .outputs = b->z + good * b->nbits};
        good++;
    }
    return good;
}

/* Of `n` pictures that were looked at: the good ones' answers. */
static bool answer_pictures(batch *b, size_t n, sg_error *err)
{
    size_t good = gather_good(b, n);
    if (good == 0) return true;
    if (!sg_encoder_outputs(b->searcher->index->encoder, b->z, b->pixels, good, err)) {
        if (n == 1 && b->queries[0].path) sg_prefix(err, "%s", b->queries[0].path);
        return false;
    }
    sg_codes_pack(b->codes, b->z, good, b->nbits);
    return sg_searcher_ask(b->answers, b->searcher, b->queries, good, b->ask, err);
}

/* The answers, or what is wrong with the pictures. */
static bool tell(batch *b, size_t n, sg_error *err)
{
    const sg_query_visit *v = b->visit;
    size_t told = 0;
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        if (b->pictures[i].state == SG_PICTURE_GOOD) {
            ok = ok && v->answer(v->context, &b->answers[told], err);
            sg_answer_clear(&b->answers[told++]);
        } else if (b->pictures[i].state == SG_PICTURE_BROKEN) {
            ok = ok && v->broken(v->context, &b->pictures[i].why, err);
        }
    }
    return ok;
}

static bool look_up(batch *b, const sg_query_file *files, size_t n, sg_error *err)
{
    const sg_preprocess *pp = &b->searcher->index->model->preprocess;
    for (size_t i = 0; i < n; i++) {
        b->pictures[i] =
            (sg_picture){.path = files[i].path, .named = files[i].named, .need = SG_PICTURE_UNHASHED};
        if (n > 1) sg_picture_expect(&b->pictures[i]);
    }
#pragma omp parallel for schedule(dynamic) num_threads(sg_threads()) if (n > 1)
    for (size_t i = 0; i < n; i++)
        if (!sg_interrupted()) sg_picture_look(&b->pictures[i], b->pixels + i * b->image_nbytes, pp);
    return sg_interrupt_check(err) && answer_pictures(b, n, err);
}

bool sg_searcher_files(sg_searcher *searcher, const sg_query_file *files, size_t n, const sg_ask *ask,
                       const sg_query_visit *visit, sg_error *err)
{
    batch b = {.size = 0};
    bool ok = true;
    int left = ATTEMPTS;
    for (size_t done = 0, now; ok && done < n; done += now) {
        const unsigned replaced = searcher->replaced;
        ok = sg_searcher_refresh(searcher, err);
        if (ok &&
            (b.size == 0 || searcher->replaced != replaced)) { /* pictures are brought to this network */
            SG_ASSERT(searcher->index->encoder);
            size_t most = sg_encoder_batch(searcher->index->encoder);
            batch_free(&b);
            ok = batch_new(&b, searcher, n < most ? n : most, ask, visit, err);
        }
        now = n - done < b.size ? n - done : b.size;
        if (ok && look_up(&b, files + done, now, err))
            ok = tell(&b, now, err);
        else if (ok && --left > 0 && sg_index_is_outdated(searcher->index->store))
            now = 0; /* the same ones again, of the index that is there now */
        else
            ok = false;
    }
    batch_free(&b);
    return ok;
}

/* --- one picture --- */

static bool move_answer(void *context, sg_answer *answer, sg_error *err)
{
    (void)err;
    *(sg_answer *)context = *answer;
    *answer = (sg_answer){0};
    return true;
}

static bool fail_broken(void *context, const sg_error *why, sg_error *err)
{
    (void)context;
    if (err) *err = *why;
    return false;
}

bool sg_searcher_image(sg_answer *answer, sg_searcher *searcher, const char *path, const sg_ask *ask,
                       sg_error *err)
{
    const sg_query_file file = {.path = path, .named = true};
    const sg_query_visit visit = {move_answer, fail_broken, answer};
    *answer = (sg_answer){0};
    return sg_searcher_files(searcher, &file, 1, ask, &visit, err);
}

bool sg_searcher_bytes(sg_answer *answer, sg_searcher *searcher, const char *bytes, size_t nbytes,
                       const sg_ask *ask, sg_error *err)
{
    batch b;
    const sg_query_visit visit = {move_answer, fail_broken, answer};
    *answer = (sg_answer){0};
    if (!sg_searcher_refresh(searcher, err)) return false;
    SG_ASSERT(searcher->index->encoder);
    if (!batch_new(&b, searcher, 1, ask, &visit, err)) return false;
    sg_picture_decode(&b.pictures[0], b.pixels, &searcher->index->model->preprocess, bytes, nbytes);
    bool ok = answer_pictures(&b, 1, err) && tell(&b, 1, err);
    batch_free(&b);
    return ok;
}
