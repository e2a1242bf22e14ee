#include "onednn_impl.h"
#include "profile_impl.h"

#include <math.h>
#include <signet/mem.h>
#include <string.h>

static bool fail(sg_error *err, dnnl_status_t status, const char *where, const char *what)
{
    if (status == dnnl_out_of_memory) return sg_fail_memory(err, where);
    return sg_fail(err, SG_ERR_UNSUPPORTED, "%s: oneDNN cannot make %s (status %d)", where, what,
                   (int)status);
}

bool sg_dnnl_new(sg_dnnl **out, sg_error *err)
{
    *out = NULL;
    sg_dnnl *dnnl = sg_calloc(1, sizeof *dnnl);
    if (!dnnl) return sg_fail_memory(err, "oneDNN");
    dnnl_status_t status = dnnl_engine_create(&dnnl->engine, dnnl_cpu, 0);
    if (!status) status = dnnl_stream_create(&dnnl->stream, dnnl->engine, dnnl_stream_default_flags);
    if (status) {
        sg_dnnl_free(dnnl);
        return fail(err, status, "plan", "an engine");
    }
    *out = dnnl;
    return true;
}

void sg_dnnl_free(sg_dnnl *dnnl)
{
    if (!dnnl) return;
    dnnl_stream_destroy(dnnl->stream);
    dnnl_engine_destroy(dnnl->engine);
    sg_free(dnnl);
}

size_t sg_dnnl_lanes(void)
{
    return (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core ? 16 : 8;
}

static dnnl_data_type_t type_of(sg_precision kind)
{
    return kind == SG_BF16 ? dnnl_bf16 : dnnl_f32;
}

sg_md sg_md_of_view(const sg_view *v, bool padded)
{
    sg_md md;
    size_t channels = padded ? v->blocks * v->lanes : v->channels;
    dnnl_dims_t dims = {(int64_t)v->n, (int64_t)channels, (int64_t)v->height, (int64_t)v->width};
    dnnl_format_tag_t tag = v->lanes == 16 ? dnnl_aBcd16b : v->lanes == 8 ? dnnl_aBcd8b : dnnl_abcd;
    SG_ASSERT(dnnl_memory_desc_init_by_tag(&md, 4, dims, type_of(v->kind), tag) == dnnl_success);
    return md;
}

bool sg_conv_padded(const sg_node *node)
{
    const int64_t groups = node->attr.conv.groups;
    return groups == 1 || (groups == node->in.c && groups == node->out.c);
}

/* OIHW, or with groups GOIHW. */
static sg_md weights(const sg_node *node, int64_t groups, int64_t outputs, int64_t inputs,
                     dnnl_data_type_t type, bool any)
{
    sg_md md;
    const int64_t k = node->attr.conv.window.kernel;
    const bool grouped = node->attr.conv.groups > 1;
    dnnl_dims_t flat = {outputs, inputs, k, k}, blocked = {groups, outputs / groups, inputs / groups, k, k};
    const dnnl_format_tag_t tag = any ? dnnl_format_tag_any : grouped ? dnnl_abcde : dnnl_abcd;
    SG_ASSERT(dnnl_memory_desc_init_by_tag(&md, grouped ? 5 : 4, grouped ? blocked : flat, type, tag) ==
              dnnl_success);
    return md;
}

sg_md sg_md_plain_weights(const sg_step *step)
{
    const sg_node *node = step->node;
    return weights(node, node->attr.conv.groups, node->out.c, node->in.c, dnnl_f32, false);
}

sg_md sg_md_any_weights(const sg_step *step, sg_precision kind)
{
    const sg_node *node = step->node;
    const int64_t groups = node->attr.conv.groups;
    const sg_view *src = &step->src[0]->view, *dst = &step->dst->view;
    const int64_t outputs = (int64_t)(dst->blocks * dst->lanes), inputs = (int64_t)(src->blocks * src->lanes);
    if (!sg_conv_padded(node)) return weights(node, groups, node->out.c, node->in.c, type_of(kind), true);
    return weights(node, groups > 1 ? outputs : 1, outputs, inputs, type_of(kind), true);
}

sg_md sg_md_vector(size_t n)
{
    sg_md md;
    dnnl_dims_t dims = {(int64_t)n};
    SG_ASSERT(dnnl_memory_desc_init_by_tag(&md, 1, dims, dnnl_f32, dnnl_a) == dnnl_success);
    return md;
}

sg_md sg_md_trimmed(const sg_md *padded, const sg_md *plain)
{
    sg_md md = *padded; /* its padded_dims stay */
    memcpy(md.dims, plain->dims, sizeof md.dims);
    return md;
}

/* Scratchpads in our arena; other and ReLU behind the operation. */
static dnnl_status_t new_attr(dnnl_primitive_attr_t *attr, const sg_md *other, float top)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(attr);
    if (!status) status = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (!status && (other || top > 0)) status = dnnl_post_ops_create(&ops);
    if (!status && other) status = dnnl_post_ops_append_binary(ops, dnnl_binary_add, other);
    if (!status && top > 0)
        status = dnnl_post_ops_append_eltwise(ops, 1, isinf(top) ? dnnl_eltwise_relu : dnnl_eltwise_clip, 0,
                                              isinf(top) ? 0 : top);
    if (!status && ops) status = dnnl_primitive_attr_set_post_ops(*attr, ops);
    dnnl_post_ops_destroy(ops);
    return status;
}

