#include "encoder/pickle_impl.h"
#include "fuzz.h"

void fuzz_pickle(const uint8_t *bytes, size_t nbytes)
{
    sg_pickle pickle;
    if (sg_pickle_read(&pickle, bytes, nbytes, 0, NULL)) {
        SG_ASSERT(pickle.root < pickle.n && pickle.end <= nbytes);
        sg_pickle_get(&pickle, sg_pickle_at(&pickle, pickle.root), "state_dict");
    }
    sg_pickle_clear(&pickle);
}
