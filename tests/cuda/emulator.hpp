// A block of CUDA threads on a processor: what kernels/primitives.cuh is on a card.
//
// Every thread is a fiber that runs until it must wait for others: at a barrier, or for its warp
// where the warp works as one. What a card leaves undefined is made to hurt: shared memory begins
// as NaN, asynchronous copies arrive as late as they may, and a launch runs the threads of a block
// forwards, the next one backwards, so that a missing barrier shows either way.
#pragma once

#include <cmath>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <ucontext.h>
#include <vector>

// The compute capability, times ten: 75 or 80.
#ifndef EMULATED_TARGET
#error "EMULATED_TARGET is not defined"
#endif
#define __CUDA_ARCH__ (EMULATED_TARGET * 10)

#define __device__
#define __global__
#define __grid_constant__
#define __launch_bounds__(...)

struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(16) float4 { float x, y, z, w; };
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
using std::isfinite;
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fdiv_rn(float a, float b) { return a / b; }

namespace emulator {
// Nothing is shared with another card that is emulated in the same process.
namespace {

struct Index { unsigned x = 0, y = 0, z = 0; };

constexpr unsigned WARP = 32;
constexpr size_t STACK = 256 * 1024;
// Beyond what a launch asked for, to see whether it is written to.
constexpr size_t GUARD = 4096;
constexpr unsigned char POISON = 0xff, GUARDED = 0xa5;

[[noreturn]] inline void fail(const char *what) {
    fprintf(stderr, "the emulated kernel %s\n", what);
    abort();
}

// What a lane hands over when its warp works as one.
struct Operands {
    int inputs;
    float *sums;
    unsigned a[4];
    unsigned b[2];
};

struct Copy { void *to; const void *from; size_t size; };

struct Thread {
    enum { READY, AT_BARRIER, IN_WARP, DONE } state;
    Index index;
    ucontext_t start;
    jmp_buf resume;
    bool started;
    Operands operands;
    std::vector<Copy> copies;
};

struct Block {
    Index index, threads, blocks;
    std::vector<unsigned char> shared;
    size_t shared_bytes = 0;
    std::vector<Thread> fibers;
    std::unique_ptr<unsigned char[]> stacks;
    unsigned current = 0, count = 0;
    int direction = 1;
    const std::function<void()> *kernel = nullptr;
    jmp_buf caller;
};

inline thread_local Block block;

inline Thread &thread() { return block.fibers[block.current]; }

inline void enter() {
    (*block.kernel)();
    thread().state = Thread::DONE;
    if (!thread().copies.empty()) {
        fail("does not wait for its copies");
    }
    _longjmp(block.caller, 1);
}

// Runs another thread that is ready, or ends the block when all are done.
inline void run_next() {
    unsigned waiting = 0, done = 0;
    for (unsigned i = 1; i <= block.count; i++) {
        unsigned step = block.direction > 0 ? i : block.count - i;
        unsigned next = (block.current + step) % block.count;
        Thread &fiber = block.fibers[next];
        if (fiber.state == Thread::READY) {
            block.current = next;
            if (fiber.started) {
                _longjmp(fiber.resume, 1);
            }
            fiber.started = true;
            setcontext(&fiber.start);
        }
        waiting += fiber.state == Thread::AT_BARRIER;
        done += fiber.state == Thread::DONE;
    }
    if (done == block.count) {
        return;
    }
    if (waiting != block.count) {
        fail("waits for threads that do not come");
    }
    for (Thread &fiber : block.fibers) {
        fiber.state = Thread::READY;
    }
    run_next();
}

inline void wait() {
    if (_setjmp(thread().resume) == 0) {
        run_next();
    }
}

inline void run_block(Index index, Index threads, Index blocks, size_t shared_bytes, int direction,
                      const std::function<void()> &kernel) {
    unsigned count = threads.x * threads.y * threads.z;
    block.index = index;
    block.threads = threads;
    block.blocks = blocks;
    block.kernel = &kernel;
    block.direction = direction;
    block.shared_bytes = shared_bytes;
    block.shared.assign(shared_bytes + GUARD + 16, POISON);
    memset(block.shared.data() + shared_bytes + 16, GUARDED, GUARD);
    if (block.count != count) {
        block.fibers = std::vector<Thread>(count);
        block.stacks.reset(new unsigned char[count * STACK]);
        block.count = count;
    }
    for (unsigned i = 0; i < count; i++) {
        Thread &fiber = block.fibers[i];
        fiber.state = Thread::READY;
        fiber.started = false;
        fiber.index = {i % threads.x, i / threads.x % threads.y, i / threads.x / threads.y};
        getcontext(&fiber.start);
        fiber.start.uc_stack.ss_sp = block.stacks.get() + i * STACK;
        fiber.start.uc_stack.ss_size = STACK;
        fiber.start.uc_link = nullptr;
        makecontext(&fiber.start, enter, 0);
    }
    block.current = direction > 0 ? count - 1 : 0;
    // A thread that is done comes back here.
    _setjmp(block.caller);
    run_next();
    for (size_t i = 0; i < GUARD; i++) {
        if (block.shared[shared_bytes + 16 + i] != GUARDED) {
            fail("writes beyond its shared memory");
        }
    }
}

inline uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return bits;
}

// IEEE 754 binary16, rounded to nearest even.
inline uint16_t to_half(float value) {
    uint16_t sign = bits_of(value) >> 16 & 0x8000;
    float magnitude = std::fabs(value);
    uint32_t bits = bits_of(magnitude);
    if (std::isnan(value)) {
        return 0x7fff;
    }
    if (magnitude >= 65536.0f) {
        return sign | 0x7c00;
    }
    if (magnitude < 0x1p-14f) {
        // The last place of numbers from 0.5 on is that of subnormal halves.
        return sign | (bits_of(magnitude + 0.5f) - bits_of(0.5f));
    }
    // A carry goes from the mantissa to the exponent.
    bits += 0xfff + (bits >> 13 & 1);
    return sign | (bits - (112 << 23)) >> 13;
}

inline float from_half(uint16_t half) {
    static const std::vector<float> values = [] {
        std::vector<float> values(65536);
        for (unsigned half = 0; half < 65536; half++) {
            int exponent = half >> 10 & 31, mantissa = half & 1023;
            float magnitude = exponent == 31 ? (mantissa ? NAN : INFINITY)
                              : exponent     ? std::ldexp(1024.0f + mantissa, exponent - 25)
                                             : std::ldexp(static_cast<float>(mantissa), -24);
            values[half] = half & 0x8000 ? -magnitude : magnitude;
        }
        return values;
    }();
    return values[half];
}

inline float element(const unsigned *registers, int i) {
    return from_half(registers[i / 2] >> (i % 2 * 16) & 0xffff);
}

// D = A B + C with the fragments as the PTX ISA lays them out ("Matrix Fragments for mma.m16n8k8"
// and "... mma.m16n8k16", .f16 operands, .f32 sums), where groupID is lane / 4 and
// threadID_in_group is lane % 4.
inline void multiply(Thread *lanes, int inputs) {
    static thread_local float a[16][16], b[16][8];
    for (unsigned lane = 0; lane < WARP; lane++) {
        int group = lane / 4, in_group = lane % 4;
        const Operands &operands = lanes[lane].operands;
        if (operands.inputs != inputs) {
            fail("has lanes of a warp that are not at the same place");
        }
        if (inputs == 16) {
            for (int i = 0; i < 8; i++) {
                int row = i < 2 || (4 <= i && i < 6) ? group : group + 8;
                int column = in_group * 2 + (i & 1) + (i >= 4 ? 8 : 0);
                a[row][column] = element(operands.a, i);
            }
            for (int i = 0; i < 4; i++) {
                int row = in_group * 2 + (i & 1) + (i >= 2 ? 8 : 0);
                b[row][group] = element(operands.b, i);
            }
        } else {
            for (int i = 0; i < 4; i++) {
                int row = i < 2 ? group : group + 8;
                a[row][in_group * 2 + (i & 1)] = element(operands.a, i);
            }
            for (int i = 0; i < 2; i++) {
                b[in_group * 2 + i][group] = element(operands.b, i);
            }
        }
    }
    for (unsigned lane = 0; lane < WARP; lane++) {
        for (int i = 0; i < 4; i++) {
            int row = i < 2 ? lane / 4 : lane / 4 + 8;
            int column = lane % 4 * 2 + (i & 1);
            float sum = lanes[lane].operands.sums[i];
            for (int k = 0; k < inputs; k++) {
                sum += a[row][k] * b[k][column];
            }
            lanes[lane].operands.sums[i] = sum;
        }
    }
}

// The last lane of a warp to come computes for all.
inline void multiply_as_warp(const Operands &operands) {
    thread().operands = operands;
    thread().state = Thread::IN_WARP;
    Thread *lanes = &block.fibers[block.current / WARP * WARP];
    for (unsigned lane = 0; lane < WARP; lane++) {
        if (lanes[lane].state != Thread::IN_WARP) {
            return wait();
        }
    }
    multiply(lanes, operands.inputs);
    for (unsigned lane = 0; lane < WARP; lane++) {
        lanes[lane].state = Thread::READY;
    }
}

}  // namespace
}  // namespace emulator

