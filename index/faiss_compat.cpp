#include "faiss_compat_impl.h"

#include <cstdio>
#include <exception>
#include <faiss/IndexBinaryFlat.h>
#include <faiss/index_factory.h>
#include <functional>
#include <memory>
#include <sys/mman.h>

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
