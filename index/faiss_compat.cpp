#include "faiss_compat_impl.h"

#include <cstdio>
#include <exception>
#include <faiss/IndexBinaryFlat.h>
#include <faiss/IndexBinaryIVF.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/index_factory.h>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <sys/mman.h>

extern "C" {
#include <signet/interrupt.h>
}

/* What `make` makes, or NULL and the reason that it threw. */
static faiss::IndexBinary *guarded(const std::function<faiss::IndexBinary *()> &make, char *why, size_t size)
{
    try {
        return make();
    } catch (const std::exception &e) {
        std::snprintf(why, size, "%s", e.what());
    } catch (...) {
        std::snprintf(why, size, "unknown exception");
    }
    return nullptr;
}

void *sg_faiss_binary_new(size_t nbits, const char *description, char *why, size_t size)
{
    return guarded([&] { return faiss::index_binary_factory(static_cast<int>(nbits), description); }, why,
                   size);
}

/* Large pages, where the system gives them: fewer faults while it is filled, fewer misses while it is read. */
static void advise_large_pages(uint8_t *bytes, size_t nbytes)
{
    const uintptr_t page = 4096, start = (reinterpret_cast<uintptr_t>(bytes) + page - 1) / page * page,
                    end = (reinterpret_cast<uintptr_t>(bytes) + nbytes) / page * page;
    if (nbytes >= 4u << 20) madvise(reinterpret_cast<void *>(start), end - start, MADV_HUGEPAGE);
}

void *sg_faiss_flat_new(size_t nbits, size_t n, uint8_t **codes, char *why, size_t size)
{
    return guarded(
        [&] {
            auto flat =
                std::make_unique<faiss::IndexBinaryFlat>(static_cast<faiss::IndexBinary::idx_t>(nbits));
            flat->xb.reserve(n * nbits / 8);
            advise_large_pages(flat->xb.data(), n * nbits / 8);
            flat->xb.resize(n * nbits / 8);
            flat->ntotal = static_cast<faiss::IndexBinary::idx_t>(n);
            *codes = flat->xb.data();
            return flat.release();
        },
        why, size);
}

void sg_faiss_binary_free(void *index)
{
    delete static_cast<faiss::IndexBinary *>(index);
}

/* --- IVF --- */

namespace
{

/* FAISS asks for it between the steps of its training, and throws. */
struct interrupt : faiss::InterruptCallback {
    bool want_interrupt() override
    {
        return sg_interrupted();
    }
};

} // namespace

static void heed_interrupts()
{
    static std::once_flag once;
    std::call_once(once, [] { faiss::InterruptCallback::instance = std::make_unique<interrupt>(); });
}

static const faiss::IndexBinaryIVF &ivf_of(const void *index)
{
    return *static_cast<const faiss::IndexBinaryIVF *>(static_cast<const faiss::IndexBinary *>(index));
}

void *sg_faiss_ivf_new(size_t nbits, size_t nlists, size_t nprobes, const uint8_t *centroids, char *why,
                       size_t size)
{
    return guarded(
        [&] {
            heed_interrupts();
            auto quantizer =
                std::make_unique<faiss::IndexBinaryFlat>(static_cast<faiss::IndexBinary::idx_t>(nbits));
            if (centroids) quantizer->add(static_cast<faiss::IndexBinary::idx_t>(nlists), centroids);
            auto ivf = std::make_unique<faiss::IndexBinaryIVF>(quantizer.get(), nbits, nlists);
            quantizer.release();
            ivf->own_fields = true;
            ivf->nprobe = nprobes;
            ivf->is_trained = centroids != nullptr;
            ivf->cp.min_points_per_centroid =
                1; /* no remarks on stderr, and no choice of its own among the codes */
            ivf->cp.max_points_per_centroid = std::numeric_limits<int>::max();
            return ivf.release();
        },
        why, size);
}

bool sg_faiss_ivf_add(void *ivf, size_t n, const uint8_t *codes, const int64_t *numbers, const int64_t *lists,
                      char *why, size_t size)
{
    return guarded(
        [&] {
            auto index = static_cast<faiss::IndexBinaryIVF *>(static_cast<faiss::IndexBinary *>(ivf));
            index->add_core(static_cast<faiss::IndexBinary::idx_t>(n), codes, numbers, lists);
            return index;
        },
        why, size);
}

void sg_faiss_ivf_trim(void *ivf)
{
    try {
        auto lists = dynamic_cast<faiss::ArrayInvertedLists *>(ivf_of(ivf).invlists);
        for (size_t i = 0; lists && i < lists->nlist; i++) {
            lists->codes[i].shrink_to_fit();
            lists->ids[i].shrink_to_fit();
        }
    } catch (...) { /* then they keep it */
    }
}

const uint8_t *sg_faiss_ivf_centroids(const void *ivf)
{
    return static_cast<const faiss::IndexBinaryFlat *>(ivf_of(ivf).quantizer)->xb.data();
}

size_t sg_faiss_ivf_list(const void *ivf, size_t list, const uint8_t **codes, const int64_t **numbers)
{
    const faiss::InvertedLists &lists = *ivf_of(ivf).invlists;
    *codes = lists.get_codes(list);
    *numbers = lists.get_ids(list);
    return lists.list_size(list);
}
