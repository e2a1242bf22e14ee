/* What a step of the engine takes, beside the time of its bare oneDNN primitives, run alone one after the other:
 *
 *   bench_engine [arch [side [threads]]]
 *
 * The two are run in turn; times are the processor's (all threads, divided by their number), so that a busy machine
 * disturbs little, in milliseconds an image: minimum and median. */
#include "encoder/onednn_impl.h"

#include <signet/cpu.h>
#include <signet/mem.h>
#include <string.h>
#include <time.h>

#define ROUNDS 31

typedef struct bench {
    const char *name;
    sg_plan *plan;
    const sg_params *params;
    float *x, *z, *dz, *dx, *grads;
} bench;

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void run_step(const bench *b)
{
    const sg_purpose purpose = b->plan->options.purpose;
    if (purpose == SG_TRAIN) sg_plan_load(b->plan, b->params, NULL, 0);
    sg_plan_forward(b->plan, b->x, b->z);
    if (purpose != SG_ENCODE) sg_plan_backward(b->plan, b->dz, b->grads, b->dx);
}

static void run_primitives(const bench *b)
{
    for (size_t i = 0; i < b->plan->nprims; i++)
        if (b->plan->prims[i]->phase != SG_LOAD) sg_prim_run(b->plan->prims[i]);
}

static int by_value(const void *a, const void *b)
{
    const double p = *(const double *)a, q = *(const double *)b;
    return (p > q) - (p < q);
}

static void measure(const bench *b)
{
    double time[2][ROUNDS];
    run_step(b);
    for (int i = 0; i < ROUNDS; i++) {
        double start = now(CLOCK_PROCESS_CPUTIME_ID);
        run_step(b);
        double middle = now(CLOCK_PROCESS_CPUTIME_ID);
        run_primitives(b);
        time[0][i] = middle - start;
        time[1][i] = now(CLOCK_PROCESS_CPUTIME_ID) - middle;
    }
    const double scale = 1e3 / (double)sg_plan_batch(b->plan) / sg_threads();
    for (int k = 0; k < 2; k++) qsort(time[k], ROUNDS, sizeof(double), by_value);
    printf("%-7s %5zu %8.3f %8.3f %8.3f %8.3f %8.2f %8.1f\n", b->name, sg_plan_batch(b->plan),
           time[0][0] * scale, time[0][ROUNDS / 2] * scale, time[1][0] * scale, time[1][ROUNDS / 2] * scale,
           time[0][0] / time[1][0], (double)sg_plan_nbytes(b->plan) / 1e6);
}

static bool run(const sg_net *net, sg_purpose purpose, const char *name, size_t batch, sg_error *err)
{
    bench b = {.name = name};
    sg_params *params;
    if (!sg_params_new(&params, net, err) || !sg_params_init(params, "he", 1, err)) return false;
    if (!sg_plan_new(&b.plan, net, &(sg_plan_options){.purpose = purpose, .batch = batch}, err)) return false;
    const size_t in = batch * sg_net_input_size(net), out = batch * sg_net_output_size(net);
    float *block = sg_calloc(2 * in + 2 * out + params->size, sizeof *block);
    if (!block) return sg_fail_memory(err, "bench");
    b.params = params;
    b.x = block;
    b.dx = b.x + in;
    b.z = b.dx + in;
    b.dz = b.z + out;
    b.grads = b.dz + out;
    for (size_t i = 0; i < in; i++) b.x[i] = (float)(i * 2654435761u % 1000) / 1000;
    for (size_t i = 0; i < out; i++) b.dz[i] = (float)(i * 2654435761u % 1000) / 1000 - 0.5f;
    sg_plan_load(b.plan, params, NULL, 0);
    measure(&b);
    sg_free(block);
    sg_plan_free(b.plan);
    sg_params_free(params);
    return true;
}

int main(int argc, char **argv)
{
    const int64_t side = argc > 2 ? atoi(argv[2]) : 28;
    sg_net_spec spec = {.arch = argc > 1 ? argv[1] : "resnet20",
                        .channels = 1,
                        .height = side,
                        .width = side,
                        .head = SG_HEAD_HASH,
                        .outputs = 32,
                        .std = {1, 1, 1}};
    sg_net *net;
    sg_error err = {0};
    if (argc > 3) sg_threads_set(atoi(argv[3]));
    bool ok = sg_net_new(&net, &spec, &err);
    if (ok) {
        printf("%s %dx%d, %.1f million multiply-adds, %d threads\n", spec.arch, (int)side, (int)side,
               (double)sg_net_macs(net) / 1e6, sg_threads());
        printf("purpose batch   step: min  median  prims: min  median   ratio       MB\n");
        ok = run(net, SG_ENCODE, "encode", 64, &err) && run(net, SG_ATTACK, "attack", 50, &err) &&
             run(net, SG_TRAIN, "train", 64, &err);
    }
    if (!ok) fprintf(stderr, "bench_engine: %s\n", err.message);
    sg_net_free(net);
    return !ok;
}
