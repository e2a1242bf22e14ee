/* signet model info: what a model file holds, or a file of other weights. */
#include "commands.h"

#include <math.h>
#include <signet/plan.h>
#include <signet/recipe.h>
#include <signet/table.h>
#include <signet/weights.h>

typedef struct model_options {
    bool json, check;
    const char *against;
} model_options;

/* How far the body has moved from another model's: ||W - W'|| / ||W'|| over all learned tensors below the head. */
static bool body_change(double *change, const sg_model *model, const char *against, sg_error *err)
{
    sg_model *other;
    double moved = 0, before = 0;
    if (!sg_model_load(&other, against, err)) return false;
    bool ok = true;
    for (size_t i = 0; ok && i < model->params->ntensors; i++) {
        const sg_tensor *t = &model->params->tensors[i];
        if (t->head || !sg_tensor_learned(t)) continue;
        const sg_tensor *u = sg_params_find(other->params, t->name);
        if (!u || u->size != t->size) {
            ok = sg_fail(err, SG_ERR_MISMATCH, "%s: has no tensor %s of that shape", against, t->name);
            break;
        }
        for (size_t k = 0; k < t->size; k++) {
            double w = model->params->block[t->offset + k], v = other->params->block[u->offset + k];
            moved += (w - v) * (w - v);
            before += v * v;
        }
    }
    *change = before > 0 ? sqrt(moved / before) : 0;
    sg_model_free(other);
    return ok;
}

/* What is said of a model, beside what it holds itself. */
typedef struct model_facts {
    const sg_model *model;
    sg_kv recipe;
    size_t learned; /* numbers */
    size_t memory; /* bytes of a plan that encodes one image, weights and all; of f32 where bf16 is lacking */
    double change;
    bool changed; /* change is known */
} model_facts;

static bool facts_init(model_facts *facts, const sg_model *model, const char *against, sg_error *err)
{
    const sg_plan_options options = {.purpose = SG_ENCODE,
                                     .batch = 1,
                                     .precision = sg_precision_supported(model->precision) ? model->precision
                                                                                           : SG_F32};
    sg_plan *plan;
    *facts = (model_facts){.model = model, .recipe = SG_KV_INIT, .changed = against != NULL};
    for (size_t i = 0; i < sg_net_nlayers(model->net); i++)
        facts->learned += sg_net_layer(model->net, i).parameters;
    if (!sg_plan_new(&plan, model->net, &options, err)) return false;
    facts->memory = sg_plan_nbytes(plan);
    sg_plan_free(plan);
    return sg_recipe_now(&facts->recipe, model, err) &&
           (!against || body_change(&facts->change, model, against, err));
}

static void add_layers(sg_json *root, const sg_net *net)
{
    sg_json *layers = sg_json_add_array(root, "layers");
    for (size_t i = 0; i < sg_net_nlayers(net); i++) {
        const sg_layer layer = sg_net_layer(net, i);
        sg_json *entry = sg_json_add_object(layers, NULL);
        sg_json_add_string(entry, "name", layer.name);
        sg_json_add_string(entry, "kind", layer.kind);
        sg_json *output = sg_json_add_array(entry, "output");
        sg_json_add_int(output, NULL, layer.channels);
        sg_json_add_int(output, NULL, layer.height);
        sg_json_add_int(output, NULL, layer.width);
        sg_json_add_int(entry, "parameters", (int64_t)layer.parameters);
        sg_json_add_int(entry, "multiply_adds", (int64_t)layer.macs);
    }
}

