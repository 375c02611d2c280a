// What happens to a state between steps: it is given a source, started, moved and shown. One thread
// is one pixel; see src/source.rs, src/noise.rs and src/engine/cpu/carry.rs, which this agrees with.

#include "state.cuh"

// Red, green and blue planes of samples, rows Shape::pitch apart.
struct SourceParameters {
    const unsigned char *samples;
    float *frozen;
    Shape shape;
    int frozen_channels;
};

struct SeedParameters {
    const float *frozen;
    float *cells;
    unsigned long long seed;
    Shape shape;
    int frozen_channels;
    int updated_channels;
};

// A grid of cells of a flow.
struct FlowGrid {
    const float *values;
    int width;
    int height;
    // Cells for each pixel.
    float x_ratio;
    float y_ratio;
    // On the values.
    float scale;
    int unused;
};

struct CarryParameters {
    const float *cells;
    float *next;
    const float *frozen;
    // How far each pixel's motion is not believed.
    float *distrust;
    // Set to 1 for the tiles of the step in which that is anything.
    unsigned *doubted;
    // Of the noise that the state starts from where it cannot be moved.
    unsigned long long seed;
    FlowGrid dx;
    FlowGrid dy;
    FlowGrid confidence;
    Shape shape;
    int frozen_channels;
    int updated_channels;
    // Up to the first confidence motion is not believed, from the second on it is.
    float none;
    float full;
    // Slope of the kernel of the convolution at a distance of one pixel.
    float sharpness;
    int tile_width;
    int tile_height;
    int tiles_x;
};

struct GrowParameters {
    float *cells;
    const float *next;
    const float *distrust;
    Shape shape;
    int updated_channels;
};

struct RenderParameters {
    const float *cells;
    unsigned char *samples;
    Shape shape;
};

struct Pixel {
    int x, y;
};

__device__ inline Pixel this_pixel() {
    return {static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x),
            static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y)};
}

__device__ inline bool is_inside(const Shape &shape, Pixel pixel) {
    return pixel.x < shape.width && pixel.y < shape.height;
}

__device__ inline size_t place(const Shape &shape, int x, int y) {
    return static_cast<size_t>(y) * shape.pitch + x;
}

// Brightness in [0, 1]. Products and sums are rounded one by one, as the processor does.
__device__ inline float grey(const SourceParameters &p, int x, int y) {
    const unsigned char *samples = p.samples + place(p.shape, min(x, p.shape.width - 1), min(y, p.shape.height - 1));
    float red = samples[0], green = samples[plane(p.shape)], blue = samples[2 * plane(p.shape)];
    float sum = __fadd_rn(__fmul_rn(0.2989f, red), __fmul_rn(0.587f, green));
    return __fdiv_rn(__fadd_rn(sum, __fmul_rn(0.114f, blue)), 255.0f);
}

extern "C" __global__ void set_source(const __grid_constant__ SourceParameters p) {
    Pixel pixel = this_pixel();
    if (!is_inside(p.shape, pixel)) {
        return;
    }
    size_t at = place(p.shape, pixel.x, pixel.y);
    for (int c = 0; c < 3; c++) {
        float sample = p.samples[c * plane(p.shape) + at];
        p.frozen[c * plane(p.shape) + at] = __fadd_rn(__fmul_rn(sample, 1.0f / 255.0f), -0.5f);
    }
    // Shifts of 2, 3 and 4 pixels give two channels each. For every shift, grey is rolled in eight
    // directions and halved; four of the eight are laid out in every 2x2 block of one channel, the
    // other four in those of the other. Sizes are made even by repeating the last column and row.
    int width = (p.shape.width + 1) / 2 * 2, height = (p.shape.height + 1) / 2 * 2;
    for (int c = 3; c < p.frozen_channels; c++) {
        int shift = 2 + (c - 3) / 2;
        bool slanted = (c - 3) % 2;
        int y_sign, x_sign;
        if (slanted) {
            // (y, x): + + | - +
            //         - - | + -
            y_sign = pixel.y % 2 == pixel.x % 2 ? 1 : -1;
            x_sign = pixel.y % 2 ? -1 : 1;
        } else {
            // (y, x): - 0 | 0 -
            //         + 0 | 0 +
            int sign = pixel.y % 2 ? 1 : -1;
            y_sign = pixel.x % 2 ? 0 : sign;
            x_sign = pixel.x % 2 ? sign : 0;
        }
        int y = fold(pixel.y / 2 * 2 - y_sign * shift, height, CIRCULAR);
        int x = fold(pixel.x / 2 * 2 - x_sign * shift, width, CIRCULAR);
        int below = y + 1 < height ? y + 1 : 0, right = x + 1 < width ? x + 1 : 0;
        float here = __fmul_rn(0.5f, __fadd_rn(grey(p, x, y), grey(p, x, below)));
        float beside = __fmul_rn(0.5f, __fadd_rn(grey(p, right, y), grey(p, right, below)));
        p.frozen[c * plane(p.shape) + at] = __fadd_rn(__fmul_rn(0.5f, __fadd_rn(here, beside)), -0.5f);
    }
}

