/* signet query: the nearest pictures of an index, asked of the index itself or of a server that keeps it loaded. */
#include "commands.h"
#include "query_inputs.h"

#include <inttypes.h>
#include <signet/hash.h>
#include <signet/histogram.h>
#include <signet/mem.h>
#include <signet/query.h>
#include <signet/serve.h>
#include <string.h>

#define BATCH   64 /* pictures at a time */
#define USUAL_K 10

typedef struct query_options {
    int64_t k, radius, rerank_from;
    double rate;
    bool json, zero, rerank, hidden;
    const char *html, *list, *serve, *socket;
    cli_texts codes, ids, where, labels, exclude;
} query_options;

static void set_defaults(void *options)
{
    *(query_options *)options = (query_options){.k = -1, .radius = -1};
}

/* --- what comes out --- */

/* Answers on their way to standard output, and to the contact sheet. */
typedef struct output {
    const query_options *options;
    size_t nqueries; /* asked for, as far as is known before */
    int *status;
    sg_answer *kept; /* for the sheet */
    size_t nkept, cap;
} output;

/* "id 17", a code, or the path: which of several queries is answered. */
static void print_query(const sg_answer *answer, bool zero)
{
    char hex[SG_BITS_MAX / 4 + 1];
    sg_hex(hex, answer->code, answer->nbits / 8);
    if (zero) fputs("query ", stdout);
    if (answer->query && zero)
        fputs(answer->query, stdout);
    else if (answer->query)
        cli_print_text(answer->query);
    else if (answer->query_id)
        printf("id %" PRIu64, answer->query_id);
    else
        fputs(hex, stdout);
    putchar(zero ? '\0' : '\n');
}

static bool take_answer(void *context, sg_answer *answer, sg_error *err)
{
    output *out = context;
    const query_options *o = out->options;
    if (!o->json && out->nqueries > 1) print_query(answer, o->zero);
    bool ok = o->json ? sg_answer_json(stdout, answer, err) : sg_answer_text(stdout, answer, o->zero, err);
    if (ok && fflush(stdout) != 0) ok = cli_stdout_check(err);
    if (!ok || !o->html) return ok;
    if (!sg_grow(&out->kept, &out->cap, out->nkept + 1, sizeof *out->kept))
        return sg_fail_memory(err, "answers");
    out->kept[out->nkept++] = *answer;
    *answer = (sg_answer){0};
    return true;
}

static bool take_broken(void *context, const sg_error *why, sg_error *err)
{
    output *out = context;
    return cli_skip(out->status, why, out->nqueries == 1, err);
}

static void output_clear(output *out)
{
    for (size_t i = 0; i < out->nkept; i++) sg_answer_clear(&out->kept[i]);
    sg_free(out->kept);
}

/* --- what is asked --- */

static bool parse_where(sg_where *where, const query_options *o, sg_error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < o->where.n; i++)
        ok = sg_where_parse_add(where, o->where.items[i], err) || sg_prefix(err, "--where");
    for (size_t i = 0; ok && i < o->labels.n; i++)
        ok = sg_where_add(where, SG_ATTRIBUTE_LABEL, o->labels.items[i], err);
    if (!ok) sg_where_clear(where);
    return ok;
}

static sg_ask ask_of(const query_options *o, const sg_where *where)
{
    return (sg_ask){.k = o->k >= 0        ? (size_t)o->k
                         : o->radius >= 0 ? 0
                                          : USUAL_K,
                    .radius = (int)o->radius,
                    .where = where && where->n > 0 ? where : NULL,
                    .rerank = o->rerank || o->rerank_from > 0,
                    .rerank_from = (size_t)o->rerank_from};
}

static bool parse_id(uint64_t *id, const char *text, sg_error *err)
{
    int64_t number;
    if (!sg_parse_int(&number, text) || number < 1)
        return sg_fail(err, SG_ERR_USAGE, "--id: \"%s\" is no id", text);
    *id = (uint64_t)number;
    return true;
}

