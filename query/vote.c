#include <signet/vote.h>

#include <signet/attributes.h>
#include <signet/interrupt.h>
#include <signet/mem.h>
#include <signet/random.h>
#include <signet/search.h>
#include <stdlib.h>
#include <string.h>

/* Labels by name: each is kept once. */
typedef struct label_table {
    char **names; /* owned, (n) */
    size_t n, cap;
    uint32_t
        *slots; /* (nslots, a power of two) number + 1 of a label, 0: free; at most half of them are taken */
    size_t nslots;
} label_table;

struct sg_voter {
    size_t code_nbytes, n;
    size_t codes_cap, ids_cap, ends_cap, labels_cap, nlabels;
    uint8_t *codes; /* (n, code_nbytes) until the search has its own */
    uint64_t *ids;  /* (n) ascending */
    size_t *ends;   /* (n): where in labels those of an item end */
    uint32_t *labels;
    label_table table;
    sg_search *search;
};

static void place(label_table *t, uint32_t number)
{
    size_t at = sg_name_hash(t->names[number]) & (t->nslots - 1);
    while (t->slots[at] != 0) at = (at + 1) & (t->nslots - 1);
    t->slots[at] = number + 1;
}

static bool make_room(label_table *t)
{
    if (2 * (t->n + 1) <= t->nslots) return true;
    size_t nslots = t->nslots ? 2 * t->nslots : 64;
    uint32_t *slots = sg_calloc(nslots, sizeof *slots);
    if (!slots) return false;
    sg_free(t->slots);
    t->slots = slots;
    t->nslots = nslots;
    for (size_t i = 0; i < t->n; i++) place(t, (uint32_t)i);
    return true;
}

static bool number_of(uint32_t *number, label_table *t, const char *name)
{
    if (!make_room(t)) return false;
    for (size_t at = sg_name_hash(name) & (t->nslots - 1); t->slots[at]; at = (at + 1) & (t->nslots - 1)) {
        *number = t->slots[at] - 1;
        if (strcmp(t->names[*number], name) == 0) return true;
    }
    if (!sg_grow(&t->names, &t->cap, t->n + 1, sizeof *t->names)) return false;
    if (!(t->names[t->n] = sg_strdup(name))) return false;
    *number = (uint32_t)t->n++;
    place(t, *number);
    return true;
}

static bool take_label(sg_voter *v, const char *name)
{
    return sg_grow(&v->labels, &v->labels_cap, v->nlabels + 1, sizeof *v->labels) &&
           number_of(&v->labels[v->nlabels], &v->table, name) && ++v->nlabels;
}

static bool take_voter(sg_voter *v, const sg_item *item)
{
    if (!sg_grow(&v->codes, &v->codes_cap, v->n + 1, v->code_nbytes) ||
        !sg_grow(&v->ids, &v->ids_cap, v->n + 1, sizeof *v->ids) ||
        !sg_grow(&v->ends, &v->ends_cap, v->n + 1, sizeof *v->ends))
        return false;
    memcpy(v->codes + v->n * v->code_nbytes, item->code, v->code_nbytes);
    v->ids[v->n] = item->id;
    v->ends[v->n++] = v->nlabels;
    return true;
}

static bool take_item(void *context, const sg_item *item, sg_error *err)
{
    sg_voter *v = context;
    const char *key, *value;
    const size_t before = v->nlabels;
    for (size_t at = 0; sg_attributes_next(&key, &value, item->attributes, item->attributes_nbytes, &at);)
        if (strcmp(key, "label") == 0 && !take_label(v, value)) return sg_fail_memory(err, "labels");
    if (v->nlabels > before && !take_voter(v, item)) return sg_fail_memory(err, "labels");
    return sg_interrupt_check(err);
}

