// One step in f32, for any architecture: what is multiplied is not rounded.
//
// A block takes 16 x 4 pixels. Their perception is a panel of 64 columns in shared memory; each
// layer reads one panel and writes the other:
//
//   state -> panel [4C][64] -> panel [hidden][64] -> ... -> state
//
// A panel's rows are a channel's value, its responses to both Sobel filters and to the Laplacian,
// then those of the next channel. A thread sums a few outputs for four pixels at a time; the eight
// groups of 16 threads take outputs in turn. Its weights lie next to each other:
//
//   rule: of each layer [passes][inputs][8 groups][outputs of a thread], then the biases of all
//   layers [passes][8 groups][outputs of a thread]

#include "state.cuh"

namespace full_step {

using namespace device;

constexpr int TILE_WIDTH = 16, TILE_HEIGHT = 4;
constexpr int PIXELS = TILE_WIDTH * TILE_HEIGHT;
constexpr int THREADS = 128;
// Threads that share the pixels, and those that share the outputs.
constexpr int QUADS = PIXELS / 4, GROUPS = THREADS / QUADS;
constexpr int MAX_RADIUS = 15;

// Outputs that a thread sums at a time: few where there are few, to waste none.
__device__ inline int outputs_at_a_time(int outputs) {
    return outputs <= 4 * GROUPS ? 4 : outputs <= 8 * GROUPS ? 8 : 12;
}

// Outputs of a layer as the rule holds them.
__device__ inline int padded(int outputs) {
    int pass = outputs_at_a_time(outputs) * GROUPS;
    return (outputs + pass - 1) / pass * pass;
}

struct Tile {
    int left, top;
};

__device__ inline void perceive(float *panel, const StepParameters &p, Tile tile) {
    const Shape &shape = p.shape;
    int channels = p.frozen_channels + p.updated_channels;
    int x = threadIdx.x % TILE_WIDTH;
    int columns[3];
#pragma unroll
    for (int i = 0; i < 3; i++) {
        columns[i] = fold(tile.left + x + i - 1, shape.width, shape.border);
    }
    for (int c = threadIdx.x / TILE_WIDTH; c < channels; c += THREADS / TILE_WIDTH) {
        const float *channel = channel_of(p, c);
        // Of a row: left + 2 middle + right, left + right, and right - left.
        float middle[3], smooth[3], beside[3], slope[3];
#pragma unroll
        for (int y = 0; y < TILE_HEIGHT + 2; y++) {
            const float *row = channel + static_cast<size_t>(fold(tile.top + y - 1, shape.height, shape.border)) * shape.pitch;
            float left = row[columns[0]], right = row[columns[2]];
            middle[y % 3] = row[columns[1]];
            beside[y % 3] = left + right;
            smooth[y % 3] = beside[y % 3] + 2.0f * middle[y % 3];
            slope[y % 3] = right - left;
            if (y >= 2) {
                int above = (y - 2) % 3, at = (y - 1) % 3, below = y % 3;
                float *perceived = panel + 4 * c * PIXELS + (y - 2) * TILE_WIDTH + x;
                perceived[0] = middle[at];
                perceived[PIXELS] = slope[above] + slope[below] + 2.0f * slope[at];
                perceived[2 * PIXELS] = smooth[below] - smooth[above];
                perceived[3 * PIXELS] = smooth[above] + smooth[below] + 2.0f * beside[at] - 12.0f * middle[at];
            }
        }
    }
}

// Blurs the tile's pixels of one channel; `rows` is for those blurred along x.
__device__ inline void blur(float *blurred, float *rows, const StepParameters &p, const Blur &blur, Tile tile) {
    const Shape &shape = p.shape;
    const float *channel = p.cells + blur.channel * plane(shape);
    for (int i = threadIdx.x; i < (TILE_HEIGHT + 2 * blur.radius) * TILE_WIDTH; i += THREADS) {
        int x = tile.left + i % TILE_WIDTH - blur.radius, y = tile.top + i / TILE_WIDTH - blur.radius;
        const float *row = channel + static_cast<size_t>(fold(y, shape.height, shape.border)) * shape.pitch;
        float sum = 0.0f;
        for (int k = 0; k <= 2 * blur.radius; k++) {
            sum += blur.weights[k] * row[fold(x + k, shape.width, shape.border)];
        }
        rows[i] = sum;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < PIXELS; i += THREADS) {
        float sum = 0.0f;
        for (int k = 0; k <= 2 * blur.radius; k++) {
            sum += blur.weights[k] * rows[k * TILE_WIDTH + i];
        }
        blurred[i] = sum;
    }
    // The next one overwrites the rows.
    __syncthreads();
}

// Sums of one layer for this thread's four pixels, O outputs at a time, each given to `take`.
template <int O, typename Take>
__device__ inline void sum_layer(const float *panel, const float *weights, const float *bias, int inputs,
                                 int outputs, Take take) {
    int quad = threadIdx.x % QUADS, group = threadIdx.x / QUADS;
    for (int pass = 0; pass * GROUPS * O < outputs; pass++) {
        float sums[O][4];
#pragma unroll
        for (int o = 0; o < O; o++) {
            float b = bias[(pass * GROUPS + group) * O + o];
            sums[o][0] = sums[o][1] = sums[o][2] = sums[o][3] = b;
        }
        const float4 *w = reinterpret_cast<const float4 *>(weights + (static_cast<size_t>(pass) * inputs * GROUPS + group) * O);
        const float4 *values = reinterpret_cast<const float4 *>(panel) + quad;
#pragma unroll 2
        for (int i = 0; i < inputs; i++) {
            float4 value = values[i * QUADS];
#pragma unroll
            for (int o = 0; o < O; o += 4) {
                float4 weight = w[i * (GROUPS * O / 4) + o / 4];
                float each[4] = {weight.x, weight.y, weight.z, weight.w};
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    sums[o + j][0] += each[j] * value.x;
                    sums[o + j][1] += each[j] * value.y;
                    sums[o + j][2] += each[j] * value.z;
                    sums[o + j][3] += each[j] * value.w;
                }
            }
        }
#pragma unroll
        for (int o = 0; o < O; o++) {
            int output = (pass * GROUPS + group) * O + o;
            if (output < outputs) {
                take(output, sums[o]);
            }
        }
    }
}