#define threadIdx (emulator::thread().index)
#define blockIdx (emulator::block.index)
#define blockDim (emulator::block.threads)
#define gridDim (emulator::block.blocks)

inline void __syncthreads() {
    emulator::thread().state = emulator::Thread::AT_BARRIER;
    emulator::wait();
}

namespace device {

inline unsigned pack(float low, float high) {
    return emulator::to_half(low) | static_cast<unsigned>(emulator::to_half(high)) << 16;
}

inline unsigned pack_rectified(float low, float high) {
    return pack(low < 0.0f ? 0.0f : low, high < 0.0f ? 0.0f : high);
}

inline void multiply_8(float (&sums)[4], const unsigned (&a)[2], unsigned b) {
    emulator::multiply_as_warp({8, sums, {a[0], a[1]}, {b}});
}

inline void multiply_16(float (&sums)[4], const unsigned (&low)[2], const unsigned (&high)[2], unsigned b_low,
                        unsigned b_high) {
#if EMULATED_TARGET >= 80
    emulator::multiply_as_warp({16, sums, {low[0], low[1], high[0], high[1]}, {b_low, b_high}});
#else
    multiply_8(sums, low, b_low);
    multiply_8(sums, high, b_high);
#endif
}

template <typename T>
inline void copy_to_shared(T *to, const T *from) {
    if (reinterpret_cast<uintptr_t>(to) % sizeof(T) || reinterpret_cast<uintptr_t>(from) % sizeof(T)) {
        emulator::fail("copies what is not aligned");
    }
#if EMULATED_TARGET >= 80
    emulator::thread().copies.push_back({to, from, sizeof(T)});
#else
    *to = *from;
#endif
}

inline void await_copies() {
    for (const emulator::Copy &copy : emulator::thread().copies) {
        memcpy(copy.to, copy.from, copy.size);
    }
    emulator::thread().copies.clear();
}

inline float *shared_memory() {
    unsigned char *memory = emulator::block.shared.data();
    return reinterpret_cast<float *>(memory + (16 - reinterpret_cast<uintptr_t>(memory) % 16) % 16);
}

}  // namespace device
