/* OpenMP's questions, for builds without its compiler (SIGNET_OPENMP=OFF): gcc's runtime answers them, which the libraries
 * bring with them. */
#ifndef SIGNET_SERIAL_OMP_H
#define SIGNET_SERIAL_OMP_H

#ifdef __cplusplus
extern "C" {
#endif

int omp_get_max_threads(void);
int omp_get_num_procs(void);
int omp_get_num_threads(void);
int omp_get_thread_num(void);
int omp_in_parallel(void);
void omp_set_num_threads(int n);

#ifdef __cplusplus
}
#endif

#endif
