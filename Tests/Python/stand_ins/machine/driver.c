/* A driver whose GPU has memory, that of the host, and runs nothing: kernels load, and launches are over at once. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t address;
typedef void *handle;
enum { SUCCESS = 0, INVALID_VALUE = 1, NOT_SUPPORTED = 801 };

/* Succeeds, whatever it is given. */
#define WELL(name)                                                                                                     \
    int name(void) { return SUCCESS; }
/* Gives a handle of its own. */
#define MAKES(name)                                                                                                    \
    int name(handle *made) { return *made = malloc(8), SUCCESS; }
/* The same for what is made on another. */
#define MAKES_ON(name)                                                                                                 \
    int name(handle from, handle *made) { return (void)from, *made = malloc(8), SUCCESS; }

WELL(cuInit)
int cuGetErrorName(int code, const char **text) { return (void)code, *text = "STAND_IN", SUCCESS; }
int cuGetErrorString(int code, const char **text) { return (void)code, *text = "the stand-in refuses it", SUCCESS; }
int cuDriverGetVersion(int *version) { return *version = 13000, SUCCESS; }
int cuDeviceGetCount(int *count) { return *count = 1, SUCCESS; }
int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, SUCCESS; }
int cuDeviceTotalMem_v2(size_t *bytes) { return *bytes = (size_t)64 << 30, SUCCESS; }
int cuDeviceGetUuid(void *id) { return memset(id, 7, 16), SUCCESS; }
int cuDeviceCanAccessPeer(int *can) { return *can = 1, SUCCESS; }
int cuDeviceGetP2PAttribute(int *value) { return *value = 1, SUCCESS; }

int cuDeviceGetName(char *name, int room) {
    strncpy(name, "a GPU that runs nothing", (size_t)room);
    return SUCCESS;
}

int cuDeviceGetAttribute(int *value, int attribute) {
    switch (attribute) {
    case 1: *value = 1024; break;       /* threads of a block */
    case 16: *value = 132; break;       /* multiprocessors */
    case 38: *value = 50 << 20; break;  /* L2 */
    case 75: *value = 9; break;         /* compute capability 9.0 */
    case 97: *value = 232448; break;    /* shared memory of a block */
    default: *value = 0;
    }
    return SUCCESS;
}

/* Contexts: there is one, current where it has been pushed. */
static int context;
static __thread handle current[64];
static __thread int depth;
int cuDevicePrimaryCtxRetain(handle *found) { return *found = &context, SUCCESS; }
int cuCtxGetCurrent(handle *found) { return *found = depth ? current[depth - 1] : NULL, SUCCESS; }
int cuCtxPushCurrent_v2(handle pushed) { return current[depth++] = pushed, SUCCESS; }
int cuCtxPopCurrent_v2(handle *popped) { return *popped = current[--depth], SUCCESS; }
int cuCtxGetLimit(size_t *value) { return *value = 0, SUCCESS; }
int cuCtxGetStreamPriorityRange(int *least, int *greatest) { return *least = *greatest = 0, SUCCESS; }
WELL(cuDevicePrimaryCtxRelease_v2) WELL(cuCtxSynchronize) WELL(cuCtxSetLimit)

/* Memory */
enum { MOST = 1 << 16 };
static struct {
    address start, bytes;
} ranges[MOST];
static int count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *zeroed(size_t bytes) {
    void *memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    return memset(memory, 0, bytes);
}

int cuMemAlloc_v2(address *made, size_t bytes) {
    *made = (address)(uintptr_t)zeroed(bytes);
    pthread_mutex_lock(&lock);
    if (count == MOST) abort();
    ranges[count].start = *made;
    ranges[count++].bytes = bytes;
    pthread_mutex_unlock(&lock);
    return SUCCESS;
}

int cuMemFree_v2(address start) {
    pthread_mutex_lock(&lock);
    for (int i = 0; i < count; i++)
        if (ranges[i].start == start) ranges[i].bytes = 0;
    pthread_mutex_unlock(&lock);
    free((void *)(uintptr_t)start);
    return SUCCESS;
}

