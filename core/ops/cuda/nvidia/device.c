/* device.h over the CUDA runtime. */
#include "device.h"

#include <cuda_runtime.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

struct sim_device {
    struct sim_device_facts facts;
    cudaStream_t streams[SIM_STREAMS];
    int failed;
    char sentence[1024];
};

/* The first launch that failed (kernels/kernel.h), until some device's sim_device_failure picks it up. */
static _Thread_local char failed_launch[512];

void sim_kernel_failed(const char *kernel, const unsigned grid[3], const unsigned block[3],
                       size_t shared_bytes, const char *answer); /* kernel.h declares it, for nvcc */
void sim_kernel_failed(const char *kernel, const unsigned grid[3], const unsigned block[3],
                       size_t shared_bytes, const char *answer)
{
    if (*failed_launch) return;
    snprintf(failed_launch, sizeof failed_launch,
             "kernel %s, %u x %u x %u blocks of %u x %u x %u threads with %zu bytes of shared memory: %s",
             kernel, grid[0], grid[1], grid[2], block[0], block[1], block[2], shared_bytes, answer);
}

/* ------------------------------------------------------------------ failures */

void sim_device_fail(struct sim_device *d, const char *format, ...)
{
    if (d->failed) return;
    d->failed = 1;
    va_list args;
    va_start(args, format);
    vsnprintf(d->sentence, sizeof d->sentence, format, args);
    va_end(args);
}

const char *sim_device_failure(struct sim_device *d, int clear)
{
    cudaError_t late = cudaGetLastError();
    if (*failed_launch) sim_device_fail(d, "%s", failed_launch);
    if (late != cudaSuccess) sim_device_fail(d, "%s: %s", cudaGetErrorName(late), cudaGetErrorString(late));
    *failed_launch = 0;
    if (!d->failed) return NULL;
    if (clear) d->failed = 0;
    return d->sentence;
}

/* 1 where the call went well; keeps the failure of one that did not. */
static int went_well(struct sim_device *d, cudaError_t answer, const char *what)
{
    if (answer == cudaSuccess) return 1;
    cudaGetLastError(); /* is told here, and not again by the next question */
    sim_device_fail(d, "%s: %s (%s)", what, cudaGetErrorString(answer), cudaGetErrorName(answer));
    return 0;
}

/* ------------------------------------------------------------------ opening */

