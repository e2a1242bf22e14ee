#include <signet/split.h>

#include "dataset_impl.h"
#include "split_impl.h"
#include <signet/buf.h>
#include <signet/file.h>
#include <signet/hash.h>
#include <signet/mem.h>
#include <signet/random.h>
#include <string.h>

/* How many images a part takes of a class, beside a number or SG_SPLIT_ALL. */
#define OWN (-3) /* all of the subset that the data name for it; where they name none, a tenth of the class */

enum {
    APART = 1,  /* the database leaves out training and validation images */
    POOLED = 2, /* all images are one pool, whatever subsets the data name */
    WHOLE = 4,  /* sizes are of the whole set, not of each class */
    WITHIN = 8  /* validation images are some of those that the size of train counts */
};

typedef struct protocol {
    const char *name;
    int64_t query, train, database, val;
    size_t top; /* cut of mAP as the field computes it; 0: none */
    unsigned flags;
} protocol;

/* The registry. */
#define ALL SG_SPLIT_ALL
static const protocol protocols[] = {
    {"cifar10-5000", 100, 500, ALL, 100, 5000, APART | POOLED},
    {"cifar10-5000-in", 100, 500, ALL, OWN, 0, POOLED | WITHIN},
    {"cifar10-all", OWN, ALL, ALL, OWN, 0, 0},
    {"coco", 5000, 10000, ALL, OWN, 5000, WHOLE | WITHIN},
    {"fashion-mnist", 100, 500, ALL, 100, 5000, APART},
    {"flickr25k", 1000, 4000, ALL, OWN, 0, APART | WHOLE | WITHIN},
    {"folder", OWN, ALL, ALL, OWN, 5000, 0},
    {"full", OWN, ALL, 0, OWN, 5000, APART},
    {"imagenet100", 50, 130, ALL, OWN, 1000, WITHIN},
    {"list", OWN, ALL, ALL, OWN, 5000, 0},
    {"nuswide21", 2100, 10500, ALL, OWN, 5000, WHOLE | WITHIN},
};
#define NPROTOCOLS (sizeof protocols / sizeof *protocols)

/* Part of the name of a random stream: values are fixed for ever. */
enum { DRAW_QUERY = 1, DRAW_TRAIN = 2, DRAW_DATABASE = 3, DRAW_VAL = 4, DRAW_ORDER = 16 };

/* Where each part is drawn from: items with any bit of `with` and no bit of `without`. */
typedef struct pool {
    unsigned with, without; /* with 0: whatever the bits */
} pool;

typedef struct drawer {
    const sg_dataset *ds;
    uint64_t seed;
    protocol p;
    bool whole;                            /* all that have a label, or all, are drawn from as one class */
    bool own_query, own_val, own_database; /* the data name a subset for it */
    pool query, train, database, val;
    uint8_t *taken;           /* (n) SG_SUBSET_ bits of the parts that took the item */
    uint32_t *group, *chosen; /* (n) the items of a class; of one pool of it */
    sg_split *split;
} drawer;

static bool override(int64_t *size, int64_t option, const char *part, sg_error *err)
{
    if (option == SG_SPLIT_DEFAULT) return true;
    if (option < 0 && option != SG_SPLIT_ALL)
        return sg_fail(err, SG_ERR_USAGE, "%lld is no number of %s images", (long long)option, part);
    *size = option;
    return true;
}

static bool fail_unknown(const char *name, sg_error *err)
{
    sg_buf known = SG_BUF_INIT;
    for (size_t i = 0; i < NPROTOCOLS; i++) sg_buf_printf(&known, "%s%s", i ? ", " : "", protocols[i].name);
    sg_fail(err, SG_ERR_USAGE, "no protocol '%s' (%s)", name, sg_buf_text(&known));
    sg_buf_clear(&known);
    return false;
}

/* Images with no class, or with several, are drawn from as one class. */
static bool is_whole(const sg_labels *labels)
{
    return !labels->ids || labels->classes == 0;
}

static bool choose_protocol(drawer *d, const sg_split_options *options, sg_error *err)
{
    const char *name = options->protocol ? options->protocol : sg_dataset_protocol(d->ds);
    size_t i = 0;
    while (i < NPROTOCOLS && strcmp(name, protocols[i].name) != 0) i++;
    if (i == NPROTOCOLS) return fail_unknown(name, err);
    d->p = protocols[i];
    d->whole = is_whole(&d->ds->labels) || d->p.flags & WHOLE;
    return override(&d->p.query, options->query, "query", err) &&
           override(&d->p.train, options->train, "train", err) &&
           override(&d->p.database, options->database, "database", err) &&
           override(&d->p.val, options->val, "val", err);
}

