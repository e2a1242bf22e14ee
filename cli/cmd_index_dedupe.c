/* signet index dedupe: groups of pictures that are the same or nearly so, and which of each to keep. Deletes nothing. */
#include "commands.h"

#include <signet/dedupe.h>
#include <signet/histogram.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/query.h>
#include <string.h>

#define LOOK_GROUPS 64 /* whose files are looked at together */
#define FALSE_SHARE 0.01

typedef struct dedupe_options {
    int64_t radius;
    double rate;
    bool json, others, zero, show_apart, dry_run;
    const char *html;
    cli_texts keep_apart, forget;
} dedupe_options;

static void set_defaults(void *options)
{
    *(dedupe_options *)options = (dedupe_options){.radius = -1};
}

/* --- pairs that are no duplicates --- */

#define IDS_MAX 64

/* "3,17,4": ids. */
static bool parse_ids(uint64_t ids[IDS_MAX], size_t *n, const char *text, const char *option, sg_error *err)
{
    *n = 0;
    for (const char *at = text; *at; at += *at == ',') {
        char number[24];
        int64_t id;
        size_t length = strcspn(at, ",");
        snprintf(number, sizeof number, "%.*s", length < sizeof number ? (int)length : 0, at);
        if (!sg_parse_int(&id, number) || id < 1)
            return sg_fail(err, SG_ERR_USAGE, "--%s: \"%s\" is no list of ids", option, text);
        if (*n == IDS_MAX)
            return sg_fail(err, SG_ERR_USAGE, "--%s: more than %d ids at once", option, IDS_MAX);
        ids[(*n)++] = (uint64_t)id;
        at += length;
    }
    if (*n < 2) return sg_fail(err, SG_ERR_USAGE, "--%s: \"%s\": at least two ids", option, text);
    return true;
}

/* Every pair of each list, in one batch. */
static bool mark(sg_store *store, const cli_texts *lists, bool marked, const char *option, sg_error *err)
{
    for (size_t l = 0; l < lists->n; l++) {
        uint64_t ids[IDS_MAX];
        size_t n;
        if (!parse_ids(ids, &n, lists->items[l], option, err)) return false;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < i; j++)
                if (!sg_store_pair_set(store, ids[j], ids[i], marked, err)) return false;
    }
    return true;
}

static bool mark_all(sg_store *store, const dedupe_options *o, sg_error *err)
{
    if (!sg_store_begin(store, err)) return false;
    bool ok =
        mark(store, &o->keep_apart, true, "keep-apart", err) && mark(store, &o->forget, false, "forget", err);
    if (ok && !o->dry_run) return sg_store_commit(store, err);
    sg_store_abort(store);
    return ok;
}

static bool print_pair(void *context, uint64_t a, uint64_t b, sg_error *err)
{
    const dedupe_options *o = context;
    if (o->json) {
        sg_json *root = sg_json_object(), *pair = sg_json_add_array(root, "apart");
        sg_json_add_int(pair, NULL, (int64_t)a);
        sg_json_add_int(pair, NULL, (int64_t)b);
        return cli_print_json(root, err);
    }
    printf("%llu,%llu\n", (unsigned long long)a, (unsigned long long)b);
    return cli_stdout_check(err);
}

static bool run_pairs(const cli_call *call, sg_error *err)
{
    const dedupe_options *o = call->options;
    const bool writing = o->keep_apart.n > 0 || o->forget.n > 0;
    sg_index *index;
    if (!sg_index_open(&index, call->args[0], SG_INDEX_STORE, writing, err)) return false;
    sg_store *store = sg_index_store(index);
    bool ok = !writing || mark_all(store, o, err);
    if (ok && o->show_apart) ok = sg_store_pairs(store, print_pair, call->options, err);
    sg_index_close(index);
    return ok;
}

/* --- which radius --- */

/* By the rate that was asked for; else so that one picture in a hundred is expected to have an unrelated one within it. What
 * a small collection cannot tell is left at equal codes. */
