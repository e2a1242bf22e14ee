/* Worker threads fill a ring of batches ahead of the caller. All state is under one mutex; pixels of a slot are
 * written outside it, by rows that a worker has claimed. */
#include <signet/loader.h>

#include <pthread.h>
#include <signal.h>
#include <signet/cpu.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/random.h>
#include <stdatomic.h>
#include <string.h>

#define BATCHES_AHEAD 3 /* beside the one that the caller holds */

typedef struct slot {
    uint8_t *pixels;  /* (batch, C, H, W) */
    uint32_t *items;  /* (batch) */
    sg_error *errors; /* (batch) of a tolerant loader */
    size_t left;      /* rows still to come */
    size_t bad;       /* the first row that failed, and why; SIZE_MAX: none */
    sg_error error;
} slot;

struct sg_loader {
    const sg_dataset *ds;
    sg_loader_options o;
    size_t image_nbytes, nbatches;
    uint32_t *places; /* (nitems) the order of the pass */
    size_t nplaces;   /* of these, how many are in a batch */
    uint64_t epoch;
    slot slots[BATCHES_AHEAD + 1];
    size_t chunk; /* rows claimed at a time */

    pthread_mutex_t mutex;
    pthread_cond_t work, done; /* workers wait for rows; the caller for batches and for idle workers */
    size_t claimed;            /* places given to workers */
    size_t current;            /* batch that the caller takes next; the one before it is still in his hands */
    size_t busy;               /* workers at work */
    bool running, quit;
    atomic_bool give_up; /* workers leave their rows undone */

    pthread_t *threads;
    size_t nthreads;
};

static slot *slot_of(sg_loader *l, size_t batch)
{
    return &l->slots[batch % (BATCHES_AHEAD + 1)];
}

static size_t batch_rows(const sg_loader *l, size_t batch)
{
    size_t from = batch * l->o.batch;
    return l->nplaces - from < l->o.batch ? l->nplaces - from : l->o.batch;
}

static bool load_row(const sg_loader *l, uint8_t *planar, uint32_t item, sg_error *err)
{
    const sg_decode_options decode = sg_augment_decode(&l->o.augment, &l->o.preprocess);
    sg_image image;
    if (!sg_dataset_load(&image, l->ds, item, &decode, err)) return false;
    sg_rng rng = sg_rng_at(l->o.seed, SG_RNG_AUGMENT, l->epoch, item);
    bool ok = sg_augment_planar(planar, &image, &l->o.preprocess, &l->o.augment, &rng, err);
    sg_image_clear(&image);
    return ok ? true : sg_prefix(err, "%s", sg_dataset_item_name(l->ds, item));
}

/* Claims up to chunk rows of one batch; false: there is nothing to do now. Under the mutex. */
static bool claim(sg_loader *l, size_t *first, size_t *n)
{
    if (!l->running || l->claimed >= l->nplaces) return false;
    size_t batch = l->claimed / l->o.batch, row = l->claimed % l->o.batch;
    if (batch >= l->current + BATCHES_AHEAD) return false;
    size_t rows = batch_rows(l, batch);
    if (row == 0) {
        slot *s = slot_of(l, batch);
        s->left = rows;
        s->bad = SIZE_MAX;
    }
    *first = l->claimed;
    *n = rows - row < l->chunk ? rows - row : l->chunk;
    l->claimed += *n;
    return true;
}

/* Can the pass go on without the row? Then it is black. */
static bool tolerate(const sg_loader *l, slot *s, size_t row, const sg_error *error)
{
    if (!s->errors || error->code == SG_ERR_MEMORY) return false;
    s->errors[row] = *error;
    memset(s->pixels + row * l->image_nbytes, 0, l->image_nbytes);
    return true;
}

/* Fills the claimed rows; a failure of an earlier row wins over that of a later one, whoever comes first. */
static void fill(sg_loader *l, size_t first, size_t n)
{
    slot *s = slot_of(l, first / l->o.batch);
    size_t row = first % l->o.batch, bad = SIZE_MAX;
    sg_error error;
    for (size_t i = 0; i < n && bad == SIZE_MAX && !atomic_load(&l->give_up); i++) {
        uint32_t item = l->o.items[l->places[first + i]];
        s->items[row + i] = item;
        if (s->errors) s->errors[row + i].code = SG_OK;
        if (!load_row(l, s->pixels + (row + i) * l->image_nbytes, item, &error) &&
            !tolerate(l, s, row + i, &error))
            bad = row + i;
    }
    pthread_mutex_lock(&l->mutex);
    if (bad < s->bad) {
        s->bad = bad;
        s->error = error;
    }
    s->left -= n;
    l->busy--;
    pthread_cond_signal(&l->done);
    pthread_mutex_unlock(&l->mutex);
}

static void *worker(void *data)
{
    sg_loader *l = data;
    for (;;) {
        size_t first, n;
        pthread_mutex_lock(&l->mutex);
        while (!l->quit && !claim(l, &first, &n)) pthread_cond_wait(&l->work, &l->mutex);
        bool quit = l->quit;
        if (!quit) l->busy++;
        pthread_mutex_unlock(&l->mutex);
        if (quit) return NULL;
        fill(l, first, n);
    }
}

