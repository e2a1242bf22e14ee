/* Files into an index. Batches of files are looked at by all threads (read, hashed, decoded), then encoded by all threads,
 * then stored, always in the order of the files: ids do not depend on timing. The two kinds of work take turns: threads
 * that decode beside OpenMP's were no faster (both have the same cores), and the disk is kept busy by asking for the next
 * files early. */
#include "index_impl.h"
#include "picture_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <signet/buf.h>
#include <signet/cpu.h>
#include <signet/file.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <string.h>
#include <sys/stat.h>

#define COMMIT_ITEMS   1024 /* a batch of the store: at most these, and at most about one second of work */
#define COMMIT_SECONDS 1.0

typedef struct ingest {
    sg_index *index;
    const sg_ingest_options *options;
    sg_ingest_counts *counts; /* what is done; stored items count when they are committed */
    sg_ingest_counts pending; /* of the open batch */
    sg_picture *found;        /* (2 * batch): files to look at; the second half is asked for meanwhile */
    size_t nfound, batch, image_nbytes, code_nbytes;
    uint8_t *pixels, *codes; /* (batch, image_nbytes), (batch, code_nbytes) */
    bool open;               /* a batch of the store */
    size_t nput;             /* in it */
    double began;
    uint64_t nfinished; /* for the progress line */
} ingest;

static void say(const ingest *in, sg_ingest_event event, const char *path, const char *what)
{
    if (in->options->note) in->options->note(in->options->context, event, path, what);
}

static void step(ingest *in)
{
    in->nfinished++;
    if (in->options->progress) sg_progress_update(in->options->progress, in->nfinished, NULL);
}

/* A file that was asked for and is no sound image. */
static bool broken(ingest *in, const char *path, const sg_error *why, sg_error *err)
{
    if (in->options->strict || why->code == SG_ERR_MEMORY) {
        if (err) *err = *why;
        return false;
    }
    in->counts->broken++;
    say(in, SG_INGEST_SKIPPED, path, why->message);
    step(in);
    return true;
}

/* --- storing --- */

static bool commit(ingest *in, sg_error *err)
{
    if (!in->open) return true;
    in->open = false;
    if (!sg_store_commit(in->index->store, err)) return false;
    in->counts->added += in->pending.added;
    in->counts->updated += in->pending.updated;
    in->counts->unchanged += in->pending.unchanged;
    in->counts->duplicates += in->pending.duplicates;
    in->pending = (sg_ingest_counts){0};
    return true;
}

static bool begin(ingest *in, sg_error *err)
{
    if (in->open) return true;
    if (!sg_store_begin(in->index->store, err)) return false;
    in->open = true;
    in->nput = 0;
    in->began = sg_now_seconds();
    return true;
}

static bool say_duplicate(const ingest *in, const char *path, uint64_t other, sg_error *err)
{
    sg_item item;
    char *other_path;
    sg_buf what = SG_BUF_INIT;
    if (!in->options->note) return true;
    if (!sg_store_get(&item, &other_path, in->index->store, other, err)) return false;
    sg_buf_printf(&what, "same content as %s (id %" PRIu64 ")", other_path, other);
    bool ok = sg_buf_ok(&what) ? true : sg_fail_memory(err, path);
    if (ok) say(in, SG_INGEST_DUPLICATE, path, sg_buf_text(&what));
    sg_buf_clear(&what);
    sg_free(other_path);
    return ok;
}

static bool put(ingest *in, const sg_picture *p, const uint8_t *code, sg_error *err)
{
    sg_put_kind kind;
    uint64_t id, other;
    sg_item item = {.path = p->path,
                    .nbytes = p->nbytes,
                    .mtime_ns = p->mtime_ns,
                    .foreign = in->index->verdict != SG_RECIPE_SAME,
                    .code = code};
    memcpy(item.content, p->content, SG_CONTENT_NBYTES);
    if (!begin(in, err) || !sg_store_put(&kind, &id, &other, in->index->store, &item, err)) return false;
    in->nput++;
    in->pending.added += kind == SG_PUT_ADDED || kind == SG_PUT_DUPLICATE;
    in->pending.updated += kind == SG_PUT_UPDATED;
    in->pending.unchanged += kind == SG_PUT_UNCHANGED;
    in->pending.duplicates += other != 0;
    if (kind == SG_PUT_UPDATED) say(in, SG_INGEST_UPDATED, p->path, "updated");
    if (other != 0 && !say_duplicate(in, p->path, other, err)) return false;
    step(in);
    return in->nput < COMMIT_ITEMS || commit(in, err);
}

/* The pixels of good pictures move together; each keeps its order. Returns how many there are. */
static size_t gather_good(ingest *in, size_t n)
{
    size_t good = 0;
    for (size_t i = 0; i < n; i++) {
        if (in->found[i].state != SG_PICTURE_GOOD) continue;
        if (good < i)
            memcpy(in->pixels + good * in->image_nbytes, in->pixels + i * in->image_nbytes, in->image_nbytes);
        good++;
    }
    return good;
}

static void drop_found(ingest *in, size_t n)
{
    for (size_t i = 0; i < n; i++) sg_free(in->found[i].path);
    in->nfound -= n;
    if (in->nfound > 0) memmove(in->found, in->found + n, in->nfound * sizeof *in->found);
}