static bool check(const cli_call *call, sg_error *err)
{
    const query_options *o = call->options;
    uint64_t id;
    if (o->rerank_from > 0 && o->k > o->rerank_from)
        return sg_fail(err, SG_ERR_USAGE, "--rerank-from: fewer than -k");
    if (cli_given(call, "fmr") && (o->radius >= 0 || o->socket))
        return sg_fail(err, SG_ERR_USAGE,
                       "--fmr takes the place of --radius, and is told to a server when it starts");
    if (o->serve && o->socket)
        return sg_fail(err, SG_ERR_USAGE, "--serve answers and --socket asks: one of them");
    for (size_t i = 0; i < o->ids.n; i++)
        if (!parse_id(&id, o->ids.items[i], err)) return false;
    return true;
}

/* --- of the index itself --- */

static bool parse_code(uint8_t code[SG_BITS_MAX / 8], const char *hex, size_t nbits, sg_error *err)
{
    if (strlen(hex) == nbits / 4 && sg_unhex(code, nbits / 8, hex)) return true;
    return sg_fail(err, SG_ERR_USAGE, "--code: \"%s\" is not a code of %zu bits in hex digits", hex, nbits);
}

/* Before anything is answered. */
static bool check_codes(const query_options *o, size_t nbits, sg_error *err)
{
    uint8_t code[SG_BITS_MAX / 8];
    for (size_t i = 0; i < o->codes.n; i++)
        if (!parse_code(code, o->codes.items[i], nbits, err)) return false;
    return true;
}

/* Codes, then items, each of the index that is there by then. */
static bool ask_codes(sg_searcher *searcher, const sg_ask *ask, output *out, sg_error *err)
{
    const query_options *o = out->options;
    bool ok = true;
    for (size_t i = 0; ok && i < o->codes.n; i++) {
        uint8_t code[SG_BITS_MAX / 8];
        sg_answer answer = {0};
        ok = sg_searcher_refresh(searcher, err) &&
             parse_code(code, o->codes.items[i], sg_index_info(sg_searcher_index(searcher))->nbits, err) &&
             sg_searcher_code(&answer, searcher, code, ask, err) && take_answer(out, &answer, err);
        sg_answer_clear(&answer);
    }
    for (size_t i = 0; ok && i < o->ids.n; i++) {
        uint64_t id = 0;
        sg_answer answer = {0};
        sg_error why;
        parse_id(&id, o->ids.items[i], NULL);
        ok = sg_searcher_refresh(searcher, &why) && sg_searcher_item(&answer, searcher, id, ask, &why)
                 ? take_answer(out, &answer, err)
                 : take_broken(out, &why, err);
        sg_answer_clear(&answer);
    }
    return ok;
}

static void tell_recipe(const cli_call *call, sg_index *index)
{
    if (*sg_index_recipe_difference(index))
        cli_remark(call, "other codes than recorded are possible here: %s",
                   sg_index_recipe_difference(index));
}

/* --fmr becomes the radius. */
static bool find_radius(const cli_call *call, sg_index *index, sg_error *err)
{
    query_options *o = call->options;
    int radius;
    bool measured;
    if (!cli_given(call, "fmr")) return true;
    if (!sg_radius_for_rate(&radius, &measured, sg_index_store(index), o->rate, err))
        return sg_prefix(err, "--fmr");
    if (radius < 0)
        return sg_fail(err, SG_ERR_NOT_FOUND,
                       "--fmr: nothing is close enough: even equal codes are more frequent");
    cli_remark(call, "radius %d, for a false match rate of %.2g%s", radius, o->rate,
               measured ? "" : " (extrapolated)");
    o->radius = radius;
    return true;
}

static bool ask_index(const cli_call *call, const query_inputs *in, const sg_where *where, output *out,
                      sg_error *err)
{
    const sg_query_visit visit = {take_answer, take_broken, out};
    const query_options *o = call->options;
    sg_searcher *searcher;
    if (!cli_need_outside(o->html, call->args[0], err) ||
        !sg_searcher_open(&searcher, call->args[0], in->n > 0 ? SG_INDEX_ENCODE : SG_INDEX_STORE,
                          in->n < BATCH ? in->n : BATCH, err))
        return false;
    sg_index *index = sg_searcher_index(searcher);
    sg_index_set_max_pixels(index, (uint64_t)call->common.max_pixels);
    tell_recipe(call, index);
    bool ok = check_codes(o, sg_index_info(index)->nbits, err) && find_radius(call, index, err);
    if (ok) {
        const sg_ask ask = ask_of(o, where);
        ok = sg_searcher_files(searcher, in->files, in->n, &ask, &visit, err) &&
             ask_codes(searcher, &ask, out, err);
    }
    sg_searcher_free(searcher);
    return ok;
}