// pcg4d of Jarzynski and Olano, "Hash Functions for GPU Rendering".
__device__ inline void pcg4d(unsigned (&v)[4]) {
    for (unsigned &word : v) {
        word = word * 1664525u + 1013904223u;
    }
    for (int round = 0; round < 2; round++) {
        v[0] += v[1] * v[3];
        v[1] += v[2] * v[0];
        v[2] += v[0] * v[1];
        v[3] += v[1] * v[2];
        if (round == 0) {
            for (unsigned &word : v) {
                word ^= word >> 16;
            }
        }
    }
}

// The start state of an updated channel: the source's colour, or noise.
__device__ inline float start_value(const float *frozen, const Shape &shape, int frozen_channels,
                                    unsigned long long seed, int channel, Pixel pixel) {
    if (channel < 3) {
        return frozen[channel * plane(shape) + place(shape, pixel.x, pixel.y)];
    }
    unsigned v[4] = {static_cast<unsigned>(seed), static_cast<unsigned>(seed >> 32),
                     static_cast<unsigned>(frozen_channels + channel), 0};
    pcg4d(v);
    v[0] ^= pixel.x;
    v[1] ^= pixel.y;
    pcg4d(v);
    // 24 bits fill the mantissa exactly.
    return __fadd_rn((v[0] >> 8) * (1.0f / (1 << 24)), -0.5f);
}

extern "C" __global__ void seed(const __grid_constant__ SeedParameters p) {
    Pixel pixel = this_pixel();
    if (!is_inside(p.shape, pixel)) {
        return;
    }
    size_t at = place(p.shape, pixel.x, pixel.y);
    for (int c = 0; c < p.updated_channels; c++) {
        p.cells[c * plane(p.shape) + at] = start_value(p.frozen, p.shape, p.frozen_channels, p.seed, c, pixel);
    }
}

// Interpolates between cells; zeros give exactly zero.
__device__ inline float look_up(const FlowGrid &grid, Pixel pixel) {
    float x = fminf(fmaxf((pixel.x + 0.5f) * grid.x_ratio - 0.5f, 0.0f), grid.width - 1.0f);
    float y = fminf(fmaxf((pixel.y + 0.5f) * grid.y_ratio - 0.5f, 0.0f), grid.height - 1.0f);
    int left = static_cast<int>(x), top = static_cast<int>(y);
    int right = min(left + 1, grid.width - 1), bottom = min(top + 1, grid.height - 1);
    float across = x - left, below = y - top;
    const float *upper = grid.values + static_cast<size_t>(top) * grid.width;
    const float *lower = grid.values + static_cast<size_t>(bottom) * grid.width;
    float above = grid.scale * (1.0f - below);
    below *= grid.scale;
    float first = above * upper[left] + below * lower[left];
    float second = above * upper[right] + below * lower[right];
    return first + (second - first) * across;
}

