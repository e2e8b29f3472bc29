/* The transforms of Winograd's convolution, on vectors of channels.

   A tile of outputs is A'[(G w G') * (B' d B)]A. F(2x2, 3x3) interpolates at 0, 1, -1 and infinity. F(4x4, 3x3) does at
   0, +-sqrt(2), +-sqrt(1/2) and infinity instead of the usual 0, +-1, +-2: as many operations, and less than half of
   the rounding error, because the values of the transformed inputs and weights spread less. weights.c has G. */

#define ROOT2 1.41421356237309504880f
#define ROOT_HALF 0.70710678118654752440f

/* B': side values `step` apart to side values. */
INLINE void input_line(const int tile, const vec *d, int step, vec *to, int to_step) {
    if (tile == 2) {
        to[0] = d[0] - d[2 * step];
        to[to_step] = d[step] + d[2 * step];
        to[2 * to_step] = d[2 * step] - d[step];
        to[3 * to_step] = d[3 * step] - d[step];
        return;
    }
    vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step], d5 = d[5 * step];
    vec even2 = d4 - 0.5f * d2, odd2 = d3 - 0.5f * d1; /* (x^2 - 1/2), the factor that vanishes at the others */
    vec even_half = d4 - 2.0f * d2, odd_half = d3 - 2.0f * d1;
    to[0] = d0 + d4 - 2.5f * d2;
    to[to_step] = even2 + ROOT2 * odd2;
    to[2 * to_step] = even2 - ROOT2 * odd2;
    to[3 * to_step] = even_half + ROOT_HALF * odd_half;
    to[4 * to_step] = even_half - ROOT_HALF * odd_half;
    to[5 * to_step] = d1 + d5 - 2.5f * d3;
}

/* A': side values to `tile` values. */
INLINE void output_line(const int tile, const vec *m, int step, vec *to, int to_step) {
    if (tile == 2) {
        to[0] = m[0] + m[step] + m[2 * step];
        to[to_step] = m[step] - m[2 * step] + m[3 * step];
        return;
    }
    vec sum2 = m[step] + m[2 * step], difference2 = m[step] - m[2 * step];
    vec sum_half = m[3 * step] + m[4 * step], difference_half = m[3 * step] - m[4 * step];
    to[0] = m[0] + sum2 + sum_half;
    to[to_step] = ROOT2 * difference2 + ROOT_HALF * difference_half;
    to[2 * to_step] = 2.0f * sum2 + 0.5f * sum_half;
    to[3 * to_step] = 2.0f * ROOT2 * difference2 + 0.5f * ROOT_HALF * difference_half + m[5 * step];
}

/* Reflection at the edge. Beyond the one pixel of padding are only values that no stored output depends on. */
INLINE int reflected(int at, int size) {
    if (at < 0) at = -at;
    if (at >= size) at = 2 * size - 2 - at;
    return at < 0 ? 0 : at;
}

INLINE void locate(const lfk_tiles *tiles, int64_t tile, int *image, int *y, int *x) {
    *x = (int)(tile % tiles->tiles_x);
    *y = (int)(tile / tiles->tiles_x % tiles->tiles_y);
    *image = (int)(tile / tiles->tiles_x / tiles->tiles_y);
}

INLINE void input_vector(const int tile, const int type, const int precision, const void *data,
                         const int64_t *offsets, int channel, int part, void *to, int64_t to_stride) {
    const int side = tile + 2;
    vec columns[6 * 6], line[6];
    for (int x = 0; x < side; x++) {
        for (int y = 0; y < side; y++) {
            int64_t at = offsets[y * side + x] + channel;
            line[y] = part ? load_part(type, data, at, part) : load(type, data, at);
        }
        input_line(tile, line, 1, columns + x, side);
    }
    for (int y = 0; y < side; y++) {
        input_line(tile, columns + y * side, 1, line, 1);
        for (int x = 0; x < side; x++) store(precision, to, (y * side + x) * to_stride, line[x]);
    }
}

/* Where the pixels of a tile's square are. */
INLINE void input_offsets(const int tile, const lfk_tiles *tiles, int64_t number, const lfk_map *map,
                          int64_t *offsets) {
    const int side = tile + 2;
    int image, tile_y, tile_x;
    locate(tiles, number, &image, &tile_y, &tile_x);
    for (int y = 0; y < side; y++) {
        int64_t row =
            image * map->batch_stride + reflected(tile_y * tile - 1 + y, tiles->height) * map->row_stride;
        for (int x = 0; x < side; x++)
            offsets[y * side + x] = row + reflected(tile_x * tile - 1 + x, tiles->width) * map->pixel_stride;
    }
}

INLINE void input_tiles(const int tile, const int type, const int precision, const lfk_tiles *tiles,
                        const lfk_map *map, int channels, lfk_matrices to) {
    const int side = tile + 2;
    const size_t size = precision == LFK_BF16 ? 2 : 4;
    const int64_t element = type == LFK_BF16 ? 2 : 4;
    for (int i = 0; i < tiles->count; i++) {
        int64_t offsets[6 * 6], next[6 * 6];
        input_offsets(tile, tiles, tiles->first + i, map, offsets);
        input_offsets(tile, tiles, tiles->first + (i + 1 < tiles->count ? i + 1 : i), map, next);
        char *row = (char *)to.data + i * to.tile_stride * (int64_t)size;
        int channel = 0;
        for (; channel + LANES <= channels; channel += LANES) {
            /* The columns that the next tile does not share with this one, before they are asked for. */
            for (int y = 0; y < side; y++)
                for (int x = 2; x < side; x++)
                    __builtin_prefetch((const char *)map->data + (next[y * side + x] + channel) * element, 0, 3);
            input_vector(tile, type, precision, map->data, offsets, channel, 0, row + (size_t)channel * size,
                         to.position_stride);
        }
        if (channel < channels)
            input_vector(tile, type, precision, map->data, offsets, channel, channels - channel,
                         row + (size_t)channel * size, to.position_stride);
    }
}

