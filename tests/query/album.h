/* For tests of query: tiny models, pictures, and an index of them. */
#ifndef SIGNET_TESTS_ALBUM_H
#define SIGNET_TESTS_ALBUM_H

#include "base/scratch.h"

#include <signet/cpu.h>
#include <signet/file.h>
#include <signet/ingest.h>
#include <signet/params.h>
#include <signet/query.h>
#include <signet/random.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define BITS 32

/* A picture that follows from `number`: cells of few shades, so that codes are not all alike. */
static inline sg_image draw_picture(uint64_t number, int width, int height, int channels)
{
    enum { CELLS = 3 };
    sg_error err = {0};
    sg_image image;
    uint8_t shades[CELLS * CELLS * 3];
    sg_rng rng = sg_rng_at(number, SG_RNG_TEST, 1, 0);
    for (size_t i = 0; i < sizeof shades; i++) shades[i] = (uint8_t)(sg_rng_below(&rng, 2) * 255);
    assert_true(sg_image_init(&image, width, height, channels, &err));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < channels; c++)
                image.pixels[(y * width + x) * channels + c] =
                    shades[(y * CELLS / height * CELLS + x * CELLS / width) * 3 + c];
    return image;
}

/* Gives the outputs of a hash a mean of zero over some pictures: an untrained network's codes would be nearly alike. */
static inline void centre_outputs(sg_model *model)
{
    enum { N = 30 };
    sg_error err = {0};
    sg_encoder *encoder;
    uint8_t planar[256];
    float z[4 * BITS];
    size_t outputs = sg_net_output_size(model->net);
    float *bias = model->params->block + sg_params_find(model->params, "head.bias")->offset;
    float means[4 * BITS] = {0};
    assert_true(outputs <= 4 * BITS && sg_encoder_new(&encoder, model, 1, &err));
    for (uint64_t i = 0; i < N; i++) {
        sg_image image = draw_picture(5000 + i, 16, 16, 1);
        sg_image_to_planar(planar, &image);
        assert_true(sg_encoder_outputs(encoder, z, planar, 1, NULL));
        for (size_t k = 0; k < outputs; k++) means[k] += z[k] / N;
        sg_image_clear(&image);
    }
    for (size_t k = 0; k < outputs; k++) bias[k] -= means[k];
    sg_encoder_free(encoder);
}

/* An untrained network, its weights drawn by seed: codes as good as any for what is tested here. */
static inline void make_model(const char *path, sg_head head, int64_t outputs, uint64_t seed)
{
    sg_error err = {0};
    sg_model *model;
    const sg_net_spec spec = {.arch = "resnet20",
                              .channels = 1,
                              .height = 16,
                              .width = 16,
                              .head = head,
                              .outputs = outputs,
                              .mean = {0.5f},
                              .std = {0.25f}};
    sg_threads_set(
        1); /* tests run beside each other: threads that wait for others' cores cost more than they bring */
    if (!sg_model_new(&model, &spec, NULL, &err)) fail_msg("%s", err.message);
    assert_true(sg_params_init(model->params, "he", seed, &err));
    if (head == SG_HEAD_HASH) centre_outputs(model);
    if (!sg_model_save(model, path, &err)) fail_msg("%s", err.message);
    sg_model_free(model);
}

/* Plainly: the library's own writers wait for the disk. */
static inline void put_image(const char *path, const sg_image *image, bool jpeg)
{
    sg_error err = {0};
    unsigned char *bytes;
    size_t n;
    bool ok = jpeg ? sg_image_encode_jpeg(&bytes, &n, image, 90, &err)
                   : sg_image_encode_png(&bytes, &n, image, &err);
    if (!ok) fail_msg("%s", err.message);
    scratch_put(path, bytes, n);
    sg_free(bytes);
}

static inline void put_picture(const char *path, uint64_t number)
{
    sg_image image = draw_picture(number, 40, 30, number % 2 ? 3 : 1);
    size_t n = strlen(path);
    put_image(path, &image, n > 4 && strcmp(path + n - 4, ".jpg") == 0);
    sg_image_clear(&image);
}

static inline void make_folder(const char *path)
{
    assert_int_equal(mkdir(path, 0777), 0);
}

/* The model and an empty index of it. */
static inline void make_index(void)
{
    sg_error err = {0};
    make_model("model.safetensors", SG_HEAD_HASH, BITS, 1);
    if (!sg_index_create("idx", "model.safetensors", "flat", NULL, &err)) fail_msg("%s", err.message);
}