static bool print_json(const model_facts *facts, sg_error *err)
{
    const sg_model *model = facts->model;
    const sg_net_spec *spec = sg_model_spec(model);
    sg_json *root = sg_json_object();
    sg_json_add_string(root, "arch", spec->arch);
    sg_json_add_string(root, "head", spec->head == SG_HEAD_HASH ? "hash" : "classifier");
    sg_json_add_int(root, "outputs", spec->outputs);
    sg_json_add_int(root, "channels", spec->channels);
    sg_json_add_int(root, "height", spec->height);
    sg_json_add_int(root, "width", spec->width);
    sg_json_add_int(root, "parameters", (int64_t)facts->learned);
    sg_json_add_int(root, "multiply_adds", (int64_t)sg_net_macs(model->net));
    sg_json_add_int(root, "memory", (int64_t)facts->memory);
    sg_json_add_string(root, "rule", sg_rule_name(model->feedback.rule));
    sg_json_add_string(root, "fingerprint", model->fingerprint);
    if (facts->changed) sg_json_add_number(root, "body_change", facts->change);
    sg_json *classes = sg_json_add_array(root, "classes");
    for (size_t i = 0; i < model->nclasses; i++) sg_json_add_string(classes, NULL, model->classes[i]);
    sg_json *notes = sg_json_add_object(root, "notes");
    for (size_t i = 0; i < model->notes.n; i++)
        sg_json_add_string(notes, model->notes.pairs[i].key, model->notes.pairs[i].value);
    sg_json *made = sg_json_add_object(root, "recipe");
    for (size_t i = 0; i < facts->recipe.n; i++)
        sg_json_add_string(made, facts->recipe.pairs[i].key, facts->recipe.pairs[i].value);
    add_layers(root, model->net);
    return cli_print_json(root, err);
}

static bool print_layers(const sg_net *net, sg_error *err)
{
    const char *heads[] = {"layer", "kind", "output", "parameters", "multiply-adds"};
    sg_table *table = sg_table_new(5, heads);
    if (!table) return sg_fail_memory(err, "table");
    for (size_t i = 0; i < sg_net_nlayers(net); i++) {
        const sg_layer layer = sg_net_layer(net, i);
        sg_table_cell(table, "%s", layer.name);
        sg_table_cell(table, "%s", layer.kind);
        sg_table_cell(table, "%lld x %lld x %lld", (long long)layer.channels, (long long)layer.height,
                      (long long)layer.width);
        sg_table_cell(table, "%zu", layer.parameters);
        sg_table_cell(table, "%llu", (unsigned long long)layer.macs);
    }
    bool ok = sg_table_print(table, stdout, err);
    sg_table_free(table);
    return ok;
}

static bool print_text(const model_facts *facts, const char *against, bool layers, sg_error *err)
{
    const sg_model *model = facts->model;
    const sg_net_spec *spec = sg_model_spec(model);
    if (facts->changed) printf("the body has moved by %.4f of its norm from %s\n", facts->change, against);
    printf("%s, %s of %lld %s, input %lld x %lld x %lld\n", spec->arch,
           spec->head == SG_HEAD_HASH ? "hash" : "classifier", (long long)spec->outputs,
           spec->head == SG_HEAD_HASH ? "bits" : "classes", (long long)spec->channels,
           (long long)spec->height, (long long)spec->width);
    printf("%zu layers, parameters %zu, multiply-adds %.1f million, memory to encode an image %.1f MiB\n",
           sg_net_nlayers(model->net), facts->learned, (double)sg_net_macs(model->net) / 1e6,
           (double)facts->memory / (1 << 20));
    printf("rule %s%s\n", sg_rule_name(model->feedback.rule),
           model->feedback.exact_head ? ", exact head" : "");
    for (size_t i = 0; i < model->nclasses; i++) {
        fputs(i ? ", " : "classes ", stdout);
        cli_print_text(model->classes[i]);
    }
    if (model->nclasses) putchar('\n');
    for (size_t i = 0; i < model->notes.n; i++) {
        cli_print_text(model->notes.pairs[i].key);
        putchar(' ');
        cli_print_text(model->notes.pairs[i].value);
        putchar('\n');
    }
    for (size_t i = 0; i < facts->recipe.n; i++)
        printf("%s%s %s", i ? ", " : "recipe: ", facts->recipe.pairs[i].key, facts->recipe.pairs[i].value);
    printf("\nfingerprint %s\n", model->fingerprint);
    return !layers || print_layers(model->net, err);
}