static void transform_input(int tile, int precision, const lfk_tiles *tiles, const lfk_map *map, int channels,
                            lfk_matrices to) {
#define CASE(TILE, TYPE, PRECISION)                                        \
    if (tile == TILE && map->type == TYPE && precision == PRECISION) {     \
        input_tiles(TILE, TYPE, PRECISION, tiles, map, channels, to);      \
        return;                                                            \
    }
    CASE(4, LFK_FP32, LFK_FP32)
    CASE(4, LFK_BF16, LFK_FP32)
    CASE(2, LFK_FP32, LFK_FP32)
    CASE(2, LFK_BF16, LFK_FP32)
#ifdef LFK_BF16_INSTRUCTIONS
    CASE(4, LFK_FP32, LFK_BF16)
    CASE(4, LFK_BF16, LFK_BF16)
    CASE(2, LFK_FP32, LFK_BF16)
    CASE(2, LFK_BF16, LFK_BF16)
#endif
#undef CASE
}

/* ReLU; NaN stays. */
INLINE vec larger_of_zero(vec value) { return (vec)((vec_bits)value & ~(vec_bits)(value < (vec){0})); }

/* Ask for the pixels of a tile, before they are read. */
INLINE void fetch_tile(const int tile, const int type, const lfk_tiles *tiles, int64_t number, const lfk_map *map,
                       int first_channel, int channels) {
    const int64_t size = type == LFK_BF16 ? 2 : 4;
    int image, tile_y, tile_x;
    locate(tiles, number, &image, &tile_y, &tile_x);
    for (int y = tile_y * tile; y < tile_y * tile + tile && y < tiles->height; y++) {
        for (int x = tile_x * tile; x < tile_x * tile + tile && x < tiles->width; x++) {
            const char *pixel = (const char *)map->data + (image * map->batch_stride + y * map->row_stride +
                                                           x * map->pixel_stride + first_channel) * size;
            for (int64_t at = 0; at < channels * size; at += 64) __builtin_prefetch(pixel + at, 0, 3);
        }
    }
}

INLINE void output_tiles(const int tile, const int type, const lfk_tiles *tiles, lfk_matrices from,
                         const lfk_output *output, int first_channel, int channels) {
    const int side = tile + 2;
    const lfk_map *out = &output->out, *add = &output->add, *residual = &output->residual;
    for (int i = 0; i < tiles->count; i++) {
        int image, tile_y, tile_x;
        locate(tiles, tiles->first + i, &image, &tile_y, &tile_x);
        if (i + 1 < tiles->count) {
            fetch_tile(tile, type, tiles, tiles->first + i + 1, out, first_channel, channels);
            if (add->data) fetch_tile(tile, type, tiles, tiles->first + i + 1, add, first_channel, channels);
            if (residual->data)
                fetch_tile(tile, type, tiles, tiles->first + i + 1, residual, first_channel, channels);
        }
        const int y0 = tile_y * tile, x0 = tile_x * tile;
        const int rows = tiles->height - y0 < tile ? tiles->height - y0 : tile;
        const int columns = tiles->width - x0 < tile ? tiles->width - x0 : tile;
        for (int channel = 0; channel < channels; channel += LANES) {
            const float *products = (const float *)from.data + i * from.tile_stride + channel;
            const int part = channels - channel < LANES ? channels - channel : 0;
            const vec bias = load_fp32(output->bias + first_channel + channel);
            vec lines[4 * 6], line[6], done[4 * 4];
            for (int x = 0; x < side; x++) {
                for (int y = 0; y < side; y++)
                    line[y] = load_fp32(products + (y * side + x) * from.position_stride);
                output_line(tile, line, 1, lines + x, side);
            }
            for (int y = 0; y < tile; y++) output_line(tile, lines + y * side, 1, done + y * tile, 1);
            for (int y = 0; y < rows; y++) {
                for (int x = 0; x < columns; x++) {
                    vec value = done[y * tile + x] + bias;
#define AT(MAP) \
    (image * (MAP)->batch_stride + (y0 + y) * (MAP)->row_stride + (x0 + x) * (MAP)->pixel_stride + first_channel + channel)
#define READ(MAP) (part ? load_part(type, (MAP)->data, AT(MAP), part) : load(type, (MAP)->data, AT(MAP)))
                    if (add->data) value += READ(add);
                    if (output->relu) value = larger_of_zero(value);
                    if (residual->data) value += READ(residual);
                    if (part)
                        store_part(type, out->data, AT(out), part, value);
                    else
                        store(type, out->data, AT(out), value);
#undef READ
#undef AT
                }
            }
        }
    }
}

static void transform_output(int tile, const lfk_tiles *tiles, lfk_matrices from, const lfk_output *output,
                             int first_channel, int channels) {
    /* What is added has the type of the output. */
#define CASE(TILE, TYPE)                                                                        \
    if (tile == TILE && output->out.type == TYPE) {                                             \
        output_tiles(TILE, TYPE, tiles, from, output, first_channel, channels);                 \
        return;                                                                                 \
    }
    CASE(4, LFK_FP32)
    CASE(4, LFK_BF16)
    CASE(2, LFK_FP32)
    CASE(2, LFK_BF16)
#undef CASE
}