/* The pools follow from the subsets that the data name: what they do not name is drawn from the training images,
 * and these are all that is not kept for something else. */
static void choose_pools(drawer *d)
{
    unsigned seen = 0;
    for (size_t i = 0; i < d->ds->n; i++) seen |= d->ds->subsets[i];
    if (d->p.flags & POOLED) {
        d->query = d->train = d->val = d->database = (pool){seen, 0};
        return;
    }
    d->own_query = seen & SG_SUBSET_QUERY;
    d->own_val = seen & SG_SUBSET_VAL;
    d->own_database = seen & SG_SUBSET_DATABASE;
    d->train = (pool){seen & SG_SUBSET_TRAIN ? SG_SUBSET_TRAIN : seen & SG_SUBSET_DATABASE, 0};
    if (!d->train.with) d->train.without = SG_SUBSET_QUERY | SG_SUBSET_VAL;
    d->query = d->own_query ? (pool){SG_SUBSET_QUERY, 0} : d->train;
    d->val = d->own_val ? (pool){SG_SUBSET_VAL, 0} : d->train;
    d->database = d->own_database ? (pool){SG_SUBSET_DATABASE, 0} : d->train;
}

/* The class's images in the pool that no part named in `free_of` has taken, shuffled by the stream of the class and
 * `draw`, into d->chosen. */
static size_t choose(drawer *d, size_t cls, const uint32_t *group, size_t n, pool from, unsigned free_of,
                     int draw)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned subsets = d->ds->subsets[group[i]];
        if ((from.with && !(subsets & from.with)) || (subsets & from.without)) continue;
        d->chosen[found++] = group[i];
    }
    sg_rng rng = sg_rng_at(d->seed, SG_RNG_SPLIT, cls, (uint64_t)draw);
    sg_rng_shuffle(&rng, d->chosen, found);
    size_t left = 0;
    for (size_t i = 0; i < found; i++)
        if (!(d->taken[d->chosen[i]] & free_of)) d->chosen[left++] = d->chosen[i];
    return left;
}

static bool fail_few(const drawer *d, size_t cls, const char *part, size_t has, int64_t asked, sg_error *err)
{
    if (!d->whole)
        return sg_fail(err, SG_ERR_USAGE,
                       "protocol %s: class '%s' has %zu images left to draw %s from, %lld are asked for",
                       d->p.name, d->ds->classes[cls], has, part, (long long)asked);
    return sg_fail(err, SG_ERR_USAGE,
                   "protocol %s: there are %zu images left to draw %s from, %lld are asked for", d->p.name,
                   has, part, (long long)asked);
}

/* What is kept for measuring, where the data do not say. Without labels there is nothing to measure by. */
static size_t tenth(const drawer *d, size_t n)
{
    if (d->ds->labels.classes == 0) return 0;
    return n < 2 ? 0 : n < 15 ? 1 : (n + 5) / 10;
}

/* The number of images that `size` means of the `has` that there are. */
static bool resolve(size_t *n, const drawer *d, size_t cls, const char *part, int64_t size, bool own,
                    size_t has, sg_error *err)
{
    if (size >= 0) {
        *n = (size_t)size;
        return (uint64_t)size <= has ? true : fail_few(d, cls, part, has, size, err);
    }
    *n = size == OWN && !own ? tenth(d, has) : has;
    return true;
}

/* Validation images: a tenth of the training images by default, from beside a number of them that is asked for (or from
 * among them, where the protocol has it so), else from among all. */
static bool resolve_train_val(size_t *ntrain, size_t *nval, const drawer *d, size_t cls, size_t has,
                              sg_error *err)
{
    const protocol *p = &d->p;
    if (d->own_val) {
        *nval = 0;
        return resolve(ntrain, d, cls, "train", p->train, true, has, err);
    }
    if (p->train >= 0) {
        if (!resolve(ntrain, d, cls, "train", p->train, true, has, err)) return false;
        if (!(p->flags & WITHIN)) {
            has -= *ntrain;
            if (p->val != OWN) return resolve(nval, d, cls, "val", p->val, true, has, err);
            *nval = tenth(d, *ntrain) < has ? tenth(d, *ntrain) : has;
            return true;
        }
        has = *ntrain;
    }
    if (!resolve(nval, d, cls, "val", p->val, false, has, err)) return false;
    *ntrain = has - *nval;
    return true;
}

static void take(drawer *d, uint32_t *list, size_t *n, const uint32_t *items, size_t count, unsigned part)
{
    memcpy(list + *n, items, count * sizeof *items);
    *n += count;
    for (size_t i = 0; i < count; i++) d->taken[items[i]] |= (uint8_t)part;
}