int cuPointerGetAttribute(void *value, int attribute, address of) {
    int result = INVALID_VALUE;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < count; i++) {
        if (of < ranges[i].start || of >= ranges[i].start + ranges[i].bytes) continue;
        result = SUCCESS;
        if (attribute == 2) *(uint32_t *)value = 2; /* of a device */
        if (attribute == 9) *(uint32_t *)value = 0; /* the first one */
        if (attribute == 11) *(address *)value = ranges[i].start;
        if (attribute == 12) *(address *)value = ranges[i].bytes;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

#define AT(place) ((void *)(uintptr_t)(place))
int cuMemGetInfo_v2(size_t *free, size_t *total) { return *free = *total = (size_t)64 << 30, SUCCESS; }
int cuMemHostAlloc(handle *made, size_t bytes) { return *made = zeroed(bytes), SUCCESS; }
int cuMemFreeHost(handle memory) { return free(memory), SUCCESS; }
int cuMemHostGetDevicePointer_v2(address *found, handle of) { return *found = (address)(uintptr_t)of, SUCCESS; }
int cuMemcpyHtoD_v2(address to, const void *from, size_t bytes) { return memcpy(AT(to), from, bytes), SUCCESS; }
int cuMemcpyDtoH_v2(void *to, address from, size_t bytes) { return memcpy(to, AT(from), bytes), SUCCESS; }
int cuMemcpyHtoDAsync_v2(address to, const void *from, size_t bytes) { return cuMemcpyHtoD_v2(to, from, bytes); }
int cuMemcpyDtoHAsync_v2(void *to, address from, size_t bytes) { return cuMemcpyDtoH_v2(to, from, bytes); }
int cuMemcpyDtoDAsync_v2(address to, address from, size_t bytes) { return memcpy(AT(to), AT(from), bytes), SUCCESS; }
int cuMemsetD8_v2(address at, uint8_t value, size_t times) { return memset(AT(at), value, times), SUCCESS; }
int cuMemsetD8Async(address at, uint8_t value, size_t times) { return cuMemsetD8_v2(at, value, times); }
int cuMemsetD32_v2(address at, uint32_t value, size_t times) {
    for (size_t i = 0; i < times; i++) ((uint32_t *)AT(at))[i] = value;
    return SUCCESS;
}
int cuMemsetD32Async(address at, uint32_t value, size_t times) { return cuMemsetD32_v2(at, value, times); }
int cuIpcGetMemHandle(void) { return NOT_SUPPORTED; }
int cuIpcOpenMemHandle_v2(void) { return NOT_SUPPORTED; }
WELL(cuIpcCloseMemHandle)

/* Streams, events, kernels, graphs */
MAKES(cuStreamCreateWithPriority) MAKES(cuEventCreate) MAKES(cuModuleLoadDataEx) MAKES(cuModuleGetFunction)
MAKES_ON(cuStreamEndCapture) MAKES(cuGraphInstantiateWithFlags)
int cuStreamGetCtx(handle stream, handle *found) { return (void)stream, *found = &context, SUCCESS; }
int cuStreamIsCapturing(handle stream, int *is) { return (void)stream, *is = 0, SUCCESS; }
int cuEventElapsedTime(float *milliseconds) { return *milliseconds = 1, SUCCESS; }
int cuFuncGetAttribute(int *value, int attribute) { return *value = attribute == 0 ? 1024 : 0, SUCCESS; }
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks) { return *blocks = 8, SUCCESS; }
int cuOccupancyMaxActiveClusters(int *clusters) { return *clusters = 132, SUCCESS; }
int cuGraphGetNodes(handle graph, handle *nodes, size_t *n) { return (void)graph, (void)nodes, *n = 1, SUCCESS; }
int cuTensorMapEncodeTiled(void *map) { return memset(map, 0, 128), SUCCESS; }
WELL(cuStreamDestroy_v2) WELL(cuStreamSynchronize) WELL(cuStreamQuery) WELL(cuStreamWaitEvent)
WELL(cuEventDestroy_v2) WELL(cuEventRecordWithFlags) WELL(cuEventQuery) WELL(cuEventSynchronize)
WELL(cuModuleUnload) WELL(cuLinkCreate_v2) WELL(cuLinkAddData_v2) WELL(cuLinkComplete) WELL(cuLinkDestroy)
WELL(cuFuncSetAttribute) WELL(cuLaunchKernelEx) WELL(cuStreamBeginCapture_v2)
WELL(cuGraphUpload) WELL(cuGraphLaunch) WELL(cuGraphExecDestroy) WELL(cuGraphDestroy)