bool sg_voter_new(sg_voter **out, sg_store *store, sg_error *err)
{
    sg_store_info info;
    *out = NULL;
    if (!sg_store_info_get(&info, store, err)) return false;
    const size_t nbits = info.nbits;
    sg_store_info_clear(&info);
    sg_voter *v = sg_calloc(1, sizeof *v);
    if (!v) return sg_fail_memory(err, "labels");
    v->code_nbytes = nbits / 8;
    bool ok = sg_store_each(store, take_item, v, err);
    if (ok && v->n == 0) ok = sg_fail(err, SG_ERR_NOT_FOUND, "no picture of the index has a label");
    ok = ok && sg_search_new(&v->search, "flat", NULL, nbits, v->codes, v->ids, v->n, err);
    sg_free(v->codes);
    v->codes = NULL;
    if (ok)
        *out = v;
    else
        sg_voter_free(v);
    return ok;
}

void sg_voter_free(sg_voter *v)
{
    if (!v) return;
    for (size_t i = 0; i < v->table.n; i++) sg_free(v->table.names[i]);
    sg_free(v->table.names);
    sg_free(v->table.slots);
    sg_search_free(v->search);
    sg_free(v->codes);
    sg_free(v->ids);
    sg_free(v->ends);
    sg_free(v->labels);
    sg_free(v);
}

size_t sg_voter_size(const sg_voter *voter)
{
    return voter->n;
}

/* --- voting --- */

static bool find_voters(sg_search_result *found, const sg_voter *v, const uint8_t *code, size_t k,
                        sg_error *err)
{
    const sg_search_ask nearest = {.k = k, .radius = -1};
    if (!sg_search_run(found, v->search, code, 1, &nearest, err)) return false;
    if (found->complete) return true;
    const sg_search_ask all = {.radius = (int)found->hits[found->n - 1].distance};
    sg_search_result_clear(found);
    return sg_search_run(found, v->search, code, 1, &all, err);
}

static size_t position_of(const sg_voter *v, uint64_t id)
{
    size_t low = 0, high = v->n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (v->ids[middle] <= id)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int compare_votes(const void *a, const void *b)
{
    const sg_vote *x = a, *y = b;
    if (x->count != y->count) return x->count > y->count ? -1 : 1;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return strcmp(x->label, y->label);
}

/* counts (labels), zero at first. Voters come by (distance, id): the first of a label is its nearest. */
static void count_votes(sg_vote *counts, const sg_voter *v, const sg_search_result *found)
{
    for (size_t i = 0; i < found->n; i++) {
        const sg_hit *hit = &found->hits[i];
        const size_t position = position_of(v, hit->id);
        for (size_t l = position > 0 ? v->ends[position - 1] : 0; l < v->ends[position]; l++) {
            sg_vote *vote = &counts[v->labels[l]];
            if (vote->count++ > 0) continue;
            vote->label = v->table.names[v->labels[l]];
            vote->distance = hit->distance;
            vote->id = hit->id;
        }
    }
}

bool sg_voter_ask(sg_votes *votes, const sg_voter *v, const uint8_t *code, size_t k, sg_error *err)
{
    sg_search_result found;
    *votes = (sg_votes){.n = 0};
    if (k == 0) return sg_fail(err, SG_ERR_USAGE, "a vote needs one voter at least");
    if (!find_voters(&found, v, code, k, err)) return false;
    votes->items = sg_calloc(v->table.n, sizeof *votes->items);
    if (votes->items) {
        count_votes(votes->items, v, &found);
        for (size_t i = 0; i < v->table.n; i++)
            if (votes->items[i].count > 0) votes->items[votes->n++] = votes->items[i];
        for (size_t i = 0; i < votes->n; i++)
            votes->items[i].share = (double)votes->items[i].count / (double)found.n;
        qsort(votes->items, votes->n, sizeof *votes->items, compare_votes);
        votes->nvoters = found.n;
    }
    sg_search_result_clear(&found);
    return votes->items ? true : sg_fail_memory(err, "votes");
}

void sg_votes_clear(sg_votes *votes)
{
    sg_free(votes->items);
    *votes = (sg_votes){.n = 0};
}
