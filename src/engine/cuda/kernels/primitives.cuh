// What the kernels need of the hardware beside C++. The headers of the CUDA toolkit are not there
// when NVRTC compiles them, and on a processor tests/cuda/emulator.hpp takes the place of all this.
#pragma once

#ifndef __CUDACC_RTC__
#include "emulator.hpp"
#else

namespace device {

// Two values rounded to half precision, the first in the lower half. Beneath zero: zero.
__device__ inline unsigned pack_rectified(float low, float high) {
    unsigned packed;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.relu.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
#else
    asm("{\n"
        ".reg .f16 low, high;\n"
        "cvt.rn.f16.f32 low, %1;\n"
        "cvt.rn.f16.f32 high, %2;\n"
        "mov.b32 %0, {low, high};\n"
        "}"
        : "=r"(packed)
        : "f"(fmaxf(low, 0.0f)), "f"(fmaxf(high, 0.0f)));
#endif
    return packed;
}

// Two values rounded to half precision, the first in the lower half.
__device__ inline unsigned pack(float low, float high) {
    unsigned packed;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
#else
    asm("{\n"
        ".reg .f16 low, high;\n"
        "cvt.rn.f16.f32 low, %1;\n"
        "cvt.rn.f16.f32 high, %2;\n"
        "mov.b32 %0, {low, high};\n"
        "}"
        : "=r"(packed)
        : "f"(low), "f"(high));
#endif
    return packed;
}

// sums += a * b for 16 rows of a, 8 columns of b and 8 values along the sum.
__device__ inline void multiply_8(float (&sums)[4], const unsigned (&a)[2], unsigned b) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(b));
}

// The same for 16 values along the sum: 8 in `low` and `b_low`, 8 in `high` and `b_high`.
__device__ inline void multiply_16(float (&sums)[4], const unsigned (&low)[2],
                                   const unsigned (&high)[2], unsigned b_low, unsigned b_high) {
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(low[0]), "r"(low[1]), "r"(high[0]), "r"(high[1]), "r"(b_low), "r"(b_high));
#else
    multiply_8(sums, low, b_low);
    multiply_8(sums, high, b_high);
#endif
}

// Copies a value from global to shared memory; it is there for this thread after `await_copies`
// and for the others after the barrier that follows.
template <typename T>
__device__ inline void copy_to_shared(T *to, const T *from) {
#if __CUDA_ARCH__ >= 800
    static_assert(sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16, "no such copy");
    unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(to));
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(address), "l"(from), "n"(sizeof(T)) : "memory");
#else
    *to = *from;
#endif
}

__device__ inline void await_copies() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}

// The memory that the launch gave to the block.
__device__ inline float *shared_memory() {
    extern __shared__ float4 memory[];
    return reinterpret_cast<float *>(memory);
}

}  // namespace device

#endif
