/* The run of an attack: batches of images, each with its own start, objective and best image. A step is one forward
 * and one backward; the next step's forward is its score. */
#include "attack_impl.h"

#include <float.h>
#include <math.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/plan.h>
#include <string.h>

/* Where one image of the batch stands. */
typedef struct track {
    sg_ball ball;
    sg_score best;
    int best_step;
    bool done, zero_gradient;
} track;

struct sg_attacker {
    const sg_model *model;
    const sg_attack *attack;
    const sg_objective *objective;
    void *state; /* the objective's */
    sg_attack_options options;
    size_t batch, input, outputs;
    int nsteps;
    sg_encoder
        *encoder;     /* clean outputs, the result's outputs, and the scores of attacks without a gradient */
    sg_plan *plan;    /* NULL for attacks without a gradient */
    track *tracks;    /* (batch) */
    uint8_t *current; /* (batch, input) the iterates */
    float *x, *dx;    /* (batch, input) */
    float *z, *dz;    /* (batch, outputs) */
    float *clean_z;   /* (batch, outputs) by the encoder */
    double *slopes;   /* (batch, outputs) dz before it is brought to range */
    sg_profile *profile;
};

static bool check_options(const sg_attack_options *o, sg_error *err)
{
    if (!(o->eps >= 0 && o->eps <= 1))
        return sg_fail(err, SG_ERR_USAGE, "attack's eps is %g: it must be from 0 to 1", o->eps);
    if (o->iterations < 1)
        return sg_fail(err, SG_ERR_USAGE, "attack's iterations are %d: at least 1", o->iterations);
    if (!(o->alpha >= 0 && isfinite(o->alpha)))
        return sg_fail(err, SG_ERR_USAGE, "attack's alpha is %g: it must be 0 (the schedule) or more",
                       o->alpha);
    return true;
}

/* Chooses attack and objective for the model's head. */
static bool choose(sg_attacker *a, const sg_attack_knowledge *knowledge, sg_error *err)
{
    const sg_net_spec *spec = sg_model_spec(a->model);
    a->attack = sg_attack_find(a->options.name, err);
    if (a->attack == NULL || !check_options(&a->options, err) ||
        !sg_attack_check(a->options.name, spec->head, err))
        return false;
    if (spec->head == SG_HEAD_HASH && !sg_bits_check(spec->outputs, err)) return false;
    a->objective = spec->head == SG_HEAD_HASH ? a->attack->hash : a->attack->classifier;
    if (a->attack->needs_labels && knowledge == NULL)
        return sg_fail(err, SG_ERR_USAGE, "attack %s needs codes and labels of training images",
                       a->attack->name);
    /* A ball without another image in it is not searched. */
    a->nsteps = sg_ball_radius(a->options.eps) == 0 ? 0 : a->attack->single_step ? 1 : a->options.iterations;
    return true;
}

static bool make_buffers(sg_attacker *a, sg_error *err)
{
    size_t pixels, outputs;
    if (sg_mul_size(&pixels, a->batch, a->input) && sg_mul_size(&outputs, a->batch, a->outputs)) {
        a->tracks = sg_calloc(a->batch, sizeof *a->tracks);
        a->current = sg_calloc(pixels, 1);
        a->x = sg_alloc_aligned(pixels, sizeof *a->x);
        a->dx = sg_alloc_aligned(pixels, sizeof *a->dx);
        a->z = sg_alloc_aligned(outputs, sizeof *a->z);
        a->dz = sg_alloc_aligned(outputs, sizeof *a->dz);
        a->clean_z = sg_alloc_aligned(outputs, sizeof *a->clean_z);
        a->slopes = sg_alloc_aligned(outputs, sizeof *a->slopes);
    }
    if (a->tracks && a->current && a->x && a->dx && a->z && a->dz && a->clean_z && a->slopes) return true;
    return sg_fail_memory(err, "attack's batch");
}

static bool make_plan(sg_attacker *a, sg_error *err)
{
    sg_plan_options options = {.purpose = SG_ATTACK, .batch = a->batch, .precision = a->model->precision};
    if (!a->attack->uses_gradient) return true;
    if (!sg_plan_new(&a->plan, a->model->net, &options, err)) return false;
    /* Step 0: a rule that draws anew each step holds its draw for the whole attack. */
    sg_plan_load(a->plan, a->model->params,
                 a->options.gradient == SG_GRADIENT_RULE ? &a->model->feedback : NULL, 0);
    return true;
}