static bool start_threads(sg_loader *l, sg_error *err)
{
    size_t n = (size_t)(l->o.threads > 0 ? l->o.threads : sg_cpu_count());
    l->threads = sg_calloc(n, sizeof *l->threads);
    if (!l->threads) return sg_fail_memory(err, "loader");
    sigset_t all, before; /* signals are the business of the program's own threads */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int code = 0;
    while (l->nthreads < n && code == 0) {
        code = pthread_create(&l->threads[l->nthreads], NULL, worker, l);
        if (code == 0) l->nthreads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code == 0 ? true : sg_fail_errno(err, code, "loader thread");
}

static bool take_memory(sg_loader *l, sg_error *err)
{
    l->places = sg_alloc(l->o.nitems, sizeof *l->places);
    bool ok = l->places != NULL;
    for (size_t i = 0; i <= BATCHES_AHEAD; i++) {
        l->slots[i].pixels = sg_calloc(l->o.batch, l->image_nbytes);
        l->slots[i].items = sg_alloc(l->o.batch, sizeof *l->slots[i].items);
        if (l->o.tolerant) l->slots[i].errors = sg_alloc(l->o.batch, sizeof *l->slots[i].errors);
        ok = ok && l->slots[i].pixels && l->slots[i].items && (!l->o.tolerant || l->slots[i].errors);
    }
    return ok ? true : sg_fail_memory(err, "loader");
}

bool sg_loader_open(sg_loader **loader, const sg_dataset *ds, const sg_loader_options *options, sg_error *err)
{
    *loader = NULL;
    const sg_preprocess *pp = &options->preprocess;
    SG_ASSERT(options->batch > 0 && pp->width > 0 && pp->height > 0);
    for (size_t i = 0; i < options->nitems; i++) SG_ASSERT(options->items[i] < sg_dataset_size(ds));
    sg_loader *l = sg_calloc(1, sizeof *l);
    if (!l) return sg_fail_memory(err, "loader");
    l->ds = ds;
    l->o = *options;
    l->image_nbytes = (size_t)pp->channels * (size_t)pp->height * (size_t)pp->width;
    l->nbatches = options->nitems / options->batch;
    l->nplaces = l->nbatches * options->batch;
    if (!options->drop_last && l->nplaces < options->nitems) {
        l->nbatches++;
        l->nplaces = options->nitems;
    }
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->done, NULL);
    if (!take_memory(l, err) || !start_threads(l, err)) {
        sg_loader_close(l);
        return false;
    }
    l->chunk = options->batch / (4 * l->nthreads);
    if (l->chunk == 0) l->chunk = 1;
    *loader = l;
    return true;
}

/* Ends the pass and waits until no worker touches it. */
static void stop_pass(sg_loader *l)
{
    atomic_store(&l->give_up, true);
    pthread_mutex_lock(&l->mutex);
    l->running = false;
    while (l->busy > 0) pthread_cond_wait(&l->done, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
    atomic_store(&l->give_up, false);
}

bool sg_loader_start(sg_loader *l, uint64_t epoch, sg_error *err)
{
    stop_pass(l);
    if (!sg_interrupt_check(err)) return false;
    for (size_t i = 0; i < l->o.nitems; i++) l->places[i] = (uint32_t)i;
    if (l->o.shuffle) {
        sg_rng rng = sg_rng_at(l->o.seed, SG_RNG_SHUFFLE, epoch, 0);
        sg_rng_shuffle(&rng, l->places, l->o.nitems);
    }
    pthread_mutex_lock(&l->mutex);
    l->claimed = l->current = 0;
    l->epoch = epoch;
    l->running = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->mutex);
    return true;
}

bool sg_loader_next(sg_batch *batch, sg_loader *l, sg_error *err)
{
    *batch = (sg_batch){0};
    if (!sg_interrupt_check(err)) {
        stop_pass(l);
        return false;
    }
    size_t number = l->current, from = number * l->o.batch;
    if (!l->running || number >= l->nbatches) return true;
    slot *s = slot_of(l, number);
    size_t n = batch_rows(l, number);

    pthread_mutex_lock(&l->mutex);
    while (l->claimed < from + n || s->left > 0) pthread_cond_wait(&l->done, &l->mutex);
    l->current++; /* the batch before this one is given back */
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->mutex);

    if (s->bad != SIZE_MAX) {
        if (err) *err = s->error;
        stop_pass(l);
        return false;
    }
    memset(s->pixels + n * l->image_nbytes, 0, (l->o.batch - n) * l->image_nbytes);
    *batch = (sg_batch){s->pixels, s->items, l->places + from, s->errors, n};
    return true;
}

size_t sg_loader_batches(const sg_loader *l)
{
    return l->nbatches;
}

void sg_loader_close(sg_loader *l)
{
    if (!l) return;
    stop_pass(l);
    pthread_mutex_lock(&l->mutex);
    l->quit = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->mutex);
    for (size_t i = 0; i < l->nthreads; i++) pthread_join(l->threads[i], NULL);
    pthread_cond_destroy(&l->done);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->mutex);
    for (size_t i = 0; i <= BATCHES_AHEAD; i++) {
        sg_free(l->slots[i].pixels);
        sg_free(l->slots[i].items);
        sg_free(l->slots[i].errors);
    }
    sg_free(l->places);
    sg_free(l->threads);
    sg_free(l);
}