static bool choose_radius(int *radius, sg_store *store, const cli_call *call, sg_error *err)
{
    const dedupe_options *o = call->options;
    const bool asked = cli_given(call, "fmr");
    sg_histogram h;
    sg_error why;
    *radius = (int)o->radius;
    if (cli_given(call, "radius")) return true;
    if (!sg_histogram_make(&h, store, SG_HISTOGRAM_PAIRS, 0, err)) return false;
    double rate = asked ? o->rate : FALSE_SHARE / (double)(h.nitems > 1 ? h.nitems - 1 : 1);
    if (!sg_histogram_radius(radius, &h, rate, &why)) {
        if (asked) return sg_fail(err, why.code, "--fmr: %s", why.message);
        *radius = 0;
        cli_remark(call, "radius 0: %s", why.message);
    } else if (*radius < 0) {
        cli_remark(
            call,
            "no code is close enough for a false match rate of %.2g: equal contents alone are looked for",
            rate);
    } else {
        cli_remark(call, "radius %d, for a false match rate of %.2g%s", *radius, rate,
                   rate < sg_histogram_smallest(&h) ? " (extrapolated)" : "");
    }
    return true;
}

/* --- output --- */

static const char *word_of(const sg_group *group, size_t i)
{
    const sg_copy *copy = &group->copies[i];
    switch (copy->state) {
    case SG_COPY_GOOD:
        return i == 0 ? "keep" : copy->link ? "link" : copy->same ? "same" : "near";
    case SG_COPY_BARE:
        return "code";
    default:
        return "lost";
    }
}

static void print_text(const sg_group *group)
{
    for (size_t i = 0; i < group->n; i++) {
        const sg_copy *copy = &group->copies[i];
        char size[32] = "-";
        if (copy->state == SG_COPY_GOOD) snprintf(size, sizeof size, "%dx%d", copy->width, copy->height);
        printf("%s %u %llu %s ", word_of(group, i), copy->distance, (unsigned long long)copy->id, size);
        cli_print_text(copy->path ? copy->path : "-");
        putchar('\n');
    }
}

static bool print_json(const sg_group *group, size_t number, int radius, sg_error *err)
{
    sg_json *root = sg_json_object();
    sg_json_add_int(root, "group", (int64_t)number);
    sg_json_add_int(root, "radius", radius);
    if (group->kept)
        sg_json_add_int(root, "keep", (int64_t)group->copies[0].id);
    else
        sg_json_add_string(root, "keep", NULL);
    sg_json *items = sg_json_add_array(root, "items");
    for (size_t i = 0; i < group->n; i++) {
        const sg_copy *copy = &group->copies[i];
        sg_json *one = sg_json_add_object(items, NULL);
        sg_json_add_int(one, "id", (int64_t)copy->id);
        if (copy->path)
            sg_json_add_path(one, "path", copy->path);
        else
            sg_json_add_string(one, "path", NULL);
        sg_json_add_string(one, "state", word_of(group, i));
        sg_json_add_int(one, "distance", copy->distance);
        sg_json_add_bool(one, "same", copy->same);
        if (copy->path) sg_json_add_int(one, "size", (int64_t)copy->nbytes);
        if (copy->state == SG_COPY_GOOD) {
            sg_json_add_int(one, "width", copy->width);
            sg_json_add_int(one, "height", copy->height);
            sg_json_add_number(one, "sharpness", copy->sharpness);
        } else if (copy->path) {
            sg_json_add_string(one, "why", copy->why.message);
        }
    }
    return cli_print_json(root, err);
}

static void print_others(const sg_group *group, bool zero)
{
    for (size_t i = 1; i < group->n; i++) {
        const sg_copy *copy = &group->copies[i];
        if (!copy->spare) continue;
        if (zero) {
            fwrite(copy->path, 1, strlen(copy->path) + 1, stdout);
        } else {
            cli_print_text(copy->path);
            putchar('\n');
        }
    }
}