static bool draw_class(drawer *d, size_t cls, const uint32_t *group, size_t n, sg_error *err)
{
    sg_split *s = d->split;
    const protocol *p = &d->p;
    size_t want, nval;
    size_t has = choose(d, cls, group, n, d->query, 0, d->own_query ? DRAW_QUERY : DRAW_TRAIN);
    if (!resolve(&want, d, cls, "query", p->query, d->own_query, has, err)) return false;
    take(d, s->query, &s->nquery, d->chosen, want, SG_SUBSET_QUERY);

    /* Queries that were drawn are gone for the other parts; those that the data name stay where the data put them. */
    unsigned gone = d->own_query ? 0 : SG_SUBSET_QUERY;
    if (d->own_val) {
        has = choose(d, cls, group, n, d->val, gone, DRAW_VAL);
        if (!resolve(&want, d, cls, "val", p->val, true, has, err)) return false;
        take(d, s->val, &s->nval, d->chosen, want, SG_SUBSET_VAL);
    }
    has = choose(d, cls, group, n, d->train, gone, DRAW_TRAIN);
    if (!resolve_train_val(&want, &nval, d, cls, has, err)) return false;
    take(d, s->train, &s->ntrain, d->chosen, want, SG_SUBSET_TRAIN);
    take(d, s->val, &s->nval, d->chosen + want, nval, SG_SUBSET_VAL);

    if (p->flags & APART) gone |= SG_SUBSET_TRAIN | SG_SUBSET_VAL;
    has = choose(d, cls, group, n, d->database, gone, d->own_database ? DRAW_DATABASE : DRAW_TRAIN);
    if (!resolve(&want, d, cls, "database", p->database, true, has, err)) return false;
    take(d, s->database, &s->ndatabase, d->chosen, want, SG_SUBSET_DATABASE);
    return true;
}

/* Images without a class in a set of classes can be no query and no training image; they belong to a whole database
 * all the same. */
static void draw_strays(drawer *d, const uint32_t *group, size_t n)
{
    if (d->p.database != SG_SPLIT_ALL) return;
    size_t has = choose(d, d->ds->labels.classes, group, n, d->database, 0, DRAW_DATABASE);
    take(d, d->split->database, &d->split->ndatabase, d->chosen, has, SG_SUBSET_DATABASE);
}

/* The class that an item is drawn from; the one after the last for items without, in a set of classes. */
static size_t group_of(const drawer *d, size_t i, size_t nclasses)
{
    const sg_labels *labels = &d->ds->labels;
    if (is_whole(labels)) return 0;
    return labels->ids[i] < 0 ? nclasses : d->whole ? 0 : (size_t)labels->ids[i];
}

/* Calls draw_class on the images of each class. */
static bool draw_classes(drawer *d, sg_error *err)
{
    size_t n = d->ds->n, nclasses = d->whole ? 1 : d->ds->labels.classes;
    size_t *ends = sg_calloc(nclasses + 2, sizeof *ends);
    if (!ends) return sg_fail_memory(err, "split");
    for (size_t i = 0; i < n; i++) ends[group_of(d, i, nclasses) + 1]++;
    for (size_t g = 0; g <= nclasses; g++) ends[g + 1] += ends[g];
    for (size_t i = 0; i < n; i++) d->group[ends[group_of(d, i, nclasses)]++] = (uint32_t)i;
    bool ok = true;
    size_t start = 0;
    for (size_t g = 0; ok && g < nclasses; start = ends[g++])
        ok = draw_class(d, g, d->group + start, ends[g] - start, err);
    if (ok) draw_strays(d, d->group + start, ends[nclasses] - start);
    sg_free(ends);
    return ok;
}

static void shuffle_part(drawer *d, uint32_t *items, size_t n, int draw)
{
    sg_rng rng = sg_rng_at(d->seed, SG_RNG_SPLIT, UINT64_MAX, (uint64_t)(DRAW_ORDER + draw));
    sg_rng_shuffle(&rng, items, n);
}

static void hash_part(sg_blake2b *hash, const sg_dataset *ds, const char *part, const uint32_t *items,
                      size_t n)
{
    char head[64];
    int length = snprintf(head, sizeof head, "%s %zu", part, n);
    sg_blake2b_update(hash, head, (size_t)length + 1);
    for (size_t i = 0; i < n; i++)
        sg_blake2b_update(hash, ds->names[items[i]], strlen(ds->names[items[i]]) + 1);
}

