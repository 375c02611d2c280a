// How channels lie in memory, and what the kernels are told.
//
//   channel 0 | row 0 | W values, to a multiple of 32
//             | row 1 | ...
//   channel 1 | ...
//
// All structures have the same layout in src/engine/cuda/parameters.rs.
#pragma once

#include "primitives.cuh"

enum Border { CIRCULAR = 0, REPLICATE = 1 };

// Size of all channels.
struct Shape {
    int width;
    int height;
    // Values from one row to the next.
    int pitch;
    // A Border.
    int border;
};

// One channel that is blurred, and where it is worked on in shared memory, in values.
struct Blur {
    // Counted from the first updated channel.
    int channel;
    int radius;
    // The channel around the tile.
    int around;
    // The same blurred along x.
    int rows;
    // Along one axis, 2 radius + 1 of them.
    float weights[32];
};

constexpr int MAX_HIDDEN_LAYERS = 4;

struct StepParameters {
    const float *frozen;
    const float *cells;
    float *next;
    // Packed for the kernel.
    const void *rule;
    const Blur *blurs;
    // For panels that shared memory cannot hold.
    float *scratch;
    // For every tile, whether it is to be computed; null: all are.
    const unsigned *wanted;
    // Set to 1 if a value that is computed is not finite; null: nobody wants to know.
    unsigned *not_finite;
    Shape shape;
    int frozen_channels;
    int updated_channels;
    int blur_count;
    int hidden_layers;
    // Widths of the hidden layers, in the units that the kernel pads them to.
    int hidden[MAX_HIDDEN_LAYERS];
    // 16-byte words of `rule`.
    int rule_words;
    // Values from one channel of a tile to the next.
    int tile_stride;
    // Values from one panel to the next.
    int panel_stride;
    int tiles_x;
    int tiles;
};

// The first of the tiles from `i` on that a block takes which is to be computed.
__device__ inline int next_tile(const StepParameters &p, int i) {
    while (p.wanted && i < p.tiles && !p.wanted[i]) {
        i += gridDim.x;
    }
    return i;
}

// Values of one channel.
__device__ inline size_t plane(const Shape &shape) {
    return static_cast<size_t>(shape.height) * shape.pitch;
}

// The place inside of an axis of `length` that stands for `at`. Loops, because a division takes
// longer than the one turn that almost all places outside need.
__device__ inline int fold(int at, int length, int border) {
    if (border == REPLICATE) {
        return min(max(at, 0), length - 1);
    }
    while (at < 0) {
        at += length;
    }
    while (at >= length) {
        at -= length;
    }
    return at;
}

// A channel of the state, frozen ones first.
__device__ inline const float *channel_of(const StepParameters &p, int channel) {
    int updated = channel - p.frozen_channels;
    return updated < 0 ? p.frozen + channel * plane(p.shape) : p.cells + updated * plane(p.shape);
}