/* A group as an answer to the one to keep, for the sheet; bare codes have no picture. */
static bool make_answer(sg_answer *answer, const sg_group *group, const sg_store_info *info, sg_error *err)
{
    const sg_copy *first = &group->copies[0];
    *answer = (sg_answer){.query_id = first->id,
                          .nbits = info->nbits,
                          .result = {.exact = true, .complete = true},
                          .generation = info->generation,
                          .items = info->items};
    memcpy(answer->fingerprint, info->fingerprint, sizeof answer->fingerprint);
    answer->query = first->path ? sg_strdup(first->path) : NULL;
    answer->code = sg_memdup(first->code, info->nbits / 8);
    answer->result.hits = sg_alloc(group->n, sizeof *answer->result.hits);
    answer->paths = sg_calloc(group->n, sizeof *answer->paths);
    answer->attributes = sg_calloc(group->n, sizeof *answer->attributes);
    bool ok = (answer->query || !first->path) && answer->code && answer->result.hits && answer->paths &&
              answer->attributes;
    for (size_t i = 1; ok && i < group->n; i++) {
        const sg_copy *copy = &group->copies[i];
        if (!copy->path) continue;
        answer->result.hits[answer->result.n] = (sg_hit){copy->id, copy->distance};
        answer->paths[answer->result.n] = sg_strdup(copy->path);
        ok = answer->paths[answer->result.n++] != NULL;
    }
    if (ok) return true;
    sg_answer_clear(answer);
    return sg_fail_memory(err, "sheet");
}

/* --- all groups --- */

typedef struct work {
    const cli_call *call;
    const sg_groups *found;
    const sg_store_info *info;
    int radius;
    int *status;
    size_t shown;       /* groups that still were groups when they were looked at */
    sg_answer *answers; /* (found->n) for the sheet; NULL: none is asked for */
} work;

static bool show(work *w, const sg_group *group, sg_error *err)
{
    const dedupe_options *o = w->call->options;
    if (group->n < 2) return true;
    for (size_t i = 0; i < group->n; i++) {
        const sg_copy *copy = &group->copies[i];
        if (copy->state != SG_COPY_CHANGED && copy->state != SG_COPY_LOST) continue;
        cli_warn("skipped: %s", copy->why.message);
        *w->status = 1;
    }
    if (w->answers && !make_answer(&w->answers[w->shown], group, w->info, err)) return false;
    w->shown++;
    if (o->others) {
        print_others(group, o->zero);
    } else if (o->json) {
        return print_json(group, w->shown, w->radius, err);
    } else {
        if (w->shown > 1) putchar('\n');
        print_text(group);
    }
    return cli_stdout_check(err);
}

static bool show_all(work *w, sg_store *store, sg_progress *progress, sg_error *err)
{
    sg_group groups[LOOK_GROUPS];
    bool ok = true;
    size_t count;
    for (size_t first = 0; ok && first < w->found->n; first += count) {
        count = w->found->n - first < LOOK_GROUPS ? w->found->n - first : LOOK_GROUPS;
        ok = sg_groups_look(groups, first, count, w->found, store, (uint64_t)w->call->common.max_pixels, err);
        if (ok) sg_progress_end(progress);
        for (size_t g = 0; g < count; g++) {
            ok = ok && show(w, &groups[g], err);
            sg_group_clear(&groups[g]);
        }
        if (ok) sg_progress_update(progress, first + count, NULL);
    }
    return ok;
}

static bool show_groups(work *w, sg_index *index, sg_error *err)
{
    const dedupe_options *o = w->call->options;
    sg_progress progress;
    if (o->html && !(w->answers = sg_calloc(w->found->n, sizeof *w->answers)))
        return sg_fail_memory(err, "sheet");
    sg_progress_init(&progress, cli_log(w->call), "look", "groups", w->found->n);
    bool ok = show_all(w, sg_index_store(index), &progress, err);
    sg_progress_end(&progress);
    if (ok && o->html) {
        ok = sg_groups_html(o->html, w->answers, w->shown, (uint64_t)w->call->common.max_pixels, err);
        if (ok) cli_remark(w->call, "contact sheet: %s", o->html);
    }
    for (size_t i = 0; w->answers && i < w->shown; i++) sg_answer_clear(&w->answers[i]);
    sg_free(w->answers);
    return ok;
}

static bool run_search(const cli_call *call, int *status, sg_error *err)
{
    sg_index *index;
    sg_groups found;
    work w = {.call = call, .found = &found, .status = status};
    if (!sg_index_open(&index, call->args[0], SG_INDEX_STORE, false, err)) return false;
    w.info = sg_index_info(index);
    sg_store *store = sg_index_store(index);
    bool ok = choose_radius(&w.radius, store, call, err);
    if (ok) {
        sg_progress progress;
        sg_progress_init(&progress, cli_log(call), "search", "codes", 0);
        ok = sg_groups_find(&found, store, w.radius, &progress, err);
        sg_progress_end(&progress);
    }
    if (ok) {
        ok = show_groups(&w, index, err);
        if (ok) cli_remark(call, "%zu groups of %zu pictures", w.shown, found.nitems);
        sg_groups_clear(&found);
    }
    sg_index_close(index);
    return ok;
}

