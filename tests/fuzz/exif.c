#include "datasets/codec_impl.h"
#include "fuzz.h"

void fuzz_exif(const uint8_t *bytes, size_t nbytes)
{
    int orientation;
    SG_ASSERT(sg_exif_orientation(&orientation, bytes, nbytes, NULL));
    SG_ASSERT(orientation >= 1 && orientation <= 8);
}