bool sg_attacker_new(sg_attacker **attacker, const sg_model *model, const sg_attack_options *options,
                     const sg_attack_knowledge *knowledge, size_t batch, sg_error *err)
{
    SG_ASSERT(batch > 0);
    *attacker = NULL;
    sg_attacker *a = sg_calloc(1, sizeof *a);
    if (a == NULL) return sg_fail_memory(err, "attacker");
    a->model = model;
    a->options = *options;
    a->batch = batch;
    a->input = sg_net_input_size(model->net);
    a->outputs = sg_net_output_size(model->net);
    sg_objective_setup setup = {batch, a->outputs, knowledge};
    if (!choose(a, knowledge, err) || !a->objective->init(&a->state, &setup, err) || !make_buffers(a, err) ||
        !sg_encoder_new(&a->encoder, model, batch, err) || !make_plan(a, err)) {
        sg_attacker_free(a);
        return false;
    }
    *attacker = a;
    return true;
}

void sg_attacker_free(sg_attacker *a)
{
    if (a == NULL) return;
    sg_plan_free(a->plan);
    sg_encoder_free(a->encoder);
    if (a->objective != NULL) a->objective->free(a->state);
    sg_free(a->tracks);
    sg_free(a->current);
    sg_free_aligned(a->x);
    sg_free_aligned(a->dx);
    sg_free_aligned(a->z);
    sg_free_aligned(a->dz);
    sg_free_aligned(a->clean_z);
    sg_free_aligned(a->slopes);
    sg_free(a);
}

void sg_attacker_profile(sg_attacker *a, sg_profile *profile)
{
    a->profile = profile;
    if (a->plan != NULL) sg_plan_profile(a->plan, profile);
}

/* Outputs by the path that any image takes to its code. */
static bool encode(sg_attacker *a, float *z, const uint8_t *pixels, size_t n, sg_error *err)
{
    const sg_profile_mark mark = sg_profile_begin(a->profile);
    bool ok = sg_encoder_outputs(a->encoder, z, pixels, n, err);
    sg_profile_end(a->profile, mark, SG_PROFILE_ENCODE, "(encoder)");
    return ok;
}

/* Puts the batch's n images at their starts; slots from n on hold zeros. */
static bool begin(sg_attacker *a, const sg_attack_input *input, size_t first, size_t n, sg_error *err)
{
    const uint8_t *pixels = input->pixels + first * a->input;
    if (!encode(a, a->clean_z, pixels, n, err)) return false;
    for (size_t i = 0; i < n; i++) {
        sg_subject subject = {a->clean_z + i * a->outputs, input->labels, first + i};
        if (!a->objective->begin(a->state, i, &subject, err)) return false;
        a->tracks[i] = (track){.ball = {.center = pixels + i * a->input,
                                        .size = a->input,
                                        .eps = sg_ball_radius(a->options.eps),
                                        .eta = sg_ball_step(a->options.eps, a->nsteps > 0 ? a->nsteps : 1),
                                        .seed = a->options.seed,
                                        .key = input->keys[first + i]}};
        a->attack->start(a->current + i * a->input, &a->tracks[i].ball);
    }
    memset(a->current + n * a->input, 0, (a->batch - n) * a->input);
    memset(a->dz + n * a->outputs, 0, (a->batch - n) * a->outputs * sizeof *a->dz);
    return true;
}

static bool forward(sg_attacker *a, size_t n, sg_error *err)
{
    sg_profile_images(a->profile, n);
    if (a->plan == NULL) return encode(a, a->z, a->current, n, err);
    const sg_profile_mark mark = sg_profile_begin(a->profile);
    sg_pixels_to_float(a->x, a->current, a->batch * a->input);
    sg_profile_end(a->profile, mark, SG_PROFILE_OTHER, "(pixels)");
    sg_plan_forward(a->plan, a->x, a->z);
    return true;
}

/* Scores the iterates; one that is better than all before goes to `best` (n, input). */
static void keep_best(sg_attacker *a, uint8_t *best, size_t n, int step)
{
    const sg_profile_mark mark = sg_profile_begin(a->profile);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++) {
        track *t = &a->tracks[i];
        if (t->done) continue;
        sg_score score = a->objective->score(a->state, i, a->z + i * a->outputs);
        if (step == 0 || sg_score_better(score, t->best)) {
            t->best = score;
            t->best_step = step;
            memcpy(best + i * a->input, a->current + i * a->input, a->input);
        }
    }
    sg_profile_end(a->profile, mark, SG_PROFILE_ATTACK, "(score)");
}

/* dz = slopes times the power of two that brings the largest to [1/2, 1): no signal is lost to f32's range where
 * tanh or softmax is saturated, and no sign changes. What would be subnormal is 0, whatever the thread's mode. */
static void bring_to_range(float *dz, const double *slopes, size_t n)
{
    double largest = 0;
    int exponent = 0;
    for (size_t k = 0; k < n; k++) largest = fmax(largest, fabs(slopes[k]));
    if (largest >= DBL_MIN && isfinite(largest)) frexp(largest, &exponent);
    for (size_t k = 0; k < n; k++) {
        double v = fabs(slopes[k]) < DBL_MIN ? 0 : ldexp(slopes[k], -exponent);
        dz[k] = fabs(v) < FLT_MIN ? 0 : (float)v;
    }
}

