/* Buffers and where they lie. */
#include "plan_impl.h"

#include <signet/mem.h>

#define ALIGN      64
#define PHASE_STEP (1 << 24) /* more than there are steps */

bool sg_buffer_new(sg_buffer **out, sg_plan *plan, size_t nbytes, sg_error *err)
{
    sg_buffer *buffer = *out = NULL;
    if (sg_grow(&plan->buffers, &plan->buffers_cap, plan->nbuffers + 1, sizeof *plan->buffers))
        buffer = sg_calloc(1, sizeof *buffer);
    if (!buffer) return sg_fail_memory(err, "plan");
    *buffer = (sg_buffer){.nbytes = (nbytes + ALIGN - 1) / ALIGN * ALIGN, .first = INT32_MAX, .last = -1};
    *out = plan->buffers[plan->nbuffers++] = buffer;
    return true;
}

static void extend(sg_buffer *buffer, int time)
{
    if (time < buffer->first) buffer->first = time;
    if (time > buffer->last) buffer->last = time;
}

void sg_use(sg_buffer *buffer, const sg_step *step, sg_phase phase)
{
    extend(buffer, phase == SG_LOAD      ? step->index
                   : phase == SG_FORWARD ? PHASE_STEP + step->index
                                         : 3 * PHASE_STEP - step->index);
}

void sg_keep(sg_buffer *buffer)
{
    extend(buffer, 0);
    extend(buffer, 3 * PHASE_STEP);
}

static void add_part(sg_value *value, sg_buffer *buffer)
{
    SG_ASSERT(value->ngrads < SG_VALUE_GRADS);
    value->grads[value->ngrads++] = buffer;
    buffer->owners++;
}

bool sg_value_part(sg_buffer **buffer, sg_value *value, sg_step *step, sg_error *err)
{
    if (!sg_buffer_new(buffer, step->plan, sg_view_size(&value->view) * sg_number_nbytes(sg_step_kind(step)),
                       err))
        return false;
    sg_use(*buffer, step, SG_BACKWARD);
    add_part(value, *buffer);
    return true;
}

void sg_value_share(sg_value *value, sg_step *step)
{
    sg_use(step->gradient, step, SG_BACKWARD);
    add_part(value, step->gradient);
}

static bool alive_together(const sg_buffer *a, const sg_buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest place where `buffer` meets none of the placed ones that live when it does. */
static size_t lowest_place(const sg_buffer *buffer, sg_buffer *const *placed, size_t n)
{
    size_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < n; i++) {
            const sg_buffer *p = placed[i];
            if (alive_together(buffer, p) && offset < p->offset + p->nbytes &&
                p->offset < offset + buffer->nbytes) {
                offset = p->offset + p->nbytes;
                moved = true;
            }
        }
    }
    return offset;
}

static int by_size(const void *a, const void *b)
{
    const sg_buffer *p = *(sg_buffer *const *)a, *q = *(sg_buffer *const *)b;
    if (p->nbytes != q->nbytes) return p->nbytes < q->nbytes ? 1 : -1;
    return (p->first > q->first) - (p->first < q->first);
}

bool sg_plan_place(sg_plan *plan, sg_error *err)
{
    qsort(plan->buffers, plan->nbuffers, sizeof *plan->buffers, by_size);
    for (size_t i = 0; i < plan->nbuffers; i++) {
        sg_buffer *buffer = plan->buffers[i];
        SG_ASSERT(buffer->first <= buffer->last);
        buffer->offset = lowest_place(buffer, plan->buffers, i);
        if (buffer->offset + buffer->nbytes > plan->arena_nbytes)
            plan->arena_nbytes = buffer->offset + buffer->nbytes;
    }
    plan->arena = sg_alloc_aligned(plan->arena_nbytes, 1);
    if (!plan->arena) return sg_fail_memory(err, "plan");
    for (size_t i = 0; i < plan->nbuffers; i++)
        plan->buffers[i]->data = (char *)plan->arena + plan->buffers[i]->offset;
    return true;
}
