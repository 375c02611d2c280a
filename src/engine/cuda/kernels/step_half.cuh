// One step with the layers in half precision on tensor cores; the state and all sums are f32.
//
// A block takes a tile of the picture, 32 pixels wide, with a halo of one pixel into shared memory.
// Each of its warps takes 8 x 2T pixels of it: T matrices of 8 x 2 pixels, which are the rows of
// mma.sync's left operand and of its sums. Weights are the right operand:
//
//   sums [16 pixels][8 outputs] += values [16 pixels][16 inputs] * weights [16 inputs][8 outputs]
//
// Where lane 4g + t of a warp holds what (PTX ISA, "Matrix Fragments for mma.m16n8k16"):
//
//   values   pixels g (x = g, upper row) and g + 8 (lower row), inputs 2t, 2t+1 and 2t+8, 2t+9
//   weights  output g, inputs 2t, 2t+1 and 2t+8, 2t+9
//   sums     pixels g and g + 8, outputs 2t, 2t+1
//
// So the sums of a lane are, rounded and packed in pairs, the very values that it must hold for
// the next layer: two groups of 8 outputs are 16 inputs, and nothing is exchanged between lanes.
// Below, a "chunk" is 8 inputs of 16 pixels: two registers, [0] for pixel g, [1] for pixel g + 8.
//
// In the first layer, the inputs 2t, 2t+1 of chunk 2i are the value and sobel_x of channel 4i + t,
// those of chunk 2i+1 its sobel_y and Laplacian: a lane perceives one channel of 2T pixels that lie
// below each other, and no value is computed twice. Where the channels leave a remainder of two,
// there is one more chunk with channel 4i + t/2, where even t hold the former, odd t the latter.
//
// The last hidden layer is never whole: 16 of its outputs at a time go into the sums of the update.
#pragma once

#include "state.cuh"

