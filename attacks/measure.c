/* How far an image was changed. */
#include "attack_impl.h"

#include <math.h>

void sg_attack_measure(sg_attack_result *result, const uint8_t *clean, const uint8_t *changed, size_t n)
{
    uint64_t squares = 0;
    int most = 0;
    for (size_t i = 0; i < n; i++) {
        int d = abs(changed[i] - clean[i]);
        most = d > most ? d : most;
        squares += (uint64_t)(d * d);
    }
    result->linf = most / 255.0;
    result->l2 = sqrt((double)squares) / 255;
    result->psnr = squares == 0 ? INFINITY : 10 * log10(255.0 * 255.0 * (double)n / (double)squares);
}