/* --- a server --- */

static void tell(void *context, const char *what)
{
    const cli_call *call = context;
    cli_remark(call, "%s: %s", ((const query_options *)call->options)->serve, what);
}

static bool serve(const cli_call *call, sg_error *err)
{
    const query_options *o = call->options;
    sg_searcher *searcher;
    if (!cli_need_args(call, 1, 1, "INDEX", err)) return false;
    if (o->list || o->codes.n || o->ids.n || o->where.n || o->labels.n || o->html || o->json || o->zero ||
        o->hidden || o->exclude.n)
        return sg_fail(err, SG_ERR_USAGE,
                       "--serve takes -k, --radius, --fmr and --rerank; all else comes with a request");
    if (!sg_searcher_open(&searcher, call->args[0], SG_INDEX_ENCODE, 1, err)) return false;
    sg_index_set_max_pixels(sg_searcher_index(searcher), (uint64_t)call->common.max_pixels);
    tell_recipe(call, sg_searcher_index(searcher));
    bool ok = find_radius(call, sg_searcher_index(searcher), err);
    if (ok) {
        const sg_serve_options options = {.ask = ask_of(o, NULL), .note = tell, .context = (void *)call};
        ok = sg_serve(searcher, o->serve, &options, err);
    }
    sg_searcher_free(searcher);
    return ok;
}

/* A code or an item of a server. */
static bool ask_one(sg_client *client, const sg_request *request, output *out, sg_error *err)
{
    sg_answer answer = {0};
    sg_error why;
    bool ok;
    if (sg_client_ask(&answer, client, request, &why))
        ok = take_answer(out, &answer, err);
    else
        ok = why.code == SG_ERR_FORMAT ? take_broken(out, &why, err)
                                       : sg_fail(err, why.code, "%s", why.message);
    sg_answer_clear(&answer);
    return ok;
}

static bool ask_server(const cli_call *call, const query_inputs *in, const sg_where *where, output *out,
                       sg_error *err)
{
    const query_options *o = call->options;
    const sg_query_visit visit = {take_answer, take_broken, out};
    sg_request r = SG_REQUEST_INIT;
    sg_client *client;
    r.k = o->k;
    r.radius = o->radius;
    r.rerank = o->rerank;
    r.rerank_from = o->rerank_from;
    r.where = *where; /* which stays the caller's */
    if (!sg_client_open(&client, o->socket, err)) return false;
    bool ok = sg_client_files(client, in->files, in->n, &r, &visit, err);
    for (size_t i = 0; ok && i < o->codes.n; i++) {
        r.code = (char *)o->codes.items[i];
        ok = ask_one(client, &r, out, err);
    }
    r.code = NULL;
    for (size_t i = 0; ok && i < o->ids.n; i++)
        ok = sg_parse_int(&r.id, o->ids.items[i]) && ask_one(client, &r, out, err);
    sg_client_close(client);
    return ok;
}

/* --- the whole --- */

static bool run(const cli_call *call, int *status, sg_error *err)
{
    const query_options *o = call->options;
    const size_t skip = o->socket ? 0 : 1; /* INDEX */
    sg_where where = SG_WHERE_INIT;
    query_inputs in = {.n = 0};
    if (!check(call, err)) return false;
    if (o->serve) return serve(call, err);
    bool other = o->list || o->codes.n || o->ids.n;
    if (!cli_need_args(call, skip + !other, SIZE_MAX, o->socket ? "IMAGE" : "INDEX and IMAGE", err))
        return false;
    output out = {.options = o, .status = status};
    const query_input_options from = {o->list, o->zero, o->hidden, &o->exclude};
    bool ok = parse_where(&where, o, err) &&
              query_inputs_gather(&in, call->args + skip, call->nargs - skip, &from, status, err);
    out.nqueries = in.n + o->codes.n + o->ids.n;
    ok = ok &&
         (o->socket ? ask_server(call, &in, &where, &out, err) : ask_index(call, &in, &where, &out, err));
    if (ok && o->html)
        ok = sg_answers_html(o->html, out.kept, out.nkept, (uint64_t)call->common.max_pixels, err);
    if (ok && o->html) cli_remark(call, "contact sheet: %s", o->html);
    output_clear(&out);
    query_inputs_clear(&in);
    sg_where_clear(&where);
    return ok;
}