/* Why there is no such device. */
static sim_status no_device(int ordinal, int count, cudaError_t answer, int driver, int runtime)
{
    char versions[128];
    snprintf(versions, sizeof versions, "the driver is for CUDA %d.%d, this program was built with %d.%d",
             driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    if (driver == 0)
        return sim_fail(
            SIM_EINVAL,
            "this machine has no NVIDIA driver, and so no CUDA device; --device cpu does without");
    if (answer == cudaErrorInsufficientDriver)
        return sim_fail(SIM_EINVAL, "the NVIDIA driver is too old: %s; a driver for that or later will do",
                        versions);
    if (answer != cudaSuccess && answer != cudaErrorNoDevice)
        return sim_fail(SIM_ELIB, "no CUDA device can be used: %s (%s)", cudaGetErrorString(answer),
                        versions);
    if (count == 0)
        return sim_fail(SIM_EINVAL,
                        "no CUDA device is to be seen: there is none, or CUDA_VISIBLE_DEVICES hides it (%s)",
                        versions);
    return sim_fail(SIM_EINVAL, "there is no device cuda:%d: this machine shows %d, the first cuda:0 (%s)",
                    ordinal, count, versions);
}

int sim_device_runtime(void)
{
    int version = 0;
    return cudaRuntimeGetVersion(&version) == cudaSuccess ? version : 0;
}

sim_status sim_device_open(struct sim_device **out, int ordinal)
{
    *out = NULL;
    int count = 0, driver = 0, runtime = sim_device_runtime();
    cudaDriverGetVersion(&driver);
    cudaError_t answer = cudaGetDeviceCount(&count);
    cudaGetLastError();
    if (answer != cudaSuccess || ordinal < 0 || ordinal >= count)
        return no_device(ordinal, count, answer, driver, runtime);

    struct sim_device *d = sim_calloc_aligned(1, sizeof *d);
    if (!d) return sim_fail(SIM_ENOMEM, "no memory for the device's state");
    struct cudaDeviceProp p;
    int well = went_well(d, cudaSetDevice(ordinal), "choosing the device") &&
               went_well(d, cudaGetDeviceProperties(&p, ordinal), "reading the device's properties");
    for (int i = 0; well && i < SIM_STREAMS; i++)
        well =
            went_well(d, cudaStreamCreateWithFlags(&d->streams[i], cudaStreamNonBlocking), "making a stream");
    if (!well) {
        sim_fail(SIM_ELIB, "cuda:%d: %s", ordinal, d->sentence);
        sim_device_close(d);
        return SIM_ELIB;
    }
    d->facts = (struct sim_device_facts){
        .major = p.major,
        .minor = p.minor,
        .multiprocessors = p.multiProcessorCount,
        .memory_bytes = (int64_t)p.totalGlobalMem,
        .l2_bytes = p.l2CacheSize,
        .driver = driver,
        .runtime = runtime,
    };
    snprintf(d->facts.name, sizeof d->facts.name, "%s", p.name);
    *out = d;
    return SIM_OK;
}

void sim_device_close(struct sim_device *d)
{
    if (!d) return;
    for (int i = 0; i < SIM_STREAMS; i++)
        if (d->streams[i]) cudaStreamDestroy(d->streams[i]);
    free(d);
}

const struct sim_device_facts *sim_device_facts(const struct sim_device *d)
{
    return &d->facts;
}

sim_stream sim_device_stream(const struct sim_device *d, enum sim_lane_of which)
{
    return d->streams[which];
}

/* ------------------------------------------------------------------ memory */

void *sim_device_take(struct sim_device *d, size_t bytes)
{
    void *at = NULL;
    size_t available = 0, total = 0;
    cudaError_t answer = cudaMalloc(&at, bytes ? bytes : 1);
    if (answer == cudaSuccess) {
        /* Zeroed when this returns: the other streams do not wait for the default one. */
        answer = cudaMemset(at, 0, bytes);
        if (answer == cudaSuccess) answer = cudaStreamSynchronize(cudaStreamLegacy);
        if (answer == cudaSuccess) return at;
        cudaFree(at);
    }
    cudaGetLastError();
    if (answer == cudaErrorMemoryAllocation && cudaMemGetInfo(&available, &total) == cudaSuccess)
        sim_fail(SIM_ENOMEM, "no memory for %zu bytes on %s, where %zu of %zu bytes are free", bytes,
                 d->facts.name, available, total);
    else
        sim_fail(SIM_ELIB, "taking %zu bytes on %s: %s", bytes, d->facts.name, cudaGetErrorString(answer));
    cudaGetLastError();
    return NULL;
}

int64_t sim_device_free_bytes(const struct sim_device *d)
{
    size_t available = 0, total = 0;
    (void)d; /* the runtime's current device */
    if (cudaMemGetInfo(&available, &total) == cudaSuccess) return (int64_t)available;
    cudaGetLastError();
    return 0;
}

void sim_device_release(struct sim_device *d, void *block)
{
    if (block) went_well(d, cudaFree(block), "releasing device memory"); /* cudaFree waits for the device */
}

void *sim_device_take_pinned(struct sim_device *d, size_t bytes)
{
    void *at = NULL;
    (void)d;
    cudaError_t answer = cudaMallocHost(&at, bytes ? bytes : 1);
    if (answer == cudaSuccess) return memset(at, 0, bytes);
    cudaGetLastError();
    sim_fail(SIM_ENOMEM, "no page-locked host memory for %zu bytes: %s", bytes, cudaGetErrorString(answer));
    return NULL;
}

void sim_device_release_pinned(struct sim_device *d, void *block)
{
    if (block) went_well(d, cudaFreeHost(block), "releasing page-locked memory");
}

void sim_device_copy(struct sim_device *d, sim_stream s, void *to, const void *from, size_t bytes,
                     enum sim_direction way)
{
    static const enum cudaMemcpyKind kinds[] = {[SIM_TO_DEVICE] = cudaMemcpyHostToDevice,
                                                [SIM_TO_HOST] = cudaMemcpyDeviceToHost,
                                                [SIM_ON_DEVICE] = cudaMemcpyDeviceToDevice};
    if (d->failed || bytes == 0 || to == from) return;
    went_well(d, cudaMemcpyAsync(to, from, bytes, kinds[way], s), "queueing a copy");
}

void sim_device_zero(struct sim_device *d, sim_stream s, void *at, size_t bytes)
{
    if (!d->failed && bytes) went_well(d, cudaMemsetAsync(at, 0, bytes, s), "queueing zeroes");
}

/* ------------------------------------------------------------------ events and waiting */

sim_event sim_device_event_open(struct sim_device *d)
{
    cudaEvent_t e = NULL;
    return !d->failed && went_well(d, cudaEventCreate(&e), "making an event") ? e : NULL;
}

void sim_device_event_close(struct sim_device *d, sim_event e)
{
    if (e) went_well(d, cudaEventDestroy(e), "releasing an event");
}

void sim_device_event_record(struct sim_device *d, sim_event e, sim_stream s)
{
    if (!d->failed && e) went_well(d, cudaEventRecord(e, s), "recording an event");
}

void sim_device_stream_waits(struct sim_device *d, sim_stream s, sim_event e)
{
    if (!d->failed && e) went_well(d, cudaStreamWaitEvent(s, e, 0), "making a stream wait");
}

void sim_device_event_wait(struct sim_device *d, sim_event e)
{
    if (!d->failed && e) went_well(d, cudaEventSynchronize(e), "waiting for the device");
}

int sim_device_event_passed(struct sim_device *d, sim_event e)
{
    if (d->failed || !e) return 1;
    cudaError_t answer = cudaEventQuery(e);
    if (answer == cudaErrorNotReady) {
        cudaGetLastError();
        return 0;
    }
    went_well(d, answer, "waiting for the device");
    return 1;
}

double sim_device_event_ms(struct sim_device *d, sim_event from, sim_event to)
{
    float ms = 0;
    if (!d->failed && from && to) went_well(d, cudaEventElapsedTime(&ms, from, to), "reading a time");
    return ms;
}

void sim_device_wait(struct sim_device *d)
{
    if (!d->failed) went_well(d, cudaDeviceSynchronize(), "waiting for the device");
}

/* ------------------------------------------------------------------ graphs */

void sim_device_capture_begin(struct sim_device *d)
{
    if (d->failed) return;
    went_well(d, cudaStreamBeginCapture(d->streams[SIM_STREAM_COMPUTE], cudaStreamCaptureModeThreadLocal),
              "beginning to capture a graph");
}

sim_graph sim_device_capture_end(struct sim_device *d)
{
    cudaGraph_t graph = NULL;
    cudaGraphExec_t ready = NULL;
    /* Also after a failure: the stream must come out of its capture. */
    int well =
        went_well(d, cudaStreamEndCapture(d->streams[SIM_STREAM_COMPUTE], &graph), "capturing a graph");
    if (well && !sim_device_failure(d, 0))
        went_well(d, cudaGraphInstantiate(&ready, graph, 0), "making a captured graph ready");
    if (graph) cudaGraphDestroy(graph);
    return ready;
}

void sim_device_graph_launch(struct sim_device *d, sim_graph g)
{
    if (!d->failed && g)
        went_well(d, cudaGraphLaunch(g, d->streams[SIM_STREAM_COMPUTE]), "launching a captured graph");
}

void sim_device_graph_close(struct sim_device *d, sim_graph g)
{
    if (g) went_well(d, cudaGraphExecDestroy(g), "releasing a captured graph");
}
