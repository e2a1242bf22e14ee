/* What a picture is, by the vote of the labelled pictures nearest to it. Labels are the attributes "label" of an index's items. */
#ifndef SIGNET_VOTE_H
#define SIGNET_VOTE_H

#include <signet/store.h>

typedef struct sg_voter sg_voter; /* the labelled items of an index, as of one moment */

typedef struct sg_vote {
    const char *label; /* borrows from the voter */
    size_t count;      /* voters that bear it */
    double share;      /* of all voters; with several labels an item the shares add up to more than 1 */
    unsigned distance; /* of the nearest of them */
    uint64_t id;       /* and its id */
} sg_vote;

typedef struct sg_votes {
    sg_vote *items; /* owned; by count, then nearest, then lowest id, then as the labels sort */
    size_t n;
    size_t nvoters;
} sg_votes;

/* Without a labelled item: SG_ERR_NOT_FOUND. */
bool sg_voter_new(sg_voter **voter, sg_store *store, sg_error *err);
void sg_voter_free(sg_voter *voter);
size_t sg_voter_size(const sg_voter *voter); /* labelled items */

/* The k nearest labelled items vote, and all that are as near as the last of them, so that the order of ids decides nothing
 * (codes are often equal). One vote each, whatever the distance. The search is exact. code (nbits / 8). */
bool sg_voter_ask(sg_votes *votes, const sg_voter *voter, const uint8_t *code, size_t k, sg_error *err);
void sg_votes_clear(sg_votes *votes);

#endif
