/* What a step of the engine takes, beside its bare convolutions run alone one after the other:
 *
 *   bench_engine [options] [arch [side]]      (--help)
 *
 * A step is all that a user's run does for one batch but pictures: encode, a forward pass; attack, an iteration of hag
 * (pixels to floats, forward, objective, backward, move); train, loading the weights, forward, loss, backward, optimiser.
 * The bare convolutions are the plan's own oneDNN primitives, and our own backward of the first layer, without anything
 * between them: the limit. All that is compared is run in turn, round by round; figures are medians over the rounds, and
 * ratios are medians of each round's ratio of processor time (all threads), which a busy machine disturbs less than clock
 * time. OpenMP's threads must sleep at barriers for that (OMP_WAIT_POLICY=passive): spinning counts as processor time. */
#include "attacks/attack_impl.h"
#include "encoder/conv_impl.h"

#include <getopt.h>
#include <signet/cpu.h>
#include <signet/loss.h>
#include <signet/mem.h>
#include <signet/model.h>
#include <signet/optim.h>
#include <signet/profile.h>
#include <string.h>
#include <time.h>

#define MAX_ROUNDS   999
#define MAX_VARIANTS 8
#define OUTPUTS      32
#define CLASSES      10

typedef struct settings {
    const char *arch, *purposes, *precisions, *optimizer, *rules;
    long side, channels, batch, rounds;
    bool json, turns, profile;
} settings;

typedef struct bench {
    const settings *settings;
    sg_purpose purpose;
    size_t batch, in, out; /* numbers of a batch's x, z */
    sg_model *model;
    sg_plan *plan;
    float *x, *z, *dz, *dx, *grads;
    uint8_t *pixels, *moved;
    /* train */
    sg_loss *loss;
    sg_optim *optim;
    sg_labels labels;
    uint64_t steps;
    /* attack */
    void *state;
    double *slopes;
    sg_ball ball;
} bench;

/* Something that is timed: a step, by a rule or under a profile, or its bare convolutions. */
typedef struct variant {
    const char *name;
    bool bare;
    sg_feedback feedback; /* rule NULL: exact */
    sg_profile *profile;
    double wall[MAX_ROUNDS], cpu[MAX_ROUNDS]; /* seconds */
} variant;

static const char *const purpose_names[] = {"encode", "attack", "train"};

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void train_step(bench *b, const sg_feedback *feedback)
{
    sg_plan_load(b->plan, b->model->params, feedback, b->steps++);
    sg_plan_train_forward(b->plan, b->model->params, b->x, b->z);
    sg_loss_run(b->loss, b->dz, b->z, &b->labels, b->batch);
    sg_plan_backward(b->plan, b->dz, b->grads, NULL);
    sg_optim_step(b->optim, b->model->params, b->grads, 1);
}

/* As attacker.c does it; the score costs as much as the objective's gradient, which is run twice in its place. */
static void attack_step(bench *b)
{
    const size_t image = b->in / b->batch;
    sg_pixels_to_float(b->x, b->moved, b->in);
    sg_plan_forward(b->plan, b->x, b->z);
    for (int twice = 0; twice < 2; twice++)
        for (size_t i = 0; i < b->batch; i++)
            sg_objective_hag.gradient(b->state, b->slopes + i * OUTPUTS, i, b->z + i * OUTPUTS, 0.1);
    for (size_t i = 0; i < b->out; i++) b->dz[i] = (float)b->slopes[i];
    sg_plan_backward(b->plan, b->dz, NULL, b->dx);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < b->batch; i++) {
        sg_ball ball = b->ball;
        ball.center = b->pixels + i * image;
        sg_attack_hag.move(b->moved + i * image, b->dx + i * image, &ball, 1);
    }
}

static void bare_step(bench *b)
{
    const sg_plan *plan = b->plan;
    for (size_t i = 0; i < plan->nprims; i++) {
        const sg_profile_kind kind = sg_prim_kind(plan->prims[i]);
        if (kind >= SG_PROFILE_FORWARD && kind <= SG_PROFILE_BACKWARD_WEIGHTS) sg_prim_run(plan->prims[i]);
    }
    for (size_t i = 0; b->purpose != SG_ENCODE && i < plan->nsteps; i++) {
        sg_step *step = &plan->steps[i];
        if (step->node->op == &sg_op_conv && sg_thin_runs(step)) sg_thin_backward(step);
    }
}