namespace half_step {

using namespace device;

constexpr int WARP = 32;
constexpr int TILE_WIDTH = 32;
// Of a channel in shared memory: a pixel more on either side.
constexpr int ROW = TILE_WIDTH + 2;

template <int CHUNKS, int T>
using Values = unsigned[CHUNKS][T][2];

// Two groups of 8 outputs for T times 16 pixels.
template <int T>
using Sums = float[2][T][4];

// Sums that begin with the bias. `bias` holds 16 values for each pair of groups, four for each t:
// outputs 2t, 2t+1 of either.
template <int T>
__device__ inline void begin(Sums<T> &sums, const float4 *bias) {
    float4 b = bias[threadIdx.x % 4];
#pragma unroll
    for (int t = 0; t < T; t++) {
        sums[0][t][0] = sums[0][t][2] = b.x;
        sums[0][t][1] = sums[0][t][3] = b.y;
        sums[1][t][0] = sums[1][t][2] = b.z;
        sums[1][t][1] = sums[1][t][3] = b.w;
    }
}

// Adds the products of all inputs: `count` (at most K) pairs of chunks and, if TAIL, one chunk.
template <int K, int TAIL, int T>
__device__ inline void multiply(Sums<T> &sums, const Values<2 * K + TAIL, T> &values,
                                const uint4 *weights, int count) {
    int lane = threadIdx.x % WARP;
#pragma unroll
    for (int k = 0; k < K; k++) {
        if (k >= count) {
            break;
        }
        uint4 w = weights[k * WARP + lane];
#pragma unroll
        for (int t = 0; t < T; t++) {
            multiply_16(sums[0][t], values[2 * k][t], values[2 * k + 1][t], w.x, w.y);
            multiply_16(sums[1][t], values[2 * k][t], values[2 * k + 1][t], w.z, w.w);
        }
    }
    if (TAIL) {
        uint2 w = reinterpret_cast<const uint2 *>(weights + K * WARP)[lane];
#pragma unroll
        for (int t = 0; t < T; t++) {
            multiply_8(sums[0][t], values[2 * K][t], w.x);
            multiply_8(sums[1][t], values[2 * K][t], w.y);
        }
    }
}

// What two groups of outputs are to the next layer.
template <int T>
__device__ inline void rectify(const Sums<T> &sums, unsigned (&first)[T][2], unsigned (&second)[T][2]) {
#pragma unroll
    for (int t = 0; t < T; t++) {
        first[t][0] = pack_rectified(sums[0][t][0], sums[0][t][1]);
        first[t][1] = pack_rectified(sums[0][t][2], sums[0][t][3]);
        second[t][0] = pack_rectified(sums[1][t][0], sums[1][t][1]);
        second[t][1] = pack_rectified(sums[1][t][2], sums[1][t][3]);
    }
}

// A channel's value and its responses to sobel_x, sobel_y and the laplacian, unscaled, for 2T
// pixels below each other. `corner` is the pixel up and left of the first.
template <int T>
__device__ inline void perceive(const float *corner, float (&perceived)[2 * T][4]) {
    // Of a row: left + 2 middle + right, and right - left.
    float middle[3], smooth[3], slope[3];
#pragma unroll
    for (int y = 0; y < 2 * T + 2; y++) {
        const float *row = corner + y * ROW;
        middle[y % 3] = row[1];
        smooth[y % 3] = row[0] + row[2] + 2.0f * row[1];
        slope[y % 3] = row[2] - row[0];
        if (y >= 2) {
            int above = (y - 2) % 3, at = (y - 1) % 3, below = y % 3;
            perceived[y - 2][0] = middle[at];
            perceived[y - 2][1] = slope[above] + slope[below] + 2.0f * slope[at];
            perceived[y - 2][2] = smooth[below] - smooth[above];
            perceived[y - 2][3] = smooth[above] + smooth[below] + 2.0f * smooth[at] - 16.0f * middle[at];
        }
    }
}

// Perceives all channels, as described above. `corner` is the pixel up and left of this lane's.
template <int K, int TAIL, int T>
__device__ inline void perceive_all(const float *corner, const StepParameters &p, int count,
                                    Values<2 * K + TAIL, T> &values) {
    int t = threadIdx.x % 4;
    // Channels that only pad have weights of zero.
    int last = p.frozen_channels + p.updated_channels - 1;
#pragma unroll
    for (int k = 0; k < K; k++) {
        if (k >= count) {
            break;
        }
        float perceived[2 * T][4];
        perceive<T>(corner + min(4 * k + t, last) * p.tile_stride, perceived);
#pragma unroll
        for (int i = 0; i < 2 * T; i++) {
            values[2 * k][i / 2][i % 2] = pack(perceived[i][0], perceived[i][1]);
            values[2 * k + 1][i / 2][i % 2] = pack(perceived[i][2], perceived[i][3]);
        }
    }
    if (TAIL) {
        float perceived[2 * T][4];
        perceive<T>(corner + min(4 * K + t / 2, last) * p.tile_stride, perceived);
        bool odd = t % 2;
#pragma unroll
        for (int i = 0; i < 2 * T; i++) {
            values[2 * K][i / 2][i % 2] =
                odd ? pack(perceived[i][2], perceived[i][3]) : pack(perceived[i][0], perceived[i][1]);
        }
    }
}

// Begins to copy a channel around the tile at (left, top): `margin` pixels more on every side.
__device__ inline void copy_around(const float *from, float *to, const Shape &shape, int left, int top,
                                   int tile_height, int margin, int row_stride) {
    int warp = threadIdx.x / WARP, warps = blockDim.x / WARP, lane = threadIdx.x % WARP;
    int rows = tile_height + 2 * margin;
    for (int x = lane; x < TILE_WIDTH + 2 * margin; x += WARP) {
        int column = fold(left - margin + x, shape.width, shape.border);
        for (int y = warp; y < rows; y += warps) {
            int row = fold(top - margin + y, shape.height, shape.border);
            copy_to_shared(to + y * row_stride + x, from + static_cast<size_t>(row) * shape.pitch + column);
        }
    }
}

// Begins to copy the pixel at `from` of channels `first`, `first + every`, ... of `count`.
__device__ inline void copy_pixel(const float *from, float *to, size_t plane, int tile_stride, int first,
                                  int every, int count) {
    from += first * plane;
    to += first * tile_stride;
#pragma unroll 4
    for (int c = first; c < count; c += every) {
        copy_to_shared(to, from);
        from += every * plane;
        to += every * tile_stride;
    }
}

// Begins to copy all channels and a halo of one pixel: a warp takes whole rows, then, of some
// channels, the columns on the left and on the right.
__device__ inline void copy_tile(float *tile, const StepParameters &p, int left, int top, int tile_height) {
    const Shape &shape = p.shape;
    int warp = threadIdx.x / WARP, warps = blockDim.x / WARP, lane = threadIdx.x % WARP;
    int rows = tile_height + 2;
    float *updated_tile = tile + p.frozen_channels * p.tile_stride;
    int column = fold(left + lane, shape.width, shape.border);
    for (int y = warp; y < rows; y += warps) {
        size_t from = static_cast<size_t>(fold(top - 1 + y, shape.height, shape.border)) * shape.pitch + column;
        int to = y * ROW + 1 + lane;
        copy_pixel(p.frozen + from, tile + to, plane(shape), p.tile_stride, 0, 1, p.frozen_channels);
        copy_pixel(p.cells + from, updated_tile + to, plane(shape), p.tile_stride, 0, 1, p.updated_channels);
    }
    for (int i = lane; i < 2 * rows; i += WARP) {
        int y = i / 2, x = i % 2 ? TILE_WIDTH + 1 : 0;
        size_t from = static_cast<size_t>(fold(top - 1 + y, shape.height, shape.border)) * shape.pitch +
                      fold(left - 1 + x, shape.width, shape.border);
        int to = y * ROW + x;
        copy_pixel(p.frozen + from, tile + to, plane(shape), p.tile_stride, warp, warps, p.frozen_channels);
        copy_pixel(p.cells + from, updated_tile + to, plane(shape), p.tile_stride, warp, warps, p.updated_channels);
    }
}

// Values that a lane of a blur computes one after the other from those that it has read once.
constexpr int RUN = 8;

// The sums of RUN places: weights[i] * values[(place + i) * stride].
__device__ inline void blur_run(const float *values, int stride, const Blur &blur, float (&sums)[RUN]) {
    float window[RUN];
#pragma unroll
    for (int i = 0; i < RUN; i++) {
        window[i] = values[i * stride];
        sums[i] = 0.0f;
    }
    for (int k = 0; k <= 2 * blur.radius; k++) {
        float weight = blur.weights[k];
        // The last turn needs no more values, and there may be none.
        float next = k < 2 * blur.radius ? values[(RUN + k) * stride] : 0.0f;
#pragma unroll
        for (int i = 0; i < RUN; i++) {
            sums[i] += weight * window[i];
            window[i] = i + 1 < RUN ? window[i + 1] : next;
        }
    }
}

// Values from one row around a tile to the next; odd, so that lanes that are rows read different
// banks of shared memory.
__device__ inline int around_row(const Blur &blur) {
    return TILE_WIDTH + 2 * blur.radius + 1;
}

// Values from one row that is blurred along x to the next.
constexpr int BLURRED_ROW = TILE_WIDTH + 1;

// Blurs along x, from `around` to `rows`. Lanes are rows.
__device__ inline void blur_along_x(float *memory, const Blur &blur, int tile_height) {
    int rows = tile_height + 2 * blur.radius;
    for (int i = threadIdx.x; i < rows * (TILE_WIDTH / RUN); i += blockDim.x) {
        int y = i % rows, x = i / rows * RUN;
        float sums[RUN];
        blur_run(memory + blur.around + y * around_row(blur) + x, 1, blur, sums);
#pragma unroll
        for (int j = 0; j < RUN; j++) {
            memory[blur.rows + y * BLURRED_ROW + x + j] = sums[j];
        }
    }
}

// Blurs along y, from `rows` to the tile itself. Lanes are columns.
__device__ inline void blur_along_y(float *memory, const Blur &blur, float *channel, int tile_height) {
    for (int i = threadIdx.x; i < TILE_WIDTH * (tile_height / 2); i += blockDim.x) {
        int x = i % TILE_WIDTH, y = i / TILE_WIDTH * 2;
        const float *values = memory + blur.rows + y * BLURRED_ROW + x;
        float upper = 0.0f, lower = 0.0f, value = values[0];
        for (int k = 0; k <= 2 * blur.radius; k++) {
            float weight = blur.weights[k];
            upper += weight * value;
            // The last turn's is the last row that the lower pixel needs.
            value = values[(k + 1) * BLURRED_ROW];
            lower += weight * value;
        }
        channel[(y + 1) * ROW + 1 + x] = upper;
        channel[(y + 2) * ROW + 1 + x] = lower;
    }
}

// K, TAIL: chunks of perception, 2K + TAIL. HIDDEN: pairs of groups of 8 outputs of the widest
// hidden layer. DEPTH: hidden layers. OUT: pairs of groups of the update. T: see above.
// FLEXIBLE: all but T are limits, and the parameters say how many there are.
template <int K, int TAIL, int HIDDEN, int DEPTH, int OUT, int T, bool FLEXIBLE>
__device__ inline void step(const StepParameters &p) {
    static_assert(!FLEXIBLE || TAIL == 0, "only whole pairs of chunks can be counted");
    const int first_tile = next_tile(p, blockIdx.x);
    if (first_tile >= p.tiles) {
        return;
    }
    const int channels = p.frozen_channels + p.updated_channels;
    const int depth = FLEXIBLE ? p.hidden_layers : DEPTH;
    const int out = FLEXIBLE ? (p.updated_channels + 15) / 16 : OUT;
    const int first_count = FLEXIBLE ? (channels + 3) / 4 : K;

    // Shared memory: the rule, the tile, what blurs work on.
    float *memory = shared_memory();
    const uint4 *rule = reinterpret_cast<const uint4 *>(memory);
    float *tile = memory + 4 * p.rule_words;
    for (int i = threadIdx.x; i < p.rule_words; i += blockDim.x) {
        copy_to_shared(reinterpret_cast<uint4 *>(memory) + i, static_cast<const uint4 *>(p.rule) + i);
    }

    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    // Of the lane's first pixel, in the tile.
    int x = warp % 4 * 8 + lane / 4;
    int y = warp / 4 * 2 * T;
    int tile_height = blockDim.x / (4 * WARP) * 2 * T;
    float not_finite = 0.0f;

    for (int i = first_tile; i < p.tiles; i = next_tile(p, i + gridDim.x)) {
        int left = i % p.tiles_x * TILE_WIDTH, top = i / p.tiles_x * tile_height;
        copy_tile(tile, p, left, top, tile_height);
        for (int b = 0; b < p.blur_count; b++) {
            const Blur &blur = p.blurs[b];
            copy_around(p.cells + blur.channel * plane(p.shape), memory + blur.around, p.shape, left, top,
                        tile_height, blur.radius, around_row(blur));
        }
        await_copies();
        __syncthreads();

        Values<2 * K + TAIL, T> perceived;
        perceive_all<K, TAIL, T>(tile + y * ROW + x, p, first_count, perceived);
        if (p.blur_count > 0) {
            for (int b = 0; b < p.blur_count; b++) {
                blur_along_x(memory, p.blurs[b], tile_height);
            }
            // Everyone has perceived: the tile may change.
            __syncthreads();
            for (int b = 0; b < p.blur_count; b++) {
                const Blur &blur = p.blurs[b];
                blur_along_y(memory, blur, tile + (p.frozen_channels + blur.channel) * p.tile_stride, tile_height);
            }
            __syncthreads();
        }

        Values<2 * HIDDEN, T> hidden;
        const uint4 *weights = rule;
        // Four words of bias for each pair of groups, after all weights.
        const float4 *bias = reinterpret_cast<const float4 *>(rule + p.rule_words) - 4 * out;
        for (int l = 0; l < depth; l++) {
            bias -= 4 * (FLEXIBLE ? p.hidden[l] : HIDDEN);
        }
        int count = first_count;
        if (DEPTH > 1 && depth > 1) {
            int pairs = FLEXIBLE ? p.hidden[0] : HIDDEN;
#pragma unroll
            for (int o = 0; o < HIDDEN; o++) {
                if (o >= pairs) {
                    break;
                }
                Sums<T> sums;
                begin<T>(sums, bias + 4 * o);
                multiply<K, TAIL, T>(sums, perceived, weights, count);
                rectify<T>(sums, hidden[2 * o], hidden[2 * o + 1]);
                weights += count * WARP + TAIL * WARP / 2;
            }
            bias += 4 * pairs;
            count = pairs;
        }
        if (DEPTH > 2) {
#pragma unroll 1
            for (int l = 1; l < depth - 1; l++) {
                int pairs = p.hidden[l];
                Values<2 * HIDDEN, T> next;
#pragma unroll
                for (int o = 0; o < HIDDEN; o++) {
                    if (o >= pairs) {
                        break;
                    }
                    Sums<T> sums;
                    begin<T>(sums, bias + 4 * o);
                    multiply<HIDDEN, 0, T>(sums, hidden, weights, count);
                    rectify<T>(sums, next[2 * o], next[2 * o + 1]);
                    weights += count * WARP;
                }
#pragma unroll
                for (int c = 0; c < 2 * HIDDEN; c++) {
#pragma unroll
                    for (int t = 0; t < T; t++) {
                        hidden[c][t][0] = next[c][t][0];
                        hidden[c][t][1] = next[c][t][1];
                    }
                }
                bias += 4 * pairs;
                count = pairs;
            }
        }

        int last_pairs = FLEXIBLE ? p.hidden[depth - 1] : HIDDEN;
        int tail = DEPTH > 1 ? 0 : TAIL * WARP / 2;
        const uint4 *update_weights = weights + last_pairs * (count * WARP + tail);
        Sums<T> update[OUT];
#pragma unroll
        for (int o = 0; o < OUT; o++) {
            begin<T>(update[o], bias + 4 * (last_pairs + (o < out ? o : 0)));
        }
#pragma unroll 1
        for (int h = 0; h < last_pairs; h++) {
            Sums<T> sums;
            begin<T>(sums, bias + 4 * h);
            if (DEPTH == 1 || depth == 1) {
                multiply<K, TAIL, T>(sums, perceived, weights, count);
            } else {
                multiply<HIDDEN, 0, T>(sums, hidden, weights, count);
            }
            weights += count * WARP + tail;
            Values<2, T> values;
            rectify<T>(sums, values[0], values[1]);
#pragma unroll
            for (int o = 0; o < OUT; o++) {
                if (o >= out) {
                    break;
                }
                multiply<1, 0, T>(update[o], values, update_weights + (o * last_pairs + h) * WARP, 1);
            }
        }

        int rows_inside = left + x < p.shape.width ? p.shape.height - top - y : 0;
        // Channel n of a group of 8 is output 2n, or 2(n-4)+1: so that the lanes of a warp find the
        // channels that they add to in different banks of shared memory.
#pragma unroll
        for (int o = 0; o < 2 * OUT; o++) {
#pragma unroll
            for (int j = 0; j < 2; j++) {
                int channel = 8 * o + 4 * j + lane % 4;
                if (channel < p.updated_channels) {
                    const float *old = tile + (p.frozen_channels + channel) * p.tile_stride + (y + 1) * ROW + 1 + x;
                    float *next = p.next + channel * plane(p.shape) +
                                  static_cast<size_t>(top + y) * p.shape.pitch + left + x;
                    // All that is read first, or each would be waited for.
                    float values[2 * T];
#pragma unroll
                    for (int r = 0; r < 2 * T; r++) {
                        values[r] = old[r * ROW] + update[o / 2][o % 2][r / 2][2 * (r % 2) + j];
                    }
#pragma unroll
                    for (int r = 0; r < 2 * T; r++) {
                        if (r < rows_inside) {
                            next[r * p.shape.pitch] = values[r];
                            // Multiplied by zero, infinity and NaN become NaN, which no sum loses.
                            not_finite += values[r] * 0.0f;
                        }
                    }
                }
            }
        }
        // The tile is overwritten next.
        __syncthreads();
    }
    if (p.not_finite && !(not_finite == 0.0f)) {
        *p.not_finite = 1;
    }
}

}  // namespace half_step

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
// Shared memory is smaller, and so are tiles.
#define MATRICES(T) ((T) < 2 ? (T) : 2)
#else
#define MATRICES(T) (T)
#endif

#define STEP_HALF(name, K, TAIL, HIDDEN, DEPTH, OUT, T, FLEXIBLE)                                       \
    extern "C" __global__ void __launch_bounds__(256, 1) name(const __grid_constant__ StepParameters p) { \
        half_step::step<K, TAIL, HIDDEN, DEPTH, OUT, MATRICES(T), FLEXIBLE>(p);                         \
    }