static sg_prim *new_prim(sg_step *step, sg_phase phase)
{
    sg_plan *plan = step->plan;
    if (!sg_grow(&plan->prims, &plan->prims_cap, plan->nprims + 1, sizeof *plan->prims)) return NULL;
    sg_prim *prim = sg_calloc(1, sizeof *prim);
    if (!prim) return NULL;
    *prim = (sg_prim){.step = step, .phase = phase};
    return plan->prims[plan->nprims++] = prim;
}

static bool finish(sg_prim *prim, sg_error *err)
{
    sg_step *step = prim->step;
    dnnl_status_t status = dnnl_primitive_create(&prim->primitive, prim->desc);
    if (status) return fail(err, status, step->node->name, "a primitive");
    size_t scratch = sg_prim_nbytes(prim, DNNL_ARG_SCRATCHPAD);
    sg_buffer *buffer;
    if (!scratch) return true;
    if (!sg_buffer_new(&buffer, step->plan, scratch, err)) return false;
    sg_prim_bind(prim, DNNL_ARG_SCRATCHPAD, buffer);
    return true;
}

bool sg_prim_new(sg_prim **out, sg_step *step, sg_phase phase, const void *op_desc, const sg_prim *hint,
                 const sg_md *other, float top, sg_error *err)
{
    sg_prim *prim = *out = new_prim(step, phase);
    if (!prim) return sg_fail_memory(err, "plan");
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t status = new_attr(&attr, other, top);
    if (!status)
        status = dnnl_primitive_desc_create(&prim->desc, op_desc, attr, step->plan->dnnl->engine,
                                            hint ? hint->desc : NULL);
    dnnl_primitive_attr_destroy(attr);
    if (status) return fail(err, status, step->node->name, "this layer");
    return finish(prim, err);
}

bool sg_prim_possible(const sg_step *step, const void *op_desc)
{
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t status = new_attr(&attr, NULL, 0);
    if (!status) status = dnnl_primitive_desc_create(&desc, op_desc, attr, step->plan->dnnl->engine, NULL);
    dnnl_primitive_attr_destroy(attr);
    dnnl_primitive_desc_destroy(desc);
    return status == dnnl_success;
}

bool sg_prim_new_reorder(sg_prim **out, sg_step *step, sg_phase phase, const sg_md *from, const sg_md *to,
                         sg_error *err)
{
    sg_prim *prim = *out = new_prim(step, phase);
    if (!prim) return sg_fail_memory(err, "plan");
    dnnl_primitive_attr_t attr = NULL;
    dnnl_engine_t engine = step->plan->dnnl->engine;
    dnnl_status_t status = new_attr(&attr, NULL, 0);
    if (!status) status = dnnl_reorder_primitive_desc_create(&prim->desc, from, engine, to, engine, attr);
    dnnl_primitive_attr_destroy(attr);
    if (status) return fail(err, status, step->node->name, "a change of layout");
    return finish(prim, err);
}