static bool run(const cli_call *call, int *status, sg_error *err)
{
    const dedupe_options *o = call->options;
    if (!cli_need_args(call, 1, 1, "INDEX", err)) return false;
    const bool radius = cli_given(call, "radius"), rate = cli_given(call, "fmr");
    if (o->dry_run && o->keep_apart.n == 0 && o->forget.n == 0)
        return sg_fail(err, SG_ERR_USAGE, "--dry-run goes with --keep-apart and --forget");
    if (o->show_apart || o->keep_apart.n > 0 || o->forget.n > 0) {
        if (radius || rate || o->html || o->others || o->zero)
            return sg_fail(err, SG_ERR_USAGE, "--keep-apart, --forget and --show-apart go with --json alone");
        return run_pairs(call, err);
    }
    if (radius && rate) return sg_fail(err, SG_ERR_USAGE, "--radius and --fmr: one of them");
    if (o->json && o->others) return sg_fail(err, SG_ERR_USAGE, "--json and --print-others: one of them");
    if (o->zero && !o->others) return sg_fail(err, SG_ERR_USAGE, "-0 goes with --print-others");
    return cli_need_outside(o->html, call->args[0], err) && run_search(call, status, err);
}

#define AT(member) offsetof(dedupe_options, member)
static const cli_option options[] = {
    {"radius", 0, CLI_COUNT, AT(radius), "R",
     "codes at Hamming distance R or less are duplicates; 0: equal codes (default: by --fmr)", 0,
     SG_BITS_MAX},
    {"fmr", 0, CLI_REAL, AT(rate), "P",
     "the largest radius within which the share of unrelated pairs is at most P, by the index's "
     "own\n" CLI_HELP_INDENT "distances: signet index histogram shows them (default: 0.01 / pictures, so "
     "that one picture in a\n" CLI_HELP_INDENT "hundred is expected to have an unrelated one within it)",
     0, 1},
    {"json", 0, CLI_FLAG, AT(json), NULL, "one JSON object a group", 0, 0},
    {"html", 0, CLI_TEXT, AT(html), "FILE", "a contact sheet: each group beside the picture to keep", 0, 0},
    {"print-others", 0, CLI_FLAG, AT(others), NULL,
     "only the paths of those that need not be kept: pictures that were read, equal to the one of "
     "their\n" CLI_HELP_INDENT "group that is kept, or within the radius of it, but no links to its file",
     0, 0},
    {"zero", '0', CLI_FLAG, AT(zero), NULL, "with --print-others: end each path by NUL", 0, 0},
    {"keep-apart", 0, CLI_PATHS, AT(keep_apart), "ID,ID,...",
     "these are no duplicates of each other: remembered, and nothing else is done; may be repeated", 0, 0},
    {"forget", 0, CLI_PATHS, AT(forget), "ID,ID,...", "take that back", 0, 0},
    {"dry-run", 0, CLI_FLAG, AT(dry_run), NULL, "of these two: only say whether it can be done", 0, 0},
    {"show-apart", 0, CLI_FLAG, AT(show_apart), NULL, "the pairs that are kept apart", 0, 0},
};

const cli_command cmd_index_dedupe = {
    .name = "index dedupe",
    .summary = "groups of equal and nearly equal pictures, and which of each to keep; deletes nothing",
    .usage = "INDEX [--radius R | --fmr P] [--json] [--html FILE] [--print-others [-0]]",
    .examples = "index dedupe PHOTOS.index\n"
                "index dedupe PHOTOS.index --radius 2 --html twins.html\n"
                "index dedupe PHOTOS.index --keep-apart 17,1290\n"
                "index dedupe PHOTOS.index --print-others -0 | xargs -0 mv --backup=numbered -t ~/twins",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(dedupe_options),
    .defaults = set_defaults,
    .run = run,
};