template <typename Take>
__device__ inline void sum_any_layer(const float *panel, const float *weights, const float *bias, int inputs,
                                     int outputs, Take take) {
    switch (outputs_at_a_time(outputs)) {
    case 4:
        return sum_layer<4>(panel, weights, bias, inputs, outputs, take);
    case 8:
        return sum_layer<8>(panel, weights, bias, inputs, outputs, take);
    default:
        return sum_layer<12>(panel, weights, bias, inputs, outputs, take);
    }
}

// The panels lie in shared memory or, where that is too small, each block's in global memory.
template <bool GLOBAL>
__device__ inline void step(const StepParameters &p) {
    float *memory = shared_memory();
    float *rows = memory;
    float *blurred = rows + (TILE_HEIGHT + 2 * MAX_RADIUS) * TILE_WIDTH;
    float *panels = GLOBAL ? p.scratch + static_cast<size_t>(2 * p.panel_stride) * blockIdx.x
                           : blurred + p.blur_count * PIXELS;
    int quad = threadIdx.x % QUADS;
    int layers = p.hidden_layers + 1;
    bool finite = true;

    for (int i = next_tile(p, blockIdx.x); i < p.tiles; i = next_tile(p, i + gridDim.x)) {
        Tile tile = {i % p.tiles_x * TILE_WIDTH, i / p.tiles_x * TILE_HEIGHT};
        for (int b = 0; b < p.blur_count; b++) {
            blur(blurred + b * PIXELS, rows, p, p.blurs[b], tile);
        }
        float *input = panels, *output = panels + p.panel_stride;
        perceive(input, p, tile);
        __syncthreads();

        const float *weights = static_cast<const float *>(p.rule);
        const float *bias = weights + 4 * static_cast<size_t>(p.rule_words);
        for (int l = 0; l < layers; l++) {
            bias -= padded(l < p.hidden_layers ? p.hidden[l] : p.updated_channels);
        }
        int inputs = 4 * (p.frozen_channels + p.updated_channels);
        for (int l = 0; l < p.hidden_layers; l++) {
            int outputs = p.hidden[l];
            sum_any_layer(input, weights, bias, inputs, outputs, [&](int o, const float (&sums)[4]) {
                reinterpret_cast<float4 *>(output)[o * QUADS + quad] = make_float4(
                    fmaxf(sums[0], 0.0f), fmaxf(sums[1], 0.0f), fmaxf(sums[2], 0.0f), fmaxf(sums[3], 0.0f));
            });
            __syncthreads();
            weights += static_cast<size_t>(padded(outputs)) * inputs;
            bias += padded(outputs);
            inputs = outputs;
            float *other = input;
            input = output;
            output = other;
        }

        int x = tile.left + quad % 4 * 4, y = tile.top + quad / 4;
        sum_any_layer(input, weights, bias, inputs, p.updated_channels, [&](int channel, const float (&sums)[4]) {
            if (y >= p.shape.height) {
                return;
            }
            size_t at = channel * plane(p.shape) + static_cast<size_t>(y) * p.shape.pitch + x;
            const float *old = p.cells + at;
            for (int b = 0; b < p.blur_count; b++) {
                if (p.blurs[b].channel == channel) {
                    old = blurred + b * PIXELS + quad * 4;
                }
            }
#pragma unroll
            for (int j = 0; j < 4; j++) {
                if (x + j < p.shape.width) {
                    float value = old[j] + sums[j];
                    p.next[at + j] = value;
                    finite = finite && isfinite(value);
                }
            }
        });
        // The panels and what is blurred are overwritten next.
        __syncthreads();
    }
    if (p.not_finite && !finite) {
        *p.not_finite = 1;
    }
}

}  // namespace full_step

extern "C" __global__ void __launch_bounds__(128, 3) step_full(const __grid_constant__ StepParameters p) {
    full_step::step<false>(p);
}

extern "C" __global__ void __launch_bounds__(128, 3) step_full_wide(const __grid_constant__ StepParameters p) {
    full_step::step<true>(p);
}