/* Fills dz; the number of images that go on. */
static size_t descend(sg_attacker *a, size_t n, int step)
{
    double alpha = a->options.alpha > 0 ? a->options.alpha : sg_alpha_at(step, a->nsteps);
    size_t going = 0;
    const sg_profile_mark mark = sg_profile_begin(a->profile);
#pragma omp parallel for schedule(static) reduction(+ : going)
    for (size_t i = 0; i < n; i++) {
        track *t = &a->tracks[i];
        double *slopes = a->slopes + i * a->outputs;
        float *dz = a->dz + i * a->outputs;
        if (!t->done) t->done = !a->objective->gradient(a->state, slopes, i, a->z + i * a->outputs, alpha);
        if (t->done)
            memset(dz, 0, a->outputs * sizeof *dz);
        else
            bring_to_range(dz, slopes, a->outputs);
        going += !t->done;
    }
    sg_profile_end(a->profile, mark, SG_PROFILE_ATTACK, "(objective)");
    return going;
}

static bool says_nothing(const float *gradient, size_t n)
{
    bool zero = true, finite = true;
    for (size_t i = 0; i < n; i++) {
        zero = zero && gradient[i] == 0;
        finite = finite && isfinite(gradient[i]);
    }
    return zero || !finite;
}

static void move(sg_attacker *a, size_t n, int step)
{
    const sg_profile_mark mark = sg_profile_begin(a->profile);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++) {
        track *t = &a->tracks[i];
        const float *gradient = a->plan != NULL ? a->dx + i * a->input : NULL;
        if (t->done) continue;
        if (step == 1 && gradient != NULL) t->zero_gradient = says_nothing(gradient, a->input);
        a->attack->move(a->current + i * a->input, gradient, &t->ball, step);
    }
    sg_profile_end(a->profile, mark, SG_PROFILE_ATTACK, "(move)");
}

/* From the starts to the best images (n, input). */
static bool search(sg_attacker *a, uint8_t *best, size_t n, sg_progress *progress, sg_error *err)
{
    for (int step = 0;; step++) {
        if (!sg_interrupt_check(err) || !forward(a, n, err)) return false;
        keep_best(a, best, n, step);
        if (step == a->nsteps) return true;
        if (a->plan != NULL) {
            if (descend(a, n, step) == 0) return true;
            sg_plan_backward(a->plan, a->dz, NULL, a->dx);
        }
        move(a, n, step + 1);
        if (progress != NULL) sg_progress_update(progress, progress->done + n, NULL);
    }
}

static int top_class(const float *z, size_t n)
{
    size_t top = 0;
    for (size_t k = 1; k < n; k++)
        if (z[k] > z[top]) top = k;
    return (int)top;
}

/* The results of n images, by the encoder as for any image. */
static bool measure(sg_attacker *a, sg_attack_result *results, const uint8_t *changed, size_t n,
                    sg_error *err)
{
    bool hash = sg_model_spec(a->model)->head == SG_HEAD_HASH;
    if (!encode(a, a->z, changed, n, err)) return false;
    for (size_t i = 0; i < n; i++) {
        const track *t = &a->tracks[i];
        const float *clean = a->clean_z + i * a->outputs, *z = a->z + i * a->outputs;
        sg_attack_result *r = &results[i];
        *r = (sg_attack_result){.clean_class = hash ? -1 : top_class(clean, a->outputs),
                                .adversarial_class = hash ? -1 : top_class(z, a->outputs),
                                .best_step = t->best_step,
                                .zero_gradient = t->zero_gradient};
        for (size_t k = 0; hash && k < a->outputs; k++) r->hamming += (clean[k] > 0) != (z[k] > 0);
        sg_attack_measure(r, t->ball.center, changed + i * a->input, a->input);
    }
    return true;
}

bool sg_attacker_run(sg_attacker *a, uint8_t *adversarial, sg_attack_result *results,
                     const sg_attack_input *input, sg_progress *progress, sg_error *err)
{
    if (input->labels != NULL && input->labels->n < input->n)
        return sg_fail(err, SG_ERR_MISMATCH, "%zu images have %zu labels", input->n, input->labels->n);
    for (size_t first = 0; first < input->n; first += a->batch) {
        size_t n = input->n - first < a->batch ? input->n - first : a->batch;
        uint8_t *best = adversarial + first * a->input;
        uint64_t done = progress != NULL ? progress->done : 0;
        if (!begin(a, input, first, n, err) || !search(a, best, n, progress, err) ||
            !measure(a, results + first, best, n, err))
            return false;
        if (progress != NULL) /* also what ended early */
            sg_progress_update(progress, done + n * (size_t)a->options.iterations, NULL);
    }
    return true;
}