static bool info_model(const cli_call *call, sg_error *err)
{
    const model_options *o = call->options;
    const char *path = call->args[0];
    sg_model *model;
    model_facts facts;
    if (!cli_model_load(&model, call, path, NULL, err)) return false;
    bool ok = !o->check || sg_model_check(model, err) || sg_prefix(err, "%s", path);
    if (ok && o->check) cli_remark(call, "the fingerprint is that of the contents");
    if (ok) {
        ok = facts_init(&facts, model, o->against, err) &&
             (o->json ? print_json(&facts, err) : print_text(&facts, o->against, call->common.verbose, err));
        sg_kv_clear(&facts.recipe);
    }
    sg_model_free(model);
    return ok;
}

static bool print_weights_json(const sg_weights *weights, sg_error *err)
{
    sg_json *root = sg_json_object();
    sg_json_add_string(root, "format", sg_weights_format(weights));
    sg_json *tensors = sg_json_add_array(root, "tensors");
    for (size_t i = 0; i < sg_weights_count(weights); i++) {
        const sg_weight *w = sg_weights_at(weights, i);
        sg_json *entry = sg_json_add_object(tensors, NULL);
        sg_json_add_string(entry, "name", w->name);
        sg_json *shape = sg_json_add_array(entry, "shape");
        for (int d = 0; d < w->ndim; d++) sg_json_add_int(shape, NULL, w->dims[d]);
        sg_json_add_string(entry, "dtype", w->dtype);
    }
    return cli_print_json(root, err);
}

static bool print_weights_text(const sg_weights *weights, sg_error *err)
{
    const char *heads[] = {"tensor", "shape", "numbers", "dtype"};
    sg_table *table = sg_table_new(4, heads);
    if (!table) return sg_fail_memory(err, "table");
    printf("%s, %zu tensors; signet model import makes a model of them\n", sg_weights_format(weights),
           sg_weights_count(weights));
    for (size_t i = 0; i < sg_weights_count(weights); i++) {
        const sg_weight *w = sg_weights_at(weights, i);
        char shape[SG_WEIGHT_DIMS_MAX * 24] = "";
        for (int d = 0, used = 0; d < w->ndim; d++)
            used += snprintf(shape + used, sizeof shape - (size_t)used, "%s%lld", d ? " x " : "",
                             (long long)w->dims[d]);
        sg_table_cell(table, "%s", w->name);
        sg_table_cell(table, "%s", shape);
        sg_table_cell(table, "%zu", w->size);
        sg_table_cell(table, "%s", w->dtype);
    }
    bool ok = sg_table_print(table, stdout, err);
    sg_table_free(table);
    return ok;
}

static bool run(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const model_options *o = call->options;
    sg_weights *weights;
    if (!cli_need_args(call, 1, 1, "FILE", err) || !sg_weights_open(&weights, call->args[0], err))
        return false;
    bool foreign = !sg_weights_is_model(weights), ok = true;
    if (foreign && (o->check || o->against))
        ok = sg_fail(err, SG_ERR_USAGE, "%s: --check and --against are for models; these are weights of %s",
                     call->args[0], sg_weights_format(weights));
    else if (foreign)
        ok = o->json ? print_weights_json(weights, err) : print_weights_text(weights, err);
    sg_weights_close(weights);
    return ok && (foreign || info_model(call, err));
}

static const cli_option options[] = {
    {"check", 0, CLI_FLAG, offsetof(model_options, check), NULL, "compute the fingerprint again and compare",
     0, 0},
    {"against", 0, CLI_TEXT, offsetof(model_options, against), "FILE",
     "how far the body has moved from that model's", 0, 0},
    {"json", 0, CLI_FLAG, offsetof(model_options, json), NULL, "one JSON object", 0, 0},
};

const cli_command cmd_model_info = {
    .name = "model info",
    .summary = "what a model file holds (--verbose: its layers), or other weights",
    .usage = "FILE [--check] [--json]",
    .examples = "model info RUN/best.safetensors\n"
                "model info --check --json RUN/best.safetensors\n"
                "model info resnet18.pth",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(model_options),
    .run = run,
};
