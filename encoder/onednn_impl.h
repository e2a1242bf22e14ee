/* The door to oneDNN: no other file includes its header. Memory of its primitives lies in the plan's arena, their
 * scratchpads too. Its algorithms of convolution are restricted to `direct`, whose results depend neither on the
 * batch nor on the threads; but for training, which may take `winograd` (winograd.c). */
#ifndef SIGNET_ONEDNN_IMPL_H
#define SIGNET_ONEDNN_IMPL_H

#include "plan_impl.h"

#include <oneapi/dnnl/dnnl.h>

#define SG_PRIM_ARGS 8

typedef dnnl_memory_desc_t sg_md;

struct sg_dnnl {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

/* A primitive of a step, with the buffers it works on. Owned by the plan. */
struct sg_prim {
    sg_step *step;
    sg_phase phase;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    int nargs;
    sg_buffer *buffers[SG_PRIM_ARGS];
    dnnl_exec_arg_t args[SG_PRIM_ARGS];
    int row; /* of the plan's profile */
};

/* Memory of a value's view: NCHW with channels in blocks of lanes. Padded channels are named as if they were real
 * (they are zero, and have zero weights): oneDNN's fast kernels refuse some numbers of channels, 6 for one. Of
 * groups that can be said only when each is one channel (a depthwise convolution). */
bool sg_conv_padded(const sg_node *node);
sg_md sg_md_of_view(const sg_view *view, bool padded);
/* Weights of a step: in PyTorch's layout (OIHW; grouped GOIHW), or padded, in whatever layout the primitive likes. */
sg_md sg_md_plain_weights(const sg_step *step); /* f32 */
sg_md sg_md_any_weights(const sg_step *step, sg_precision kind);
sg_md sg_md_vector(size_t n);
/* The memory of `padded`, seen without the padding: with the dims of `plain`. */
sg_md sg_md_trimmed(const sg_md *padded, const sg_md *plain);

/* Makes the primitive of an operation descriptor for one phase of a step; hint is the forward primitive of a
 * backward one. other (SG_ARG_OTHER) is added to the result of a convolution, then comes ReLU, cut off at top
 * (INFINITY: not; 0: no ReLU). */
#define SG_ARG_OTHER (DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1)
bool sg_prim_new(sg_prim **prim, sg_step *step, sg_phase phase, const void *op_desc, const sg_prim *hint,
                 const sg_md *other, float top, sg_error *err);
/* Whether there is a kernel for this descriptor, with nothing behind it. */
bool sg_prim_possible(const sg_step *step, const void *op_desc);
/* Copies from one layout into another. */
bool sg_prim_new_reorder(sg_prim **prim, sg_step *step, sg_phase phase, const sg_md *from, const sg_md *to,
                         sg_error *err);
/* What the primitive takes for an argument (DNNL_ARG_...); a zero size means that it takes none. */
const sg_md *sg_prim_md(const sg_prim *prim, int arg);
size_t sg_prim_nbytes(const sg_prim *prim, int arg);
/* Works on this buffer, which thereby lives in that phase. NULL: on memory that sg_prim_set names before a run. */
void sg_prim_bind(sg_prim *prim, int arg, sg_buffer *buffer);
void sg_prim_set(const sg_prim *prim, int arg, const void *data);
void sg_prim_run(const sg_prim *prim);
/* oneDNN's name of the kernel it chose, "jit:avx2" say; "ref:any" is a hundred times slower. */
const char *sg_prim_kernel(const sg_prim *prim);
sg_profile_kind sg_prim_kind(const sg_prim *prim);

#endif