// Where a pixel was along an axis: the first of four pixels around that place, and how much they
// weigh (cubic convolution).
struct Taps {
    int first;
    float weights[4];
};

__device__ inline Taps taps(int place, float offset, int length, float s) {
    // No further out than one pixel, beyond which nothing changes.
    offset = fminf(fmaxf(__fadd_rn(place, offset), -1.0f), static_cast<float>(length)) - place;
    float whole = floorf(offset);
    float t = offset - whole;
    Taps taps;
    taps.first = place + static_cast<int>(whole) - 1;
    taps.weights[0] = s * ((t - 2.0f) * t + 1.0f) * t;
    taps.weights[1] = ((s + 2.0f) * t - (s + 3.0f)) * t * t + 1.0f;
    taps.weights[2] = ((2.0f * s + 3.0f - (s + 2.0f) * t) * t - s) * t;
    taps.weights[3] = s * (1.0f - t) * t * t;
    return taps;
}

extern "C" __global__ void carry(const __grid_constant__ CarryParameters p) {
    Pixel pixel = this_pixel();
    if (!is_inside(p.shape, pixel)) {
        return;
    }
    Taps across = taps(pixel.x, look_up(p.dx, pixel), p.shape.width, p.sharpness);
    Taps down = taps(pixel.y, look_up(p.dy, pixel), p.shape.height, p.sharpness);
    float confidence = look_up(p.confidence, pixel);
    float trust = fminf(fmaxf((confidence - p.none) / (p.full - p.none), 0.0f), 1.0f);
    int columns[4];
    size_t rows[4];
    for (int i = 0; i < 4; i++) {
        columns[i] = fold(across.first + i, p.shape.width, p.shape.border);
        // Nothing comes in from the opposite edge above and below.
        rows[i] = place(p.shape, 0, fold(down.first + i, p.shape.height, REPLICATE));
    }
    size_t at = place(p.shape, pixel.x, pixel.y);
    p.distrust[at] = 1.0f - trust;
    if (trust < 1.0f) {
        p.doubted[pixel.y / p.tile_height * p.tiles_x + pixel.x / p.tile_width] = 1;
    }
    for (int c = 0; c < p.updated_channels; c++) {
        const float *channel = p.cells + c * plane(p.shape);
        float sum = 0.0f;
        for (int i = 0; i < 4; i++) {
            float row = 0.0f;
            for (int j = 0; j < 4; j++) {
                row += across.weights[j] * channel[rows[i] + columns[j]];
            }
            sum += down.weights[i] * row;
        }
        if (trust < 1.0f) {
            float anew = start_value(p.frozen, p.shape, p.frozen_channels, p.seed, c, pixel);
            sum = trust * sum + (1.0f - trust) * anew;
        }
        p.next[c * plane(p.shape) + at] = sum;
    }
}

// Takes a step over into the state, the less the more a pixel's motion is believed.
extern "C" __global__ void grow(const __grid_constant__ GrowParameters p) {
    Pixel pixel = this_pixel();
    if (!is_inside(p.shape, pixel)) {
        return;
    }
    size_t at = place(p.shape, pixel.x, pixel.y);
    float distrust = p.distrust[at];
    if (distrust > 0.0f) {
        for (int c = 0; c < p.updated_channels; c++) {
            float *value = p.cells + c * plane(p.shape) + at;
            *value += distrust * (p.next[c * plane(p.shape) + at] - *value);
        }
    }
}

// The output picture as red, green and blue planes of samples, rows Shape::pitch apart.
extern "C" __global__ void render(const __grid_constant__ RenderParameters p) {
    Pixel pixel = this_pixel();
    if (!is_inside(p.shape, pixel)) {
        return;
    }
    size_t at = place(p.shape, pixel.x, pixel.y);
    for (int c = 0; c < 3; c++) {
        float sample = (p.cells[c * plane(p.shape) + at] + 0.5f) * 255.0f;
        p.samples[c * plane(p.shape) + at] = static_cast<unsigned char>(fminf(fmaxf(sample, 0.0f), 255.0f) + 0.5f);
    }
}
