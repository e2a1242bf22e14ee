#include "pictures_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <signet/cpu.h>
#include <signet/file.h>
#include <signet/mem.h>
#include <unistd.h>

#define SIGNATURE_NBYTES 12

/* A ring. Numbers count pictures since the start: popped <= claimed <= pushed <= popped + room. */
struct sg_pictures {
    sg_preprocess preprocess;
    sg_picture *ring; /* (room) */
    uint8_t *done;    /* (room): has been looked at */
    uint8_t *pixels;
    size_t room, pushed, claimed, popped;
    bool quit;
    pthread_mutex_t mutex; /* over all but a claimed picture, which is its worker's */
    pthread_cond_t work, ready;
    pthread_t *threads;
    size_t nthreads;
};

/* A file of a folder without a known signature is not read any further: it may be a film. */
static bool has_signature(bool *has, const char *path, sg_error *err)
{
    char bytes[SIGNATURE_NBYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return sg_fail_errno(err, errno, "%s: cannot open", path);
    ssize_t n = read(fd, bytes, sizeof bytes);
    int errnum = errno;
    close(fd);
    if (n < 0) return sg_fail_errno(err, errnum, "%s: cannot read", path);
    *has = sg_image_format(bytes, (size_t)n) != NULL;
    return true;
}

static bool decode(sg_picture *p, const sg_preprocess *pp, const char *bytes, size_t nbytes)
{
    sg_image image;
    const sg_decode_options options = {.channels = pp->channels};
    bool ok = sg_image_decode(&image, bytes, nbytes, &options, &p->why);
    if (ok) {
        ok = sg_preprocess_planar(p->pixels, &image, pp, &p->why);
        sg_image_clear(&image);
    }
    return ok ? true : sg_prefix(&p->why, "%s", p->path);
}

static sg_picture_state look_at(sg_picture *p, const sg_preprocess *pp)
{
    char *bytes;
    size_t nbytes;
    bool image = true;
    if (!p->named && !has_signature(&image, p->path, &p->why)) return SG_PICTURE_BROKEN;
    if (!image) return SG_PICTURE_NO_IMAGE;
    if (!sg_file_read(&bytes, &nbytes, p->path, SG_MAX_FILE_NBYTES, &p->why)) return SG_PICTURE_BROKEN;
    sg_blake2b_of(p->content, sizeof p->content, bytes, nbytes);
    bool ok = decode(p, pp, bytes, nbytes);
    sg_free(bytes);
    return ok ? SG_PICTURE_GOOD : SG_PICTURE_BROKEN;
}

static void *worker(void *data)
{
    sg_pictures *l = data;
    pthread_mutex_lock(&l->mutex);
    for (;;) {
        while (!l->quit && l->claimed == l->pushed) pthread_cond_wait(&l->work, &l->mutex);
        if (l->quit) break;
        size_t place = l->claimed++ % l->room;
        pthread_mutex_unlock(&l->mutex);
        l->ring[place].state = look_at(&l->ring[place], &l->preprocess);
        pthread_mutex_lock(&l->mutex);
        l->done[place] = true;
        pthread_cond_signal(&l->ready);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

static bool start_threads(sg_pictures *l, int threads, sg_error *err)
{
    size_t n = (size_t)(threads > 0 ? threads : sg_cpu_count());
    sigset_t all, before; /* signals are the business of the program's own threads */
    int code = 0;
    l->threads = sg_calloc(n, sizeof *l->threads);
    if (!l->threads) return sg_fail_memory(err, "pictures");
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (l->nthreads < n && code == 0) {
        code = pthread_create(&l->threads[l->nthreads], NULL, worker, l);
        if (code == 0) l->nthreads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code == 0 ? true : sg_fail_errno(err, code, "cannot start a thread");
}

bool sg_pictures_open(sg_pictures **result, const sg_preprocess *preprocess, size_t room, int threads,
                      sg_error *err)
{
    *result = NULL;
    sg_pictures *l = sg_calloc(1, sizeof *l);
    if (!l) return sg_fail_memory(err, "pictures");
    size_t nbytes = (size_t)preprocess->channels * (size_t)preprocess->height * (size_t)preprocess->width;
    l->preprocess = *preprocess;
    l->room = room;
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    l->ring = sg_calloc(room, sizeof *l->ring);
    l->done = sg_calloc(room, sizeof *l->done);
    l->pixels = sg_alloc(room, nbytes);
    bool ok = l->ring && l->done && l->pixels ? true : sg_fail_memory(err, "pictures");
    for (size_t i = 0; ok && i < room; i++) l->ring[i].pixels = l->pixels + i * nbytes;
    if (ok && start_threads(l, threads, err)) {
        *result = l;
        return true;
    }
    sg_pictures_close(l);
    return false;
}

void sg_pictures_close(sg_pictures *l)
{
    if (!l) return;
    pthread_mutex_lock(&l->mutex);
    l->quit = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->mutex);
    for (size_t i = 0; i < l->nthreads; i++) pthread_join(l->threads[i], NULL);
    while (!sg_pictures_empty(l)) sg_pictures_pop(l);
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->mutex);
    sg_free(l->threads);
    sg_free(l->pixels);
    sg_free(l->done);
    sg_free(l->ring);
    sg_free(l);
}

bool sg_pictures_full(const sg_pictures *l)
{
    return l->pushed - l->popped == l->room;
}

bool sg_pictures_empty(const sg_pictures *l)
{
    return l->pushed == l->popped;
}

void sg_pictures_push(sg_pictures *l, char *path, bool named, uint64_t nbytes, int64_t mtime_ns)
{
    SG_ASSERT(!sg_pictures_full(l));
    size_t place = l->pushed % l->room;
    sg_picture *p = &l->ring[place];
    p->path = path;
    p->named = named;
    p->nbytes = nbytes;
    p->mtime_ns = mtime_ns;
    pthread_mutex_lock(&l->mutex);
    l->done[place] = false;
    l->pushed++;
    pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->mutex);
}

sg_picture *sg_pictures_first(sg_pictures *l)
{
    SG_ASSERT(!sg_pictures_empty(l));
    size_t place = l->popped % l->room;
    pthread_mutex_lock(&l->mutex);
    while (!l->done[place]) pthread_cond_wait(&l->ready, &l->mutex);
    pthread_mutex_unlock(&l->mutex);
    return &l->ring[place];
}

void sg_pictures_pop(sg_pictures *l)
{
    sg_picture *p = &l->ring[l->popped++ % l->room];
    sg_free(p->path);
    p->path = NULL;
}
