/* The processor and its threads. */
#ifndef SIGNET_CPU_H
#define SIGNET_CPU_H

#include <stdbool.h>

/* A function compiled for several instruction sets, of which the best is chosen when the program starts. Levels, not
 * names of processors: "arch=haswell" would be for Intel's alone. clang 14 gives the chosen function another name than
 * its callers look for, and the choice is made before the thread sanitizer is ready for it. Numbers may differ in their last
 * bits where products are added (fused or not). */
#if defined(__clang__) || defined(__SANITIZE_THREAD__)
#define SG_CLONES
#else
#define SG_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif

typedef struct sg_cpu {
    bool popcnt, avx2, fma, avx512, avx512_bf16, avx512_fp16, avx512_vnni,
        avx512_vpopcntdq; /* usable: processor and OS */
} sg_cpu;

/* What this processor can do (asked once; immutable afterwards). */
const sg_cpu *sg_cpu_features(void);
/* "avx2 fma avx512 avx512_bf16 ..." ; static text. */
const char *sg_cpu_text(void);

/* Cores this process may run on (affinity respected), at least 1. */
int sg_cpu_count(void);

/* Threads that the next parallel region of this thread will use (OpenMP), and setting it. 0 = all cores, with which a
 * thread of one's own begins. */
int sg_threads(void);
void sg_threads_set(int n);

/* Flushes denormals to zero in the calling thread / in every thread of the OpenMP pool. */
void sg_denormals_flush(void);
void sg_denormals_flush_all(void);

#endif
