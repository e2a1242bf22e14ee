/* The globals that a state_dict names, and what calling them makes. None of it runs code of the file's. */
#include "pickle_impl.h"

#include <string.h>

static const sg_pickle_value *arg(const sg_pickle *pickle, sg_pickle_items args, size_t i)
{
    return sg_pickle_at(pickle, args.refs[i]);
}

static bool is_sequence(const sg_pickle_value *value)
{
    return value->kind == SG_PICKLE_TUPLE || value->kind == SG_PICKLE_LIST;
}

/* OrderedDict(), or OrderedDict([(key, value), ...]) of Python 2. */
static bool call_ordered_dict(sg_pickle *pickle, sg_pickle_ref *result, sg_pickle_items args, sg_error *err)
{
    if (!sg_pickle_new(pickle, result, SG_PICKLE_DICT, err)) return false;
    if (args.n == 0) return true;
    const sg_pickle_value *pairs = arg(pickle, args, 0);
    if (args.n > 1 || !is_sequence(pairs))
        return sg_fail(err, SG_ERR_FORMAT, "OrderedDict of no list of pairs");
    for (size_t i = 0; i < pairs->items.n; i++) {
        const sg_pickle_value *pair = arg(pickle, pairs->items, i);
        if (!is_sequence(pair) || pair->items.n != 2)
            return sg_fail(err, SG_ERR_FORMAT, "OrderedDict of no list of pairs");
        if (!sg_pickle_append(pickle, *result, pair->items.refs, 2, err)) return false;
    }
    return true;
}

/* (storage, offset, size, stride, ...): what follows is for autograd. */
static bool call_tensor(sg_pickle *pickle, sg_pickle_ref *result, sg_pickle_items args, sg_error *err)
{
    if (args.n < 4 || args.n > 7 || arg(pickle, args, 0)->kind != SG_PICKLE_STORAGE ||
        arg(pickle, args, 1)->kind != SG_PICKLE_INT || !is_sequence(arg(pickle, args, 2)) ||
        !is_sequence(arg(pickle, args, 3)))
        return sg_fail(err, SG_ERR_FORMAT, "a tensor of no storage, offset, size and stride");
    if (!sg_pickle_new(pickle, result, SG_PICKLE_TENSOR, err)) return false;
    pickle->values[*result].tensor = (sg_pickle_tensor){.storage = args.refs[0],
                                                        .dims = args.refs[2],
                                                        .strides = args.refs[3],
                                                        .offset = arg(pickle, args, 1)->integer};
    return true;
}

/* (tensor, requires_grad, hooks): the tensor. */
static bool call_parameter(sg_pickle *pickle, sg_pickle_ref *result, sg_pickle_items args, sg_error *err)
{
    if (args.n != 3 || arg(pickle, args, 0)->kind != SG_PICKLE_TENSOR)
        return sg_fail(err, SG_ERR_FORMAT, "a parameter of no tensor");
    *result = args.refs[0];
    return true;
}

static const sg_pickle_global globals[] = {
    {"collections", "OrderedDict", call_ordered_dict},
    {"torch._utils", "_rebuild_tensor_v2", call_tensor},
    {"torch._utils", "_rebuild_tensor", call_tensor},
    {"torch._utils", "_rebuild_parameter", call_parameter},
};

static bool equal(sg_pickle_text text, const char *other)
{
    return text.nbytes == strlen(other) && memcmp(text.bytes, other, text.nbytes) == 0;
}

const sg_pickle_global *sg_pickle_global_find(sg_pickle_text module, sg_pickle_text name)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (equal(module, globals[i].module) && equal(name, globals[i].name)) return &globals[i];
    return NULL;
}
