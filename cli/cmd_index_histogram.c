/* signet index histogram: how far apart the pictures of an index are, and the radius for a rate of false matches. */
#include "commands.h"

#include <signet/histogram.h>
#include <signet/ingest.h>

typedef struct histogram_options {
    int64_t pairs, seed;
    bool json;
} histogram_options;

static void set_defaults(void *options)
{
    *(histogram_options *)options = (histogram_options){.pairs = SG_HISTOGRAM_PAIRS};
}

#define BAR_WIDTH 50

static const double asked_rates[] = {1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7};
#define NRATES (sizeof asked_rates / sizeof *asked_rates)

/* Pairs within a radius, related ones too. */
static double share_within(const sg_histogram *h, int radius)
{
    uint64_t within = 0;
    for (int d = 0; d <= radius; d++) within += h->counts[d];
    return (double)within / (double)h->npairs;
}

static void print_bars(const sg_histogram *h)
{
    static const char bar[BAR_WIDTH + 1] = "##################################################";
    uint64_t most = 1;
    size_t first = h->nbits, last = 0;
    for (size_t d = 0; d <= h->nbits; d++) {
        if (h->counts[d] == 0) continue;
        if (h->counts[d] > most) most = h->counts[d];
        if (d < first) first = d;
        last = d;
    }
    for (size_t d = first; d <= last; d++) {
        int width = (int)((double)h->counts[d] / (double)most * BAR_WIDTH + 0.5);
        printf("%4zu %12llu %9.2e %.*s\n", d, (unsigned long long)h->counts[d],
               (double)h->counts[d] / (double)h->npairs, width, bar);
    }
}

static bool print_text(const sg_histogram *h, sg_error *err)
{
    double mean, deviation, rates[SG_BITS_MAX + 1];
    size_t first;
    sg_error why;
    sg_histogram_moments(&mean, &deviation, h);
    if (h->npairs > 0) print_bars(h);
    printf("%llu pairs of %llu of %llu pictures, %zu bits; mean distance %.2f, standard deviation %.2f\n",
           (unsigned long long)h->npairs, (unsigned long long)h->nsampled, (unsigned long long)h->nitems,
           h->nbits, mean, deviation);
    if (h->nleft_out > 0)
        printf("%llu of them are copies of others, byte for byte, and not counted\n",
               (unsigned long long)h->nleft_out);
    if (!sg_histogram_rates(rates, &first, h, &why)) {
        printf("%s\n", why.message);
        return cli_stdout_check(err);
    }
    printf("rates below %.1e are extrapolated\n", sg_histogram_smallest(h));
    printf("false match rate  radius  all pairs within\n");
    for (size_t i = 0; i < NRATES; i++) {
        int radius;
        if (!sg_histogram_radius(&radius, h, asked_rates[i], err)) return false;
        if (radius < 0)
            printf("%16.0e  %6s\n", asked_rates[i], "none");
        else
            printf("%16.0e  %6d  %16.2e%s\n", asked_rates[i], radius, share_within(h, radius),
                   (size_t)radius < first ? "  extrapolated" : "");
    }
    return cli_stdout_check(err);
}

static void add_rates(sg_json *root, const sg_histogram *h)
{
    double rates[SG_BITS_MAX + 1];
    size_t first;
    if (!sg_histogram_rates(rates, &first, h, NULL)) return;
    sg_json_add_number(root, "smallest_rate", sg_histogram_smallest(h));
    sg_json *list = sg_json_add_array(root, "rates");
    for (size_t i = 0; i < NRATES; i++) {
        int radius;
        if (!sg_histogram_radius(&radius, h, asked_rates[i], NULL)) return;
        sg_json *one = sg_json_add_object(list, NULL);
        sg_json_add_number(one, "rate", asked_rates[i]);
        sg_json_add_int(one, "radius", radius);
        if (radius < 0) continue;
        sg_json_add_bool(one, "measured", (size_t)radius >= first);
        sg_json_add_number(one, "within", share_within(h, radius));
    }
}

static bool print_json(const sg_histogram *h, const char *index, sg_error *err)
{
    double mean, deviation;
    sg_json *root = sg_json_object();
    sg_histogram_moments(&mean, &deviation, h);
    sg_json_add_path(root, "index", index);
    sg_json_add_int(root, "bits", (int64_t)h->nbits);
    sg_json_add_int(root, "items", (int64_t)h->nitems);
    sg_json_add_int(root, "sampled", (int64_t)h->nsampled);
    sg_json_add_int(root, "copies", (int64_t)h->nleft_out);
    sg_json_add_int(root, "pairs", (int64_t)h->npairs);
    sg_json_add_number(root, "mean", mean);
    sg_json_add_number(root, "deviation", deviation);
    sg_json *counts = sg_json_add_array(root, "counts");
    for (size_t d = 0; d <= h->nbits; d++) sg_json_add_int(counts, NULL, (int64_t)h->counts[d]);
    add_rates(root, h);
    sg_json_add_int(root, "generation", (int64_t)h->generation);
    return cli_print_json(root, err);
}

static bool run(const cli_call *call, int *status, sg_error *err)
{
    (void)status;
    const histogram_options *o = call->options;
    sg_index *index;
    sg_histogram h;
    if (!cli_need_args(call, 1, 1, "INDEX", err)) return false;
    if (!sg_index_open(&index, call->args[0], SG_INDEX_STORE, false, err)) return false;
    bool ok = sg_histogram_make(&h, sg_index_store(index), (uint64_t)o->pairs, (uint64_t)o->seed, err);
    sg_index_close(index);
    return ok && (o->json ? print_json(&h, call->args[0], err) : print_text(&h, err));
}

#define AT(member) offsetof(histogram_options, member)
static const cli_option options[] = {
    {"pairs", 0, CLI_COUNT, AT(pairs), "N",
     "pairs to look at: all when they are no more, else those of a random choice of "
     "pictures\n" CLI_HELP_INDENT "(default: 100000000)",
     1, 1e12},
    {"seed", 0, CLI_COUNT, AT(seed), "N", "of that choice (default: 0)", 0, 1e15},
    {"json", 0, CLI_FLAG, AT(json), NULL, "one JSON object", 0, 0},
};

const cli_command cmd_index_histogram = {
    .name = "index histogram",
    .summary = "how far apart the pictures are, and the radius for a rate of false matches",
    .usage = "INDEX [--pairs N] [--json]",
    .examples = "index histogram PHOTOS.index",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(histogram_options),
    .defaults = set_defaults,
    .run = run,
};