static inline sg_index *open_index(bool writable)
{
    sg_error err = {0};
    sg_index *index;
    if (!sg_index_open(&index, "idx", SG_INDEX_ENCODE, writable, &err)) fail_msg("%s", err.message);
    return index;
}

static inline void gather_note(void *context, sg_ingest_event event, const char *path, const char *what)
{
    FILE *out = context;
    if (event == SG_INGEST_SKIPPED) { /* an error's message, which begins with the path */
        assert_memory_equal(what, path, strlen(path));
        fprintf(out, "%s\n", what + (sg_path_base(path) - path));
    } else {
        fprintf(out, "%s: %s\n", sg_path_base(path), what);
    }
}

/* Adds one path; notes (the caller's, free) as lines "NAME: WHAT". */
static inline sg_ingest_counts add_path(const char *path, char **notes)
{
    sg_error err = {0};
    sg_ingest_counts counts;
    size_t size;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);
    const sg_ingest_options options = {.threads = 2, .note = gather_note, .context = out};
    sg_index *index = open_index(true);
    if (!sg_ingest_paths(&counts, index, &path, 1, &options, &err)) fail_msg("%s", err.message);
    sg_index_close(index);
    fclose(out);
    if (notes)
        *notes = text;
    else
        free(text);
    return counts;
}

static inline void assert_counts(sg_ingest_counts c, uint64_t added, uint64_t updated, uint64_t unchanged,
                                 uint64_t duplicates, uint64_t broken, uint64_t ignored)
{
    if (c.added != added || c.updated != updated || c.unchanged != unchanged || c.duplicates != duplicates ||
        c.broken != broken || c.ignored != ignored)
        fail_msg("added %d updated %d unchanged %d duplicates %d broken %d ignored %d", (int)c.added,
                 (int)c.updated, (int)c.unchanged, (int)c.duplicates, (int)c.broken, (int)c.ignored);
}

/* An encoder of the model's own that sees pictures alone. */
typedef struct judge {
    sg_model *model;
    sg_encoder *encoder;
} judge;

static inline judge judge_new(void)
{
    sg_error err = {0};
    judge j;
    assert_true(sg_model_load(&j.model, "model.safetensors", &err));
    assert_true(sg_encoder_new(&j.encoder, j.model, 1, &err));
    return j;
}

static inline void judge_free(judge *j)
{
    sg_encoder_free(j->encoder);
    sg_model_free(j->model);
}

static inline void judge_code(uint8_t code[BITS / 8], const judge *j, const char *path)
{
    sg_error err = {0};
    sg_image image;
    float z[BITS];
    const sg_decode_options grey = {.channels = 1};
    if (!sg_image_load(&image, path, &grey, &err)) fail_msg("%s", err.message);
    assert_true(sg_encoder_image(j->encoder, z, &image, &err));
    sg_codes_pack(code, z, 1, BITS);
    sg_image_clear(&image);
}

/* A listing "ID NAME" of all items, each item's code compared with that of its file alone. The caller's (free). */
typedef struct listing {
    FILE *out;
    const judge *judge; /* NULL: codes are not compared */
} listing;

static inline bool list_item(void *context, const sg_item *item, sg_error *err)
{
    (void)err;
    listing *l = context;
    uint8_t code[BITS / 8];
    if (l->judge) {
        judge_code(code, l->judge, item->path);
        assert_memory_equal(code, item->code, sizeof code);
    }
    fprintf(l->out, "%d %s\n", (int)item->id, sg_path_base(item->path));
    return true;
}

static inline char *list_index(bool check)
{
    sg_error err = {0};
    sg_index *index;
    size_t size, faults;
    char *text = NULL;
    judge j = {0};
    if (check) j = judge_new();
    listing l = {open_memstream(&text, &size), check ? &j : NULL};
    assert_true(sg_index_open(&index, "idx", SG_INDEX_STORE, false, &err));
    if (!sg_store_each(sg_index_store(index), list_item, &l, &err)) fail_msg("%s", err.message);
    assert_true(sg_store_verify(&faults, sg_index_store(index), NULL, NULL, &err));
    assert_int_equal(faults, 0);
    sg_index_close(index);
    judge_free(&j);
    fclose(l.out);
    return text;
}

static inline void assert_listing(bool check, const char *want)
{
    char *text = list_index(check);
    assert_string_equal(text, want);
    free(text);
}

#endif