const sg_md *sg_prim_md(const sg_prim *prim, int arg)
{
    if (arg == DNNL_ARG_SCRATCHPAD)
        return dnnl_primitive_desc_query_md(prim->desc, dnnl_query_scratchpad_md, 0);
    return dnnl_primitive_desc_query_md(prim->desc, dnnl_query_exec_arg_md, arg);
}

size_t sg_prim_nbytes(const sg_prim *prim, int arg)
{
    return dnnl_memory_desc_get_size(sg_prim_md(prim, arg));
}

void sg_prim_bind(sg_prim *prim, int arg, sg_buffer *buffer)
{
    SG_ASSERT(prim->nargs < SG_PRIM_ARGS);
    prim->args[prim->nargs].arg = arg;
    prim->buffers[prim->nargs++] = buffer;
    if (buffer) sg_use(buffer, prim->step, prim->phase);
}

bool sg_prim_ready(sg_prim *prim, sg_error *err)
{
    dnnl_engine_t engine = prim->step->plan->dnnl->engine;
    for (int i = 0; i < prim->nargs; i++) {
        void *data = prim->buffers[i] ? prim->buffers[i]->data : NULL;
        const sg_md *md = sg_prim_md(prim, prim->args[i].arg);
        dnnl_status_t status = dnnl_memory_create(&prim->args[i].memory, md, engine, data);
        if (status) return fail(err, status, prim->step->node->name, "a memory");
    }
    return true;
}

void sg_prim_set(const sg_prim *prim, int arg, const void *data)
{
    int i = 0;
    while (prim->args[i].arg != arg) SG_ASSERT(++i < prim->nargs);
    SG_ASSERT(!prim->buffers[i] &&
              dnnl_memory_set_data_handle(prim->args[i].memory, (void *)(uintptr_t)data) == dnnl_success);
}

void sg_prim_run(const sg_prim *prim)
{
    const sg_plan *plan = prim->step->plan;
    const sg_profile_mark mark = sg_profile_begin(plan->profile);
    SG_ASSERT(dnnl_primitive_execute(prim->primitive, plan->dnnl->stream, prim->nargs, prim->args) ==
              dnnl_success);
    sg_profile_end_row(plan->profile, mark, prim->row);
}

const char *sg_prim_kernel(const sg_prim *prim)
{
    const char *name = "";
    dnnl_primitive_desc_query(prim->desc, dnnl_query_impl_info_str, 0, (void *)&name);
    return name;
}

sg_profile_kind sg_prim_kind(const sg_prim *prim)
{
    dnnl_primitive_kind_t kind;
    dnnl_prop_kind_t prop;
    if (prim->phase == SG_LOAD) return SG_PROFILE_LOAD;
    SG_ASSERT(dnnl_primitive_desc_query(prim->desc, dnnl_query_primitive_kind, 0, &kind) == dnnl_success);
    if (kind == dnnl_reorder) return SG_PROFILE_LAYOUT;
    if (kind != dnnl_convolution) return SG_PROFILE_OTHER;
    SG_ASSERT(dnnl_primitive_desc_query(prim->desc, dnnl_query_prop_kind, 0, &prop) == dnnl_success);
    return prop == dnnl_backward_data      ? SG_PROFILE_BACKWARD_DATA
           : prop == dnnl_backward_weights ? SG_PROFILE_BACKWARD_WEIGHTS
                                           : SG_PROFILE_FORWARD;
}

void sg_prim_free(sg_prim *prim)
{
    if (!prim) return;
    for (int i = 0; i < prim->nargs; i++) dnnl_memory_destroy(prim->args[i].memory);
    dnnl_primitive_destroy(prim->primitive);
    dnnl_primitive_desc_destroy(prim->desc);
    sg_free(prim);
}
