/* The processor and its threads. */
#ifndef SIGNET_CPU_H
#define SIGNET_CPU_H

#include <stdbool.h>

typedef struct sg_cpu {
    bool popcnt, avx2, fma, avx512, avx512_bf16, avx512_vnni, avx512_vpopcntdq; /* usable: processor and OS */
} sg_cpu;

/* What this processor can do (asked once; immutable afterwards). */
const sg_cpu *sg_cpu_features(void);
/* "avx2 fma avx512 avx512_bf16 ..." ; static text. */
const char *sg_cpu_text(void);

/* Cores this process may run on (affinity respected), at least 1. */
int sg_cpu_count(void);

/* Threads that the next parallel region will use (OpenMP), and setting it for the process. 0 = all cores. */
int sg_threads(void);
void sg_threads_set(int n);

/* Flushes denormals to zero in the calling thread / in every thread of the OpenMP pool. */
void sg_denormals_flush(void);
void sg_denormals_flush_all(void);

#endif
