// libcuda on a processor: as much of the driver API as the engine calls, with one device whose
// kernels are the engine's own sources, compiled by a C++ compiler. tests/cuda.rs builds it.
//
// What a card leaves undefined is made to hurt: memory begins as NaN and is checked for writes
// beyond its ends, and what is queued on a stream happens only when somebody waits for it.

#include <atomic>
#include <map>
#include <mutex>
#include <string>

#include "step_half.cuh"
#include "step_full.cu"
#include "frame.cu"
#include "step_half.def"

namespace {

enum Result {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    INVALID_PTX = 218,
    NOT_FOUND = 500,
    ILLEGAL_ADDRESS = 700,
};

struct Kernel {
    size_t parameter_bytes;
    std::function<void(const void *)> run;
    int shared_limit;
};

template <typename P>
Kernel kernel(void (*function)(P)) {
    return {sizeof(P), [function](const void *p) { function(*static_cast<const P *>(p)); }, 48 * 1024};
}

std::map<std::string, Kernel> &kernels() {
    static std::map<std::string, Kernel> kernels = {
        {"set_source", kernel(set_source)},
        {"seed", kernel(seed)},
        {"carry", kernel(carry)},
        {"grow", kernel(grow)},
        {"render", kernel(render)},
        {"step_full", kernel(step_full)},
        {"step_full_wide", kernel(step_full_wide)},
#undef STEP_HALF
#define STEP_HALF(name, ...) {#name, kernel(name)},
#include "step_half.def"
    };
    return kernels;
}

using Work = std::function<void()>;
using Graph = std::vector<Work>;

struct Stream {
    Graph queue;
    Graph *captured = nullptr;
};

struct Event { Stream *stream = nullptr; };

std::mutex mutex;
std::map<uintptr_t, size_t> allocations;
size_t memory_left = size_t(4) << 30;
int failure = SUCCESS;
int push_failure = SUCCESS;
std::atomic<int> pushed{0};
std::atomic<unsigned> launches{0};

void enqueue(Stream *stream, Work work) {
    (stream->captured ? *stream->captured : stream->queue).push_back(std::move(work));
}

void check_guards() {
    for (auto [address, size] : allocations) {
        for (size_t i = 0; i < emulator::GUARD; i++) {
            auto guard = reinterpret_cast<unsigned char *>(address);
            if (guard[-1 - static_cast<ptrdiff_t>(i)] != emulator::GUARDED || guard[size + i] != emulator::GUARDED) {
                emulator::fail("writes beyond its memory");
            }
        }
    }
}

int drain(Stream *stream) {
    for (Work &work : stream->queue) {
        work();
    }
    stream->queue.clear();
    return failure;
}

// On the thread that waits: tests run side by side already.
void launch(const Kernel &kernel, emulator::Index blocks, emulator::Index threads, size_t shared,
            const std::vector<unsigned char> &parameters) {
    int direction = launches++ % 2 ? -1 : 1;
    std::function<void()> run = [&] { kernel.run(parameters.data()); };
    for (unsigned i = 0; i < blocks.x * blocks.y * blocks.z; i++) {
        emulator::Index index = {i % blocks.x, i / blocks.x % blocks.y, i / blocks.x / blocks.y};
        emulator::run_block(index, threads, blocks, shared, direction, run);
    }
    std::lock_guard lock(mutex);
    check_guards();
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

// For tests: every call that waits returns this from now on.
void emulated_failure(int result) { failure = result; }
// For tests: bytes that can still be allocated.
void emulated_memory(size_t bytes) { memory_left = bytes; }
// For tests: pushing a context returns this from now on.
void emulated_push_failure(int result) { push_failure = result; }
// For tests: contexts that were pushed and not popped; negative: somebody else's were popped.
int emulated_balance() { return pushed; }

int cuInit(unsigned) { return SUCCESS; }
int cuDriverGetVersion(int *version) { *version = 12010; return SUCCESS; }
int cuGetErrorName(int result, const char **name) {
    *name = result == ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR_OF_THE_EMULATOR";
    return SUCCESS;
}
int cuGetErrorString(int, const char **text) { *text = "as the emulator was told"; return SUCCESS; }
int cuDeviceGetCount(int *count) { *count = 1; return SUCCESS; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return ordinal == 0 ? SUCCESS : INVALID_VALUE; }
int cuDeviceGetName(char *name, int length, int) { snprintf(name, length, "Emulated %d", EMULATED_TARGET); return SUCCESS; }
int cuDeviceGetAttribute(int *value, int attribute, int) {
    switch (attribute) {
    case 16: *value = 3; return SUCCESS;                                   // multiprocessors
    case 75: *value = EMULATED_TARGET / 10; return SUCCESS;                // compute capability, major
    case 76: *value = EMULATED_TARGET % 10; return SUCCESS;                // and minor
    case 97: *value = EMULATED_TARGET >= 80 ? 166912 : 65536; return SUCCESS; // shared memory of a block
    default: return INVALID_VALUE;
    }
}
int cuDevicePrimaryCtxRetain(void **context, int) { *context = &memory_left; return SUCCESS; }
int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
int cuCtxPushCurrent_v2(void *) {
    if (push_failure == SUCCESS) {
        pushed++;
    }
    return push_failure;
}
int cuCtxPopCurrent_v2(void **context) { *context = &memory_left; pushed--; return SUCCESS; }

int cuModuleLoadDataEx(void **module, const void *ptx, unsigned, int *, void **) {
    *module = &memory_left;
    auto text = static_cast<const char *>(ptx);
    return strstr(text, ".version") && strstr(text, ".entry") ? SUCCESS : INVALID_PTX;
}
int cuModuleUnload(void *) { return SUCCESS; }
int cuModuleGetFunction(void **function, void *, const char *name) {
    auto found = kernels().find(name);
    if (found == kernels().end()) {
        return NOT_FOUND;
    }
    // Attributes belong to a function of a module, not to all of its name.
    *function = new Kernel(found->second);
    return SUCCESS;
}
int cuFuncSetAttribute(void *function, int attribute, int value) {
    int limit = 0;
    cuDeviceGetAttribute(&limit, 97, 0);
    if (attribute != 8 || value > limit) {
        return INVALID_VALUE;
    }
    static_cast<Kernel *>(function)->shared_limit = value;
    return SUCCESS;
}
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *, int, size_t) { *blocks = 2; return SUCCESS; }

int cuStreamCreate(void **stream, unsigned) { *stream = new Stream; return SUCCESS; }
// Events may still refer to it.
int cuStreamDestroy_v2(void *stream) { drain(static_cast<Stream *>(stream)); return SUCCESS; }
int cuStreamSynchronize(void *stream) { return drain(static_cast<Stream *>(stream)); }
int cuEventCreate(void **event, unsigned) { *event = new Event; return SUCCESS; }
int cuEventDestroy_v2(void *event) { delete static_cast<Event *>(event); return SUCCESS; }
int cuEventRecord(void *event, void *stream) {
    static_cast<Event *>(event)->stream = static_cast<Stream *>(stream);
    return SUCCESS;
}
int cuEventSynchronize(void *event) {
    Stream *stream = static_cast<Event *>(event)->stream;
    return stream ? drain(stream) : SUCCESS;
}
int cuEventElapsedTime(float *ms, void *, void *) { *ms = 0.0f; return SUCCESS; }

int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
    if (bytes > memory_left) {
        return OUT_OF_MEMORY;
    }
    using emulator::GUARD;
    auto memory = static_cast<unsigned char *>(aligned_alloc(4096, (bytes + 2 * GUARD + 4095) / 4096 * 4096));
    memset(memory, emulator::GUARDED, bytes + 2 * GUARD);
    memset(memory + GUARD, emulator::POISON, bytes);
    *address = reinterpret_cast<uintptr_t>(memory + GUARD);
    std::lock_guard lock(mutex);
    allocations[*address] = bytes;
    return SUCCESS;
}
int cuMemFree_v2(uint64_t address) {
    std::lock_guard lock(mutex);
    check_guards();
    allocations.erase(address);
    free(reinterpret_cast<unsigned char *>(address) - emulator::GUARD);
    return SUCCESS;
}
int cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
    *memory = malloc(bytes);
    memset(*memory, emulator::POISON, bytes);
    return SUCCESS;
}
int cuMemFreeHost(void *memory) { free(memory); return SUCCESS; }

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
    enqueue(static_cast<Stream *>(stream), [=] { memcpy(reinterpret_cast<void *>(to), from, bytes); });
    return SUCCESS;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
    enqueue(static_cast<Stream *>(stream), [=] { memcpy(to, reinterpret_cast<void *>(from), bytes); });
    return SUCCESS;
}
int cuMemsetD32Async(uint64_t to, unsigned value, size_t count, void *stream) {
    enqueue(static_cast<Stream *>(stream), [=] { std::fill_n(reinterpret_cast<unsigned *>(to), count, value); });
    return SUCCESS;
}