static void run_variant(bench *b, variant *v)
{
    if (v->bare)
        bare_step(b);
    else if (b->purpose == SG_ENCODE)
        sg_plan_forward(b->plan, b->x, b->z);
    else if (b->purpose == SG_ATTACK)
        attack_step(b);
    else
        train_step(b, v->feedback.rule ? &v->feedback : NULL);
}

static void time_variant(bench *b, variant *v, int round)
{
    sg_plan_profile(b->plan, v->profile);
    const double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    run_variant(b, v);
    v->cpu[round] = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    v->wall[round] = now(CLOCK_MONOTONIC) - wall;
}

static int by_value(const void *a, const void *b)
{
    const double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

/* Of n values, or of their ratios to others. */
static double median(const double *values, const double *others, int n)
{
    double sorted[MAX_ROUNDS];
    for (int i = 0; i < n; i++) sorted[i] = others ? values[i] / others[i] : values[i];
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static bool make_variants(variant **out, size_t *n, const bench *b, sg_error *err)
{
    variant *v = *out = sg_calloc(MAX_VARIANTS, sizeof *v);
    size_t nrules;
    if (!v) return sg_fail_memory(err, "bench");
    v[0].name = "step";
    v[1] = (variant){.name = "bare", .bare = true};
    *n = 2;
    if (b->settings->profile) {
        v[*n].name = "profiled";
        if (!sg_profile_new(&v[(*n)++].profile, err)) return false;
    }
    if (!b->settings->rules || b->purpose != SG_TRAIN) return true;
    const char *const *rules = sg_rule_names(&nrules);
    for (size_t i = 0; i < nrules && *n < MAX_VARIANTS; i++) {
        if (!strstr(b->settings->rules, rules[i])) continue;
        v[*n].name = rules[i];
        if (!sg_feedback_init(&v[(*n)++].feedback, rules[i], NULL, 1, b->model->params, err)) return false;
    }
    return true;
}

static void free_variants(variant *v)
{
    for (size_t i = 0; v && i < MAX_VARIANTS; i++) {
        sg_feedback_clear(&v[i].feedback);
        sg_profile_free(v[i].profile);
    }
    sg_free(v);
}

static void print_json(const bench *b, const variant *v, size_t n, int rounds)
{
    const double ms = 1e3 / (double)b->batch;
    const settings *s = b->settings;
    printf(
        "{\"net\":\"%s\",\"side\":%ld,\"purpose\":\"%s\",\"precision\":\"%s\",\"batch\":%zu,\"threads\":%d,"
        "\"rounds\":%d,\"arena_mb\":%.1f",
        s->arch, s->side, purpose_names[b->purpose], sg_precision_name(b->plan->options.precision), b->batch,
        sg_threads(), rounds, (double)sg_plan_nbytes(b->plan) / 1e6);
    for (size_t i = 0; i < n; i++)
        printf(",\"%s\":{\"ms\":%.4f,\"last_ms\":%.4f,\"cpu_ms\":%.4f,\"to_step\":%.4f}", v[i].name,
               ms * median(v[i].wall, NULL, rounds), ms * v[i].wall[rounds - 1],
               ms * median(v[i].cpu, NULL, rounds), median(v[i].cpu, v[0].cpu, rounds));
    puts("}");
    fflush(stdout);
}

static void print_row(const bench *b, const variant *v, size_t n, int rounds)
{
    const double ms = 1e3 / (double)b->batch;
    printf("%-7s %-9s %5zu %9.3f %9.3f %7.2f %9.1f", purpose_names[b->purpose],
           sg_precision_name(b->plan->options.precision), b->batch, ms * median(v[0].wall, NULL, rounds),
           ms * median(v[1].wall, NULL, rounds), median(v[0].cpu, v[1].cpu, rounds),
           (double)sg_plan_nbytes(b->plan) / 1e6);
    for (size_t i = 2; i < n; i++) printf("  %s %.3f", v[i].name, median(v[i].cpu, v[0].cpu, rounds));
    putchar('\n');
    fflush(stdout);
}

static void measure(bench *b, variant *v, size_t n)
{
    int rounds = 0;
    char line[8];
    for (size_t i = 0; i < n; i++) time_variant(b, &v[i], 0);
    if (b->settings->turns) puts("ready"), fflush(stdout);
    while (rounds < (b->settings->turns ? MAX_ROUNDS : b->settings->rounds)) {
        if (b->settings->turns && !fgets(line, sizeof line, stdin)) break;
        for (size_t i = 0; i < n; i++) time_variant(b, &v[i], rounds);
        rounds++;
        if (b->settings->turns) print_json(b, v, n, rounds);
    }
    if (rounds == 0 || b->settings->turns) return;
    (b->settings->json ? print_json : print_row)(b, v, n, rounds);
}

static bool make_task(bench *b, sg_error *err)
{
    if (b->purpose == SG_TRAIN) {
        sg_optim_options optim;
        if (!sg_optim_defaults(&optim, b->settings->optimizer, err)) return false;
        optim.lr = 1e-4f;
        if (!strcmp(optim.name, "sgd")) optim.momentum = 0.9f;
        const sg_loss_options loss = {.outputs = OUTPUTS, .classes = CLASSES, .batch = b->batch, .seed = 1};
        if (!sg_loss_new(&b->loss, "csq", &loss, err) ||
            !sg_labels_init(&b->labels, b->batch, CLASSES, false, err))
            return false;
        for (size_t i = 0; i < b->batch; i++) b->labels.ids[i] = (int32_t)(i % CLASSES);
        return sg_optim_new(&b->optim, &optim, b->model->params, err);
    }
    if (b->purpose == SG_ENCODE) return true;
    const sg_objective_setup setup = {.batch = b->batch, .outputs = OUTPUTS};
    b->ball = (sg_ball){.size = b->in / b->batch, .eps = 8, .eta = 1};
    b->slopes = sg_calloc(b->out, sizeof *b->slopes);
    if (!b->slopes) return sg_fail_memory(err, "bench");
    if (!sg_objective_hag.init(&b->state, &setup, err)) return false;
    sg_plan_forward(b->plan, b->x, b->z);
    for (size_t i = 0; i < b->batch; i++) {
        const sg_subject subject = {.z = b->z + i * OUTPUTS, .item = i};
        if (!sg_objective_hag.begin(b->state, i, &subject, err)) return false;
    }
    return true;
}

static bool make(bench *b, sg_precision precision, sg_error *err)
{
    const settings *s = b->settings;
    const sg_net_spec spec = {.arch = s->arch,
                              .channels = s->channels,
                              .height = s->side,
                              .width = s->side,
                              .head = SG_HEAD_HASH,
                              .outputs = OUTPUTS,
                              .mean = {0.485f, 0.456f, 0.406f},
                              .std = {0.229f, 0.224f, 0.225f}};
    const sg_plan_options options = {.purpose = b->purpose, .batch = b->batch, .precision = precision};
    if (!sg_model_new(&b->model, &spec, NULL, err) || !sg_params_init(b->model->params, "he", 1, err) ||
        !sg_plan_new(&b->plan, b->model->net, &options, err))
        return false;
    b->in = b->batch * sg_net_input_size(b->model->net);
    b->out = b->batch * OUTPUTS;
    b->x = sg_alloc_aligned(2 * b->in + 2 * b->out, sizeof *b->x);
    b->grads = sg_alloc_aligned(b->model->params->size, sizeof *b->grads);
    b->pixels = sg_alloc(2, b->in);
    if (!b->x || !b->grads || !b->pixels) return sg_fail_memory(err, "bench");
    b->dx = b->x + b->in;
    b->z = b->dx + b->in;
    b->dz = b->z + b->out;
    b->moved = b->pixels + b->in;
    for (size_t i = 0; i < b->in; i++) b->pixels[i] = (uint8_t)(i * 2654435761u >> 13);
    memcpy(b->moved, b->pixels, b->in);
    sg_pixels_to_float(b->x, b->pixels, b->in);
    sg_plan_load(b->plan, b->model->params, NULL, 0);
    return make_task(b, err);
}

static void clear(bench *b)
{
    if (b->state) sg_objective_hag.free(b->state);
    sg_free(b->slopes);
    sg_optim_free(b->optim);
    sg_labels_clear(&b->labels);
    sg_loss_free(b->loss);
    sg_free(b->pixels);
    sg_free_aligned(b->grads);
    sg_free_aligned(b->x);
    sg_plan_free(b->plan);
    sg_model_free(b->model);
}

static bool run(const settings *s, sg_purpose purpose, sg_precision precision, sg_error *err)
{
    const size_t batch = s->batch ? (size_t)s->batch : purpose == SG_ENCODE ? 64 : 32;
    bench b = {.settings = s, .purpose = purpose, .batch = batch};
    variant *variants = NULL;
    size_t n = 0;
    bool ok = make(&b, precision, err) && make_variants(&variants, &n, &b, err);
    if (ok) measure(&b, variants, n);
    free_variants(variants);
    clear(&b);
    if (ok || err->code != SG_ERR_UNSUPPORTED || precision == SG_F32) return ok;
    fprintf(stderr, "%s in %s is left out: %s\n", purpose_names[purpose], sg_precision_name(precision),
            err->message);
    return true;
}

static bool run_all(const settings *s, sg_error *err)
{
    if (!s->json && !s->turns)
        printf("%s %ldx%ldx%ld, %d threads, %ld rounds; ms an image; ratio of step to bare\n"
               "purpose precision batch      step      bare   ratio  arena MB\n",
               s->arch, s->channels, s->side, s->side, sg_threads(), s->rounds);
    for (int precision = SG_F32; precision <= SG_BF16; precision++)
        for (int purpose = SG_ENCODE; purpose <= SG_TRAIN; purpose++)
            if (strstr(s->precisions, sg_precision_name((sg_precision)precision)) &&
                strstr(s->purposes, purpose_names[purpose]) &&
                !run(s, (sg_purpose)purpose, (sg_precision)precision, err))
                return false;
    return true;
}

static const char help[] =
    "bench_engine [options] [arch [side]]  (default: resnet18, at its usual size)\n"
    "  --purpose P,...    encode, attack, train (default: all)\n"
    "  --precision P,...  f32, bf16 (default: both; bf16 is left out where it cannot be)\n"
    "  --batch N          images a step (default: encode 64, attack and train 32)\n"
    "  --channels N       (default: the network's usual, or 3)\n"
    "  --rounds N         (default: 15)\n"
    "  --threads N        (default: all cores)\n"
    "  --optimizer NAME   sgd (with momentum) or adam (default: sgd)\n"
    "  --rules R,...      train: a step by each of these rules too, as a ratio to bp\n"
    "  --profile          a step under a profile too\n"
    "  --json             one JSON object a line, for each purpose and precision\n"
    "  --turns            a round for each line read, which prints the JSON object of all rounds so far\n";

static bool parse(settings *s, int argc, char **argv)
{
    static const struct option options[] = {
        {"purpose", 1, NULL, 'p'},   {"precision", 1, NULL, 'P'}, {"batch", 1, NULL, 'b'},
        {"channels", 1, NULL, 'c'},  {"rounds", 1, NULL, 'r'},    {"threads", 1, NULL, 't'},
        {"optimizer", 1, NULL, 'o'}, {"rules", 1, NULL, 'R'},     {"profile", 0, NULL, 'f'},
        {"json", 0, NULL, 'j'},      {"turns", 0, NULL, 'T'},     {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'p')
            s->purposes = optarg;
        else if (c == 'P')
            s->precisions = optarg;
        else if (c == 'b')
            s->batch = atol(optarg);
        else if (c == 'c')
            s->channels = atol(optarg);
        else if (c == 'r')
            s->rounds = atol(optarg);
        else if (c == 't')
            sg_threads_set(atoi(optarg));
        else if (c == 'o')
            s->optimizer = optarg;
        else if (c == 'R')
            s->rules = optarg;
        else if (c == 'f')
            s->profile = true;
        else if (c == 'j')
            s->json = true;
        else if (c == 'T')
            s->turns = true;
        else
            return false;
    }
    if (optind < argc) s->arch = argv[optind++];
    if (optind < argc) s->side = atol(argv[optind++]);
    return optind == argc && s->rounds > 0 && s->rounds <= MAX_ROUNDS && s->batch >= 0;
}

int main(int argc, char **argv)
{
    settings s = {.arch = "resnet18",
                  .purposes = "encode,attack,train",
                  .precisions = "f32,bf16",
                  .optimizer = "sgd",
                  .rounds = 15};
    sg_error err = {0};
    int64_t channels, height, width;
    if (!parse(&s, argc, argv)) {
        fputs(help, stderr);
        return 2;
    }
    bool ok = sg_backbone_input(s.arch, &channels, &height, &width, &err);
    if (ok && !s.channels) s.channels = channels ? (long)channels : 3;
    if (ok && !s.side) s.side = (long)height;
    ok = ok && run_all(&s, &err);
    if (!ok) fprintf(stderr, "bench_engine: %s\n", err.message);
    return !ok;
}
