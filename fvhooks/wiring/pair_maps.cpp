// How strongly each input channel of a convolution speaks for each of its outputs, on one image: the largest
// value over positions of (input channel * kernel), and of these the strongest few for every output. No map is
// ever written: a vector of outputs stays in registers while the positions go by.

#include <cstdint>
#include <cstring>
#include <limits>

#if defined(__AVX__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int LANES = 16, VECTORS = 2;  // 9 taps x 2 vectors of weights and 12 of values fit 32 registers
#elif defined(__AVX__)
constexpr int LANES = 8, VECTORS = 1;   // 9 taps of weights and 6 of values fit 16 registers
#else
constexpr int LANES = 4, VECTORS = 1;
#endif
constexpr int AT_ONCE = 4;  // positions: their sums do not wait for each other

typedef float Vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
typedef int32_t Whole __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(4), may_alias));

namespace {

constexpr float LOWEST = -std::numeric_limits<float>::infinity();

// Not by memcpy: GCC moves it in halves, and whoever then reads the whole waits for them.
inline Vector load(const float* from) { return *(const Vector*)from; }
inline Whole load_whole(const int32_t* from) { return *(const Whole*)from; }
inline void store(float* to, const Vector& values) { *(Vector*)to = values; }
inline void store(int32_t* to, const Whole& values) { *(Whole*)to = values; }

struct Shape {
    int kernel_rows, kernel_columns, row_stride, column_stride, row_step, column_step;
    int rows, columns, width;  // of the output; of a padded row
    int images, apart;         // how many, and how many values lie between one's channel and the next one's
};

// The larger of each two; the second where the first is not a number.
inline Vector larger(Vector one, Vector other) {
#if defined(__AVX512F__)
    return (Vector)_mm512_max_ps((__m512)one, (__m512)other);
#elif defined(__AVX__)
    return (Vector)_mm256_max_ps((__m256)one, (__m256)other);
#else
    return one > other ? one : other;
#endif
}

// The sums of a few positions side by side. Each value that they share is loaded once; each sum takes its taps
// in the same order however many there are.
template <int STRIDE, int POSITIONS>
inline void side_by_side(const float* at, int width, const Vector (&w)[9][VECTORS], Vector (&best)[VECTORS]) {
    Vector sum[POSITIONS][VECTORS];
    for (int p = 0; p < POSITIONS; p++)
        for (int v = 0; v < VECTORS; v++) sum[p][v] = Vector{};
#pragma GCC unroll 3
    for (int y = 0; y < 3; y++)
#pragma GCC unroll 16
        for (int x = 0; x < (POSITIONS - 1) * STRIDE + 3; x++) {
            const Vector value = at[y * width + x] - Vector{};  // plus zero would be computed
#pragma GCC unroll 4
            for (int p = 0; p < POSITIONS; p++)
                if (x - p * STRIDE >= 0 && x - p * STRIDE < 3)
                    for (int v = 0; v < VECTORS; v++) sum[p][v] += w[y * 3 + x - p * STRIDE][v] * value;
        }
    for (int p = 0; p < POSITIONS; p++)
        for (int v = 0; v < VECTORS; v++) best[v] = larger(sum[p][v], best[v]);
}

// 3 x 3 kernels: the weights of a few outputs stay in registers, for all positions of all images.
template <int STRIDE>
void three_by_three(const float* channel, const float* weights, int padded, const Shape& s, float* largest) {
    for (int j = 0; j < padded; j += LANES * VECTORS) {
        Vector w[9][VECTORS], best[VECTORS];
        for (int t = 0; t < 9; t++)
            for (int v = 0; v < VECTORS; v++) w[t][v] = load(weights + t * padded + j + v * LANES);
        for (int n = 0; n < s.images; n++) {
            for (int v = 0; v < VECTORS; v++) best[v] = Vector{} + LOWEST;
            for (int y = 0; y < s.rows; y++) {
                const float* row = channel + n * s.apart + y * STRIDE * s.width;
                for (int x = 0; x < s.columns && s.columns < AT_ONCE; x++)
                    side_by_side<STRIDE, 1>(row + x * STRIDE, s.width, w, best);
                for (int x = 0; x < s.columns && s.columns >= AT_ONCE; x += AT_ONCE) {
                    const int first = x + AT_ONCE <= s.columns ? x : s.columns - AT_ONCE;  // some of them again
                    side_by_side<STRIDE, AT_ONCE>(row + first * STRIDE, s.width, w, best);
                }
            }
            for (int v = 0; v < VECTORS; v++)
                store(largest + n * padded + j + v * LANES, best[v]);
        }
    }
}

// Any other kernel: some positions at once share each weight that is loaded.
void general(const float* channel, const float* weights, int padded, const Shape& s, float* largest) {
    for (int j = 0; j < padded; j += LANES)
        for (int image = 0; image < s.images; image++) {
            Vector best = Vector{} + LOWEST;
            for (int y = 0; y < s.rows; y++) {
                const float* row = channel + image * s.apart + y * s.row_stride * s.width;
                for (int first = 0; first < s.columns; first += AT_ONCE) {
                    Vector sum[AT_ONCE];
                    const float* from[AT_ONCE];
                    for (int n = 0; n < AT_ONCE; n++) {
                        const int x = first + n < s.columns ? first + n : s.columns - 1;  // the last one again
                        from[n] = row + x * s.column_stride;
                        sum[n] = Vector{};
                    }
                    for (int ky = 0, t = 0; ky < s.kernel_rows; ky++)
                        for (int kx = 0; kx < s.kernel_columns; kx++, t++) {
                            const Vector w = load(weights + t * padded + j);
                            const int place = ky * s.row_step * s.width + kx * s.column_step;
                            for (int n = 0; n < AT_ONCE; n++) sum[n] += w * from[n][place];
                        }
                    for (int n = 0; n < AT_ONCE; n++) best = larger(sum[n], best);
                }
            }
            store(largest + image * padded + j, best);
        }
}

// Whether any of them is true.
inline bool any(const Whole& which) {
#if defined(__AVX__) && !defined(__AVX512F__)
    return _mm256_movemask_ps((__m256)which) != 0;
#endif
    int64_t parts[LANES / 2], found = 0;
    std::memcpy(parts, &which, sizeof(parts));
    for (const int64_t part : parts) found |= part;
    return found != 0;
}

// Keep the strongest few of each output; of equal ones, whoever came first.
void compete(const float* largest, int padded, int input, int votes, float* values, int32_t* sources) {
    const float* least = values + (votes - 1) * padded;
    for (int j = 0; j < padded; j += LANES) {
        const Vector value = load(largest + j);
        if (!any(value > load(least + j))) continue;
        const Whole source = Whole{} + input;
        Vector here = load(least + j);
        Whole known = load_whole(sources + (votes - 1) * padded + j);
        for (int place = votes - 1; place > 0; place--) {  // where it is larger, the one before moves here
            const int at = (place - 1) * padded + j;
            const Vector before = load(values + at);
            const Whole named = load_whole(sources + at);
            const Whole moved = value > before ? named : source;
            store(values + at + padded, value > here ? (value > before ? before : value) : here);
            store(sources + at + padded, value > here ? moved : known);
            here = before;
            known = named;
        }
        store(values + j, value > here ? value : here);
        store(sources + j, value > here ? source : known);
    }
}

void nobody(int count, float* values, int32_t* sources) {
    for (int n = 0; n < count; n++) values[n] = LOWEST, sources[n] = -1;
}

}  // namespace