static bool store_found(ingest *in, size_t n, sg_error *err)
{
    const uint8_t *code = in->codes;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        sg_picture *p = &in->found[i];
        if (p->state == SG_PICTURE_GOOD) {
            ok = put(in, p, code, err);
            code += in->code_nbytes;
        } else if (p->state == SG_PICTURE_BROKEN) {
            ok = broken(in, p->path, &p->why, err);
        } else {
            in->counts->ignored++;
            step(in);
        }
    }
    return ok && (!in->open || sg_now_seconds() - in->began < COMMIT_SECONDS || commit(in, err));
}

/* Takes the first of the found files, a batch of the network at most. */
static bool take_found(ingest *in, sg_error *err)
{
    size_t n = in->nfound < in->batch ? in->nfound : in->batch;
    int threads = in->options->threads > 0 ? in->options->threads : sg_threads();
    const sg_preprocess *pp = &in->index->model->preprocess;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
    for (size_t i = 0; i < n; i++)
        if (!sg_interrupted()) sg_picture_look(&in->found[i], in->pixels + i * in->image_nbytes, pp);
    if (!sg_interrupt_check(err)) return false;
    size_t good = gather_good(in, n);
    bool ok = good == 0 || sg_encoder_codes(in->index->encoder, in->codes, in->pixels, good, err);
    ok = ok && store_found(in, n, err);
    drop_found(in, n);
    return ok;
}

/* --- finding --- */

static int64_t mtime_of(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* Takes path (absolute). A file that is recorded with its size and time is not read. */
static bool add_file(ingest *in, char *path, bool named, sg_error *err)
{
    struct stat st;
    sg_error why;
    bool current = false, ok = sg_interrupt_check(err);
    if (ok && stat(path, &st) != 0) {
        sg_fail_errno(&why, errno, "%s: cannot open", path);
        ok = broken(in, path, &why, err);
        goto done;
    }
    ok =
        ok && sg_store_is_current(&current, in->index->store, path, (uint64_t)st.st_size, mtime_of(&st), err);
    if (ok && current) {
        in->counts->unchanged++;
        step(in);
        goto done;
    }
    if (ok && in->nfound == 2 * in->batch) ok = take_found(in, err);
    if (ok) {
        sg_picture *p = &in->found[in->nfound++];
        *p = (sg_picture){
            .path = path, .named = named, .nbytes = (uint64_t)st.st_size, .mtime_ns = mtime_of(&st)};
        sg_picture_expect(p);
        return true;
    }
done:
    sg_free(path);
    return ok;
}

static bool take_refused(void *context, const char *path, const sg_error *why, sg_error *err)
{
    return broken(context, path, why, err);
}

static bool add_folder(ingest *in, const char *folder, sg_error *err)
{
    char **names, *path;
    size_t n;
    const sg_dir_refused refused = {take_refused, in};
    if (!sg_dir_walk(&names, &n, folder, in->options->hidden, &refused, err)) return false;
    if (in->options->progress) in->options->progress->total += n;
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++)
        ok = sg_path_join(&path, folder, names[i], err) && add_file(in, path, false, err);
    sg_names_free(names, n);
    return ok;
}

static bool add_path(ingest *in, const char *given, sg_error *err)
{
    char *path;
    if (!sg_path_absolute(&path, given, err)) return false;
    if (sg_is_dir(path)) {
        bool ok = add_folder(in, path, err);
        sg_free(path);
        return ok;
    }
    if (in->options->progress) in->options->progress->total++;
    return add_file(in, path, true, err);
}

/* --- the whole --- */

static bool prepare(ingest *in, sg_error *err)
{
    in->batch = sg_encoder_batch(in->index->encoder);
    in->image_nbytes = sg_net_input_size(in->index->model->net);
    in->code_nbytes = in->index->info.nbits / 8;
    in->found = sg_calloc(2 * in->batch, sizeof *in->found);
    in->pixels = sg_alloc(in->batch, in->image_nbytes);
    in->codes = sg_alloc(in->batch, in->code_nbytes);
    return in->found && in->pixels && in->codes ? true : sg_fail_memory(err, "ingest");
}

static void finish(ingest *in)
{
    if (in->open) sg_store_abort(in->index->store);
    drop_found(in, in->nfound);
    sg_free(in->found);
    sg_free(in->pixels);
    sg_free(in->codes);
}

bool sg_ingest_paths(sg_ingest_counts *counts, sg_index *index, const char *const *paths, size_t npaths,
                     const sg_ingest_options *options, sg_error *err)
{
    ingest in = {.index = index, .options = options, .counts = counts};
    sg_error why = {SG_OK, ""};
    *counts = (sg_ingest_counts){0};
    SG_ASSERT(index->encoder);
    if (index->verdict == SG_RECIPE_OTHER)
        return sg_fail(err, SG_ERR_MISMATCH, "codes made here would not be those of the index: %s",
                       index->differs);
    bool ok = prepare(&in, &why);
    for (size_t i = 0; ok && i < npaths; i++) ok = add_path(&in, paths[i], &why);
    while (ok && in.nfound > 0) ok = take_found(&in, &why);
    ok = ok && commit(&in, &why);
    if (!ok && why.code == SG_ERR_INTERRUPTED) { /* what is in the open batch is sound: it is kept */
        sg_error failed;
        if (!commit(&in, &failed)) why = failed;
    }
    finish(&in);
    if (!ok && err) *err = why;
    return ok;
}
