/* signet query: the nearest pictures of an index. */
#include "commands.h"

#include <signet/mem.h>
#include <signet/query.h>

typedef struct query_options {
    int64_t k, radius;
    bool json;
    const char *html;
} query_options;

static void set_defaults(void *options)
{
    *(query_options *)options = (query_options){.k = -1, .radius = -1};
}

static bool print_answer(const sg_answer *answer, const sg_index *index, const query_options *o, bool several,
                         sg_error *err)
{
    if (o->json) return sg_answer_json(stdout, answer, index, err);
    if (several) {
        cli_print_text(answer->query);
        putchar('\n');
    }
    return sg_answer_text(stdout, answer, err);
}

/* Answers every picture; a broken one is skipped with its reason. */
static bool answer_all(sg_answer *answers, size_t *n, sg_index *index, const cli_call *call, int *status,
                       sg_error *err)
{
    const query_options *o = call->options;
    sg_searcher *searcher;
    size_t k = o->k >= 0 ? (size_t)o->k : o->radius >= 0 ? 0 : 10;
    if (!sg_searcher_new(&searcher, index, err)) return false;
    bool ok = true;
    for (size_t i = 1; ok && i < call->nargs; i++) {
        sg_error why;
        if (!sg_searcher_image(&answers[*n], searcher, call->args[i], k, (int)o->radius, &why)) {
            ok = cli_skip(status, &why, call->nargs == 2, err);
            continue;
        }
        ok = print_answer(&answers[(*n)++], index, o, call->nargs > 2, err);
    }
    sg_searcher_free(searcher);
    return ok;
}

static bool run(const cli_call *call, int *status, sg_error *err)
{
    const query_options *o = call->options;
    sg_index *index;
    size_t n = 0;
    if (!cli_need_args(call, 2, SIZE_MAX, "INDEX and IMAGE", err)) return false;
    if (o->k == 0) return sg_fail(err, SG_ERR_USAGE, "-k must be at least 1");
    if (!sg_index_open(&index, call->args[0], SG_INDEX_ENCODE, false, err)) return false;
    sg_index_set_max_pixels(index, (uint64_t)call->common.max_pixels);
    if (*sg_index_recipe_difference(index))
        cli_remark(call, "other codes than recorded are possible here: %s",
                   sg_index_recipe_difference(index));
    sg_answer *answers = sg_calloc(call->nargs, sizeof *answers);
    bool ok = answers ? answer_all(answers, &n, index, call, status, err) : sg_fail_memory(err, "answers");
    if (ok && o->html) ok = sg_answers_html(o->html, answers, n, index, err);
    if (ok && o->html) cli_remark(call, "contact sheet: %s", o->html);
    for (size_t i = 0; i < n; i++) sg_answer_clear(&answers[i]);
    sg_free(answers);
    sg_index_close(index);
    return ok;
}

#define AT(member) offsetof(query_options, member)
static const cli_option options[] = {
    {"count", 'k', CLI_COUNT, AT(k), "N", "how many (default: 10; all with --radius)", 1, 1e9},
    {"radius", 0, CLI_COUNT, AT(radius), "R", "only those at Hamming distance R or less", 0, 1024},
    {"json", 0, CLI_FLAG, AT(json), NULL, "one JSON object a picture", 0, 0},
    {"html", 0, CLI_TEXT, AT(html), "FILE", "a contact sheet with the pictures", 0, 0},
};

const cli_command cmd_query = {
    .name = "query",
    .summary = "the nearest pictures: distance, id, path",
    .usage = "INDEX IMAGE... [-k N] [--radius R] [--json] [--html FILE]",
    .examples = "query PHOTOS.index holiday.jpg\n"
                "query PHOTOS.index --radius 4 --json holiday.jpg\n"
                "query PHOTOS.index -k 20 --html sheet.html a.jpg b.jpg",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(query_options),
    .defaults = set_defaults,
    .run = run,
};