bool sg_split_set_checksum(sg_split *s, const sg_dataset *ds, sg_error *err)
{
    uint8_t digest[16];
    sg_blake2b *hash = sg_blake2b_new(sizeof digest);
    if (!hash) return sg_fail_memory(err, "split");
    hash_part(hash, ds, "query", s->query, s->nquery);
    hash_part(hash, ds, "train", s->train, s->ntrain);
    hash_part(hash, ds, "database", s->database, s->ndatabase);
    hash_part(hash, ds, "val", s->val, s->nval);
    sg_blake2b_final(hash, digest);
    sg_hex(s->checksum, digest, sizeof digest);
    return true;
}

static bool draw_split(drawer *d, sg_error *err)
{
    sg_split *s = d->split;
    size_t n = d->ds->n;
    s->query = sg_alloc(n, sizeof *s->query);
    s->train = sg_alloc(n, sizeof *s->train);
    s->database = sg_alloc(n, sizeof *s->database);
    s->val = sg_alloc(n, sizeof *s->val);
    if (!s->query || !s->train || !s->database || !s->val) return sg_fail_memory(err, "split");
    if (!draw_classes(d, err)) return false;
    shuffle_part(d, s->query, s->nquery, DRAW_QUERY);
    shuffle_part(d, s->train, s->ntrain, DRAW_TRAIN);
    shuffle_part(d, s->database, s->ndatabase, DRAW_DATABASE);
    shuffle_part(d, s->val, s->nval, DRAW_VAL);
    snprintf(s->protocol, sizeof s->protocol, "%s", d->p.name);
    s->top = d->p.top;
    return sg_split_set_checksum(s, d->ds, err);
}

bool sg_split_make(sg_split *split, const sg_dataset *ds, const sg_split_options *options, sg_error *err)
{
    *split = (sg_split){.seed = options->seed};
    drawer d = {.ds = ds, .seed = options->seed, .split = split};
    if (!choose_protocol(&d, options, err)) return false;
    choose_pools(&d);
    d.taken = sg_calloc(ds->n, 1);
    d.group = sg_alloc(ds->n, sizeof *d.group);
    d.chosen = sg_alloc(ds->n, sizeof *d.chosen);
    bool ok = d.taken && d.group && d.chosen;
    ok = ok ? draw_split(&d, err) : sg_fail_memory(err, "split");
    sg_free(d.chosen);
    sg_free(d.group);
    sg_free(d.taken);
    if (!ok) sg_split_clear(split);
    return ok;
}

void sg_split_clear(sg_split *split)
{
    sg_free(split->query);
    sg_free(split->train);
    sg_free(split->database);
    sg_free(split->val);
    *split = (sg_split){0};
}

bool sg_split_part(const uint32_t **items, size_t *n, const sg_split *split, const char *part, sg_error *err)
{
    const struct {
        const char *name;
        const uint32_t *items;
        size_t n;
    } parts[] = {{"query", split->query, split->nquery},
                 {"train", split->train, split->ntrain},
                 {"database", split->database, split->ndatabase},
                 {"val", split->val, split->nval}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strcmp(part, parts[i].name) != 0) continue;
        *items = parts[i].items;
        *n = parts[i].n;
        return true;
    }
    return sg_fail(err, SG_ERR_USAGE, "no part '%s' of a split (query, train, database, val)", part);
}

/* A name on a line of its own: line feed and backslash are written \n and \\. */
static bool write_name(sg_out *out, const char *part, const char *name, sg_error *err)
{
    if (!sg_out_printf(out, err, "%s ", part)) return false;
    for (const char *at = name; *at;) {
        size_t plain = strcspn(at, "\\\n");
        if (!sg_out_write(out, at, plain, err)) return false;
        at += plain;
        if (*at && !sg_out_write(out, *at++ == '\n' ? "\\n" : "\\\\", 2, err)) return false;
    }
    return sg_out_write(out, "\n", 1, err);
}

bool sg_split_write(const sg_split *split, const sg_dataset *ds, const char *path, sg_error *err)
{
    sg_out *out;
    if (!sg_out_open(&out, path, err)) return false;
    bool ok = sg_out_printf(out, err, "# protocol %s seed %llu checksum %s\n", split->protocol,
                            (unsigned long long)split->seed, split->checksum);
    static const char *const parts[] = {"query", "train", "database", "val"};
    for (size_t k = 0; ok && k < 4; k++) {
        const uint32_t *items;
        size_t n;
        ok = sg_split_part(&items, &n, split, parts[k], err);
        for (size_t i = 0; ok && i < n; i++) ok = write_name(out, parts[k], ds->names[items[i]], err);
    }
    if (ok) return sg_out_commit(out, err);
    sg_out_abort(out);
    return false;
}