int cuLaunchKernel(void *function, unsigned bx, unsigned by, unsigned bz, unsigned tx, unsigned ty, unsigned tz,
                   unsigned shared, void *stream, void **parameters, void **) {
    auto kernel = static_cast<Kernel *>(function);
    if (static_cast<int>(shared) > kernel->shared_limit || tx * ty * tz > 1024 || !(bx && by && bz)) {
        return INVALID_VALUE;
    }
    auto first = static_cast<const unsigned char *>(parameters[0]);
    std::vector<unsigned char> copy(first, first + kernel->parameter_bytes);
    enqueue(static_cast<Stream *>(stream), [=] { launch(*kernel, {bx, by, bz}, {tx, ty, tz}, shared, copy); });
    return SUCCESS;
}

int cuStreamBeginCapture_v2(void *stream, int) {
    static_cast<Stream *>(stream)->captured = new Graph;
    return SUCCESS;
}
int cuStreamEndCapture(void *stream, void **graph) {
    *graph = static_cast<Stream *>(stream)->captured;
    static_cast<Stream *>(stream)->captured = nullptr;
    return SUCCESS;
}
int cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long) {
    *executable = new Graph(*static_cast<Graph *>(graph));
    return SUCCESS;
}
int cuGraphLaunch(void *executable, void *stream) {
    for (const Work &work : *static_cast<Graph *>(executable)) {
        enqueue(static_cast<Stream *>(stream), work);
    }
    return SUCCESS;
}
int cuGraphExecDestroy(void *executable) { delete static_cast<Graph *>(executable); return SUCCESS; }
int cuGraphDestroy(void *graph) { delete static_cast<Graph *>(graph); return SUCCESS; }

}  // extern "C"
