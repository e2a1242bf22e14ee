#include "faiss_compat_impl.h"

#include <cstdio>
#include <exception>
#include <faiss/IndexBinaryFlat.h>
#include <faiss/index_factory.h>
#include <memory>

void *sg_faiss_binary_new(size_t nbits, const char *description, size_t n, char *why, size_t size)
{
    try {
        std::unique_ptr<faiss::IndexBinary> index(
            faiss::index_binary_factory(static_cast<int>(nbits), description));
        if (auto flat = dynamic_cast<faiss::IndexBinaryFlat *>(index.get())) flat->xb.reserve(n * nbits / 8);
        return index.release();
    } catch (const std::exception &e) {
        std::snprintf(why, size, "%s", e.what());
    } catch (...) {
        std::snprintf(why, size, "unknown exception");
    }
    return nullptr;
}