#define AT(member) offsetof(query_options, member)
#define ON         "\n" CLI_HELP_INDENT
static const cli_option options[] = {
    {"count", 'k', CLI_COUNT, AT(k), "N", "how many (default: 10; all with --radius)", 1, 1e9},
    {"radius", 0, CLI_COUNT, AT(radius), "R", "only those at Hamming distance R or less", 0, 1024},
    {"fmr", 0, CLI_REAL, AT(rate), "P",
     "the largest radius within which the share of unrelated pairs is at most P, by" ON
     "the index's own distances (signet index histogram shows them)",
     0, 1},
    {"where", 0, CLI_PATHS, AT(where), "KEY=VALUE",
     "the nearest of those that have this attribute; KEY!=VALUE: of" ON
     "those that have not; KEY: that have any of it. Several: all hold",
     0, 0},
    {"label", 0, CLI_PATHS, AT(labels), "X", "the same as --where label=X", 0, 0},
    {"rerank", 0, CLI_FLAG, AT(rerank), NULL,
     "put the nearest in order by 1 - cos(z, y): z the query's real outputs," ON
     "y the item's where the index stores them, else its code's signs (the" ON
     "order of the asymmetric distance, -sum z y); then by distance and id",
     0, 0},
    {"rerank-from", 0, CLI_COUNT, AT(rerank_from), "N",
     "of so many nearest by Hamming distance the -k first (default: -k)", 1, 1e9},
    {NULL, 0, CLI_NEW_GROUP, 0, NULL,
     "what is asked for, beside images (- is one on standard input) and folders of them", 0, 0},
    {"list", 0, CLI_TEXT, AT(list), "FILE",
     "images, a path a line (with -0: each ended by NUL); - for standard input", 0, 0},
    {"hidden", 0, CLI_FLAG, AT(hidden), NULL, "hidden files of folders too", 0, 0},
    {"exclude", 0, CLI_PATHS, AT(exclude), "PATTERN",
     "of folders, leave out what is like it, as in index add", 0, 0},
    {"code", 0, CLI_TEXTS, AT(codes), "HEX", "a code, as signet encode prints it", 0, 0},
    {"id", 0, CLI_TEXTS, AT(ids), "N", "more like this item of the index; itself is left out", 0, 0},
    {NULL, 0, CLI_NEW_GROUP, 0, NULL, "output", 0, 0},
    {"json", 0, CLI_FLAG, AT(json), NULL, "one JSON object a query", 0, 0},
    {"html", 0, CLI_TEXT, AT(html), "FILE", "a contact sheet with the pictures", 0, 0},
    {"zero", '0', CLI_FLAG, AT(zero), NULL,
     "a result ends by NUL, and its path's bytes are as they are; of several" ON
     "queries, \"query PATH\" NUL stands before the results. --list's paths end so too",
     0, 0},
    {NULL, 0, CLI_NEW_GROUP, 0, NULL, "a server, which keeps model and codes loaded", 0, 0},
    {"serve", 0, CLI_TEXT, AT(serve), "SOCKET",
     "answer at a Unix socket until SIGTERM or Ctrl-C: a JSON object a line" ON "(docs/formats.md)", 0, 0},
    {"socket", 0, CLI_TEXT, AT(socket), "SOCKET", "ask the server there; INDEX is not given", 0, 0},
};

const cli_command cmd_query = {
    .name = "query",
    .summary = "the nearest pictures: distance, id, path",
    .usage = "INDEX IMAGE... [-k N] [--radius R | --fmr P] [--where KEY=VALUE] [--json] [--html FILE]\n"
             "  signet query INDEX --serve SOCKET\n"
             "  signet query --socket SOCKET IMAGE...",
    .examples = "query PHOTOS.index holiday.jpg\n"
                "query PHOTOS.index --radius 4 --json holiday.jpg\n"
                "query PHOTOS.index -k 20 --html sheet.html a.jpg b.jpg FOLDER\n"
                "query PHOTOS.index --id 17 --label beach\n"
                "query PHOTOS.index --serve /run/user/1000/photos.socket &\n"
                "query --socket /run/user/1000/photos.socket holiday.jpg",
    .options = options,
    .noptions = sizeof options / sizeof *options,
    .options_size = sizeof(query_options),
    .defaults = set_defaults,
    .run = run,
};
