/* How far apart the pictures of a collection are: the distances of its pairs, and the radius for a rate of false matches. */
#ifndef SIGNET_HISTOGRAM_H
#define SIGNET_HISTOGRAM_H

#include <signet/store.h>

#define SG_HISTOGRAM_PAIRS 100000000 /* enough for rates of 3e-7; a fraction of a second */
/* An event must have been seen so often that its rate is known within a third, at 90 % confidence (the "rule of 30"
 * of Doddington et al. 2000, "The NIST speaker recognition evaluation"). */
#define SG_HISTOGRAM_SEEN    30
#define SG_HISTOGRAM_RELATED 10 /* pictures that one is related with, on average, at most */

typedef struct sg_histogram {
    size_t nbits;
    uint64_t counts[SG_BITS_MAX + 1]; /* pairs at each distance */
    uint64_t npairs;
    uint64_t nitems;     /* of the collection */
    uint64_t nsampled;   /* whose pairs these are */
    uint64_t nleft_out;  /* exact duplicates of those, not counted */
    uint64_t generation; /* of the store */
} sg_histogram;

/* All pairs of the n codes. */
bool sg_histogram_count(sg_histogram *histogram, const uint8_t *codes, size_t n, size_t nbits, sg_error *err);
/* All pairs of the collection when they are at most npairs, else all pairs of so many of its pictures, drawn by seed, that
 * there are about npairs. Files of equal content count once: they are related for certain. Pictures of equal codes but other
 * content stay: with crowded codes they are the very false matches that a rate is to tell. */
bool sg_histogram_make(sg_histogram *histogram, sg_store *store, uint64_t npairs, uint64_t seed,
                       sg_error *err);
/* Of the distances; deviation: the standard one. 0 without pairs. */
void sg_histogram_moments(double *mean, double *deviation, const sg_histogram *histogram);

/* The false match rate: the chance that two unrelated pictures are within a distance.
 *
 * What a collection shows is pairs of both kinds. Unrelated ones get rarer the nearer they are, from the fullest distance
 * (not below the median) down to 0; what grows again toward 0 is related pictures (copies, series). So the count of
 * unrelated pairs at a distance is at most the smallest count from there up to the fullest distance, and this bound is
 * taken for it: the rate is told too high rather than too low. But related pictures are few. Where that would take more than
 * SG_HISTOGRAM_RELATED a picture for related (codes that crowd by classes), all pairs are taken for unrelated.
 * Where fewer than SG_HISTOGRAM_SEEN pairs lie within a distance, the rate is continued downwards by the
 * ratio a bit that it has between there and ten times as many. A rate whose logarithm bends downwards (such are binomial and
 * normal distances) falls faster than that: it is told too high again.
 * rates (nbits + 1): of each distance, ascending. *first: the first distance that is measured, not continued. Too few
 * pairs to tell anything (ten times SG_HISTOGRAM_SEEN up to the fullest distance): SG_ERR_LIMIT. */
bool sg_histogram_rates(double *rates, size_t *first, const sg_histogram *histogram, sg_error *err);
/* The largest distance whose rate is at most `rate`; -1: even equal codes are too frequent. */
bool sg_histogram_radius(int *radius, const sg_histogram *histogram, double rate, sg_error *err);
/* The smallest rate that so many pairs show; what is below it is continued. */
double sg_histogram_smallest(const sg_histogram *histogram);
/* Of a collection, by SG_HISTOGRAM_PAIRS pairs and seed 0. *measured: the pairs show such a rate. */
bool sg_radius_for_rate(int *radius, bool *measured, sg_store *store, double rate, sg_error *err);

#endif
