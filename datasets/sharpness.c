#include <signet/image.h>

double sg_image_sharpness(const sg_image *grey)
{
    const int width = grey->width, height = grey->height;
    int64_t sum = 0, squares = 0; /* 1020^2 times SG_MAX_PIXELS fits */
    if (grey->channels != 1 || width < 3 || height < 3) return 0;
    for (int y = 1; y + 1 < height; y++) {
        const uint8_t *row = grey->pixels + (size_t)y * (size_t)width;
        for (int x = 1; x + 1 < width; x++) {
            int value = row[x - 1] + row[x + 1] + row[x - width] + row[x + width] - 4 * row[x];
            sum += value;
            squares += value * value;
        }
    }
    const double n = (double)(width - 2) * (double)(height - 2), mean = (double)sum / n;
    return (double)squares / n - mean * mean;
}
