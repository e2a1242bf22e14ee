/* What a HEIF file would cost to decode, read from its boxes before libheif sees them: libheif 1.15 and its decoders
 * allocate what the coded pictures claim, whatever the file's own sizes say, and follow references in circles. */
#ifndef SIGNET_HEIF_IMPL_H
#define SIGNET_HEIF_IMPL_H

#include "codec_impl.h"

/* A run of bytes that is read from the front. Reading beyond its end gives 0 and leaves it `bad`. */
typedef struct sg_span {
    const unsigned char *at;
    size_t nbytes;
    bool bad;
} sg_span;

uint64_t sg_span_get(sg_span *s, unsigned nbytes); /* big-endian, up to 8 bytes */
sg_span sg_span_take(sg_span *s, uint64_t nbytes);

/* Is the picture that the file names, with all that it is made of, within max_pixels? Damage that libheif finds by
 * itself is left to it. Boxes: ISO/IEC 14496-12 and 23008-12. */
bool sg_heif_check(const unsigned char *bytes, size_t nbytes, uint64_t max_pixels, sg_error *err);

typedef struct sg_coded_size {
    uint32_t width, height; /* the largest of what was seen; 0: none */
} sg_coded_size;

void sg_coded_size_raise(sg_coded_size *size, sg_coded_size seen);
/* Raise *size to what these state: a decoder's configuration record, and an item's data. */
void sg_hevc_config_size(sg_coded_size *size, sg_span config); /* hvcC: ISO/IEC 14496-15, 8.3.3 */
void sg_hevc_data_size(sg_coded_size *size, sg_span data);     /* units, each with its length in 4 bytes */
void sg_av1_data_size(sg_coded_size *size, sg_span data); /* open bitstream units: AV1 specification, 5.3 */

#endif