extern "C" {

int32_t fvhooks_lanes() { return LANES * VECTORS; }

// Some images: `input` is (image, input, height, width), `weights` (input, tap, padded), `sizes` the numbers
// below. `values` and `sources` are (image, votes, padded); `maps`, unless null, takes (image, input, padded).
// `scratch` holds a padded channel of each image, and a row of outputs of each behind them.
void fvhooks_pairs(const float* input, const float* weights, const int32_t* sizes, float* values,
                   int32_t* sources, float* maps, float* scratch) {
    const int images = sizes[0], inputs = sizes[1], height = sizes[2], width = sizes[3];
    const int padded = sizes[4], votes = sizes[5], top = sizes[6], left = sizes[7];
    const int apart = sizes[8] * sizes[9];
    const Shape s = {sizes[10], sizes[11], sizes[12], sizes[13], sizes[14], sizes[15],
                     sizes[16], sizes[17], sizes[9],  images,    apart};
    const int taps = s.kernel_rows * s.kernel_columns;
    const bool plain = s.kernel_rows == 3 && s.kernel_columns == 3 && s.row_step == 1 && s.column_step == 1 &&
                       s.row_stride == s.column_stride;
    float* largest = scratch + images * apart;
    std::memset(scratch, 0, sizeof(float) * images * apart);
    nobody(images * votes * padded, values, sources);
    for (int64_t i = 0; i < inputs; i++) {
        for (int64_t n = 0; n < images; n++)
            for (int y = 0; y < height; y++)
                std::memcpy(scratch + n * apart + (y + top) * s.width + left,
                            input + ((n * inputs + i) * height + y) * width, sizeof(float) * width);
        const float* w = weights + i * taps * padded;
        if (plain && s.row_stride == 1) three_by_three<1>(scratch, w, padded, s, largest);
        else if (plain && s.row_stride == 2) three_by_three<2>(scratch, w, padded, s, largest);
        else general(scratch, w, padded, s, largest);
        for (int64_t n = 0; n < images; n++) {
            const float* found = largest + n * padded;
            compete(found, padded, i, votes, values + n * votes * padded, sources + n * votes * padded);
            if (maps) std::memcpy(maps + (n * inputs + i) * padded, found, sizeof(float) * padded);
        }
    }
}

// The same of one image where a kernel has one tap: the highest and the lowest value of each input decide.
void fvhooks_ranges(const float* highest, const float* lowest, const float* weights, const int32_t* sizes,
                    float* values, int32_t* sources, float* maps, float* scratch) {
    const int inputs = sizes[1], padded = sizes[4], votes = sizes[5];
    nobody(votes * padded, values, sources);
    for (int64_t i = 0; i < inputs; i++) {
        const float* w = weights + i * padded;
        for (int j = 0; j < padded; j++) {
            const float up = w[j] * highest[i], down = w[j] * lowest[i];
            scratch[j] = up > down ? up : down;
        }
        compete(scratch, padded, i, votes, values, sources);
        if (maps) std::memcpy(maps + i * padded, scratch, sizeof(float) * padded);
    }
}

}
