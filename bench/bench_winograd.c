/* What oneDNN's Winograd takes beside its direct convolution, in each of the three passes of the 3x3 layers of stride 1
 * that our backbones have:
 *
 *   bench_winograd [threads]
 *
 * The two are run in turn; times are the processor's (all threads, divided by their number), the least of a few runs.
 * This is what encoder/winograd.c was written from. */
#include "encoder/onednn_impl.h"

#include <signet/cpu.h>
#include <signet/mem.h>
#include <string.h>
#include <time.h>

#define ROUNDS   3
#define MAX_MACS 16e9 /* of a pass: larger ones say nothing new and take long */

enum { SHAPES = 128, PASSES = 3, ARGS = 4 };

typedef struct conv_shape {
    int64_t inputs, outputs, height, width;
} conv_shape;

/* One primitive with its memories, which hold zeros: the time does not depend on them. */
typedef struct kernel {
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[ARGS];
} kernel;

static const int passes_args[PASSES][ARGS - 1] = {
    {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
    {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC},
    {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS},
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static sg_md image_md(int64_t batch, int64_t channels, const conv_shape *s)
{
    const sg_view v =
        sg_view_of((size_t)batch, (sg_shape){channels, s->height, s->width}, sg_dnnl_lanes(), SG_F32);
    return sg_md_of_view(&v, true);
}

static dnnl_primitive_desc_t describe(const sg_dnnl *dnnl, const conv_shape *s, int64_t batch, int pass,
                                      dnnl_alg_kind_t kind, const kernel *hint)
{
    const int64_t lanes = (int64_t)sg_dnnl_lanes();
    const sg_md src = image_md(batch, s->inputs, s), dst = image_md(batch, s->outputs, s);
    const dnnl_dims_t dims = {(s->outputs + lanes - 1) / lanes * lanes,
                              (s->inputs + lanes - 1) / lanes * lanes, 3, 3},
                      one = {1, 1};
    dnnl_primitive_desc_t desc = NULL;
    dnnl_convolution_desc_t d;
    sg_md weights;
    SG_ASSERT(!dnnl_memory_desc_init_by_tag(&weights, 4, dims, dnnl_f32, dnnl_format_tag_any));
    if (pass == 0)
        SG_ASSERT(!dnnl_convolution_forward_desc_init(&d, dnnl_forward_training, kind, &src, &weights, NULL,
                                                      &dst, one, one, one));
    else if (pass == 1)
        SG_ASSERT(!dnnl_convolution_backward_data_desc_init(&d, kind, &src, &weights, &dst, one, one, one));
    else
        SG_ASSERT(!dnnl_convolution_backward_weights_desc_init(&d, kind, &src, &weights, NULL, &dst, one, one,
                                                               one));
    dnnl_primitive_desc_create(&desc, &d, NULL, dnnl->engine, hint ? hint->desc : NULL);
    return desc;
}

/* Memories of the pass's arguments: those of `like`, where their layout is the same. */
static void kernel_new(kernel *k, const sg_dnnl *dnnl, int pass)
{
    SG_ASSERT(!dnnl_primitive_create(&k->primitive, k->desc));
    for (int i = 0; i < ARGS - 1; i++) {
        const sg_md *md = dnnl_primitive_desc_query_md(k->desc, dnnl_query_exec_arg_md, passes_args[pass][i]);
        k->args[i].arg = passes_args[pass][i];
        SG_ASSERT(!dnnl_memory_create(&k->args[i].memory, md, dnnl->engine, DNNL_MEMORY_ALLOCATE));
        void *data;
        SG_ASSERT(!dnnl_memory_get_data_handle(k->args[i].memory, &data));
        memset(data, 0, dnnl_memory_desc_get_size(md));
    }
}

static void kernel_free(kernel *k)
{
    for (int i = 0; i < ARGS - 1; i++) dnnl_memory_destroy(k->args[i].memory);
    dnnl_primitive_destroy(k->primitive);
    dnnl_primitive_desc_destroy(k->desc);
    *k = (kernel){0};
}

static double run(const kernel *k, const sg_dnnl *dnnl)
{
    const double start = now();
    SG_ASSERT(!dnnl_primitive_execute(k->primitive, dnnl->stream, ARGS - 1, k->args));
    return now() - start;
}

/* Direct's time by Winograd's of one pass; 0: there is no Winograd for it. */
static double gain(const sg_dnnl *dnnl, const conv_shape *s, int64_t batch, int pass)
{
    kernel direct = {0}, winograd = {0}, hints[2] = {{0}};
    double best[2] = {1e9, 1e9};
    hints[0].desc = describe(dnnl, s, batch, 0, dnnl_convolution_direct, NULL);
    hints[1].desc = describe(dnnl, s, batch, 0, dnnl_convolution_winograd, NULL);
    direct.desc = describe(dnnl, s, batch, pass, dnnl_convolution_direct, &hints[0]);
    winograd.desc =
        hints[1].desc ? describe(dnnl, s, batch, pass, dnnl_convolution_winograd, &hints[1]) : NULL;
    if (winograd.desc) {
        kernel_new(&direct, dnnl, pass);
        kernel_new(&winograd, dnnl, pass);
        run(&direct, dnnl);
        run(&winograd, dnnl);
        for (int i = 0; i < ROUNDS; i++) {
            const double times[] = {run(&direct, dnnl), run(&winograd, dnnl)};
            for (int k = 0; k < 2; k++)
                if (times[k] < best[k]) best[k] = times[k];
        }
    }
    const double result = winograd.desc ? best[0] / best[1] : 0;
    kernel_free(&direct);
    kernel_free(&winograd);
    for (int i = 0; i < 2; i++) dnnl_primitive_desc_destroy(hints[i].desc);
    return result;
}

static bool add_shapes(conv_shape *shapes, size_t *n, const char *arch, int64_t side, sg_error *err)
{
    const sg_net_spec spec = {.arch = arch,
                              .channels = 3,
                              .height = side,
                              .width = side,
                              .head = SG_HEAD_HASH,
                              .outputs = 32,
                              .std = {1, 1, 1}};
    sg_net *net;
    if (!sg_net_new(&net, &spec, err)) return false;
    for (size_t i = 0; i < net->nnodes; i++) {
        const sg_node *node = &net->nodes[i];
        const conv_shape s = {node->in.c, node->out.c, node->out.h, node->out.w};
        const sg_window *w = &node->attr.conv.window;
        bool known = node->op != &sg_op_conv || w->kernel != 3 || w->stride != 1 || node->in.c < 16;
        for (size_t k = 0; k < *n; k++) known |= memcmp(&shapes[k], &s, sizeof s) == 0;
        if (known) continue;
        SG_ASSERT(*n < SHAPES);
        shapes[(*n)++] = s;
    }
    sg_net_free(net);
    return true;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *arch;
        int64_t side;
    } nets[] = {{"resnet18", 224}, {"resnet18", 96}, {"vgg16", 224},  {"vgg16", 96},
                {"vgg16", 32},     {"resnet20", 32}, {"resnet20", 28}};
    static const int64_t batches[] = {8, 32, 64};
    conv_shape shapes[SHAPES];
    size_t n = 0;
    sg_dnnl *dnnl;
    sg_error err = {0};
    if (argc > 1) sg_threads_set(atoi(argv[1]));
    bool ok = sg_dnnl_new(&dnnl, &err);
    for (size_t i = 0; ok && i < sizeof nets / sizeof *nets; i++)
        ok = add_shapes(shapes, &n, nets[i].arch, nets[i].side, &err);
    if (ok)
        printf("Direct's time by Winograd's, %d threads: above 1 Winograd wins, 0: there is none\n"
               "in   out  height batch  forward  data  weights\n",
               sg_threads());
    for (size_t i = 0; ok && i < n; i++)
        for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
            const conv_shape *s = &shapes[i];
            if (9e0 * (double)(s->inputs * s->outputs * s->height * s->width * batches[b]) > MAX_MACS) break;
            printf("%-4d %-4d %6d %5d", (int)s->inputs, (int)s->outputs, (int)s->height, (int)batches[b]);
            for (int pass = 0; pass < PASSES; pass++) printf(" %7.2f", gain(dnnl, s, batches[b], pass));
            printf("\n");
            fflush(stdout);
        }
    if (!ok) fprintf(stderr, "bench_winograd: %s\n", err.message);
    sg_dnnl_free(dnnl);
    return !ok;
}
