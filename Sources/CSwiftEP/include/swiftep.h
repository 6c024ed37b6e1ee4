/* SwiftEP: expert-parallel Mixture-of-Experts decode with Single Batch Overlap, for engines.
 *
 * Pointers and streams are the caller's. On a GPU an address is a device pointer of the primary context, and a stream a
 * `CUstream` (`cudaStream_t`) as a number, 0 being the legacy default stream. On the simulator addresses come from
 * `swiftep_memory_allocate` and `swiftep_memory_adopt_host`, and streams from `swiftep_stream_create`.
 *
 * Every function returns `SWIFTEP_OK` or an error code; `swiftep_last_error` then gives a sentence that names the
 * value, the limit and the remedy. A function that fails has computed nothing and returned nothing. Objects are
 * numbers; 0 and numbers of objects that have been freed are refused. Structures begin with their size in bytes, which
 * the caller sets, so that later versions may add fields; fields that say so take 0 for a default.
 *
 * Functions marked [enqueues] only put work on the stream: they neither allocate nor wait, and may be called while the
 * stream is being captured into a CUDA graph, once the same call has been made outside of a capture. All others may
 * wait and allocate. An object is used from one thread at a time; different objects from different threads.
 */
#ifndef SWIFTEP_H
#define SWIFTEP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this interface: functions and fields are only added while it stays the same. */
#define SWIFTEP_ABI_VERSION 1

/* The result of a call: SWIFTEP_OK, or the kind of error. */
typedef int32_t swiftep_result;
#define SWIFTEP_OK 0
/* A value, size, type, address or object that the call cannot take. */
#define SWIFTEP_INVALID 1
/* A call out of order, on an object that failed before, or on one that has been closed. */
#define SWIFTEP_STATE 2
/* A kernel waited for another rank, or for a signal, longer than it may; the object must be reset. */
#define SWIFTEP_TIMEOUT 3
/* An error of the device, its driver or its memory. */
#define SWIFTEP_DEVICE 4
/* Other processes did not come in time, have gone, have other settings, or cannot be reached, as where NVSHMEM is not
 * usable. */
#define SWIFTEP_TRANSPORT 5
/* A fault of SwiftEP. */
#define SWIFTEP_INTERNAL 6

/* The interface version of the library, `SWIFTEP_ABI_VERSION` of its header. */
uint32_t swiftep_abi_version(void);

/* The text of this thread's last error, in UTF-8; empty if no call has failed. Valid until the next call of this
 * thread. */
const char *swiftep_last_error(void);

/* ---- Devices ------------------------------------------------------------------------------------------------- */

typedef uint64_t swiftep_device;

#define SWIFTEP_SIMULATOR 0
#define SWIFTEP_CUDA 1

typedef struct {
    uint32_t size;
    /* SWIFTEP_SIMULATOR or SWIFTEP_CUDA. */
    uint32_t kind;
    uint32_t multiprocessors;
    uint32_t reserved;
    uint64_t memory_bytes;
    uint64_t l2_bytes;
    char name[128];
} swiftep_device_info;

/* Opens "simulator", "cuda" (the first GPU) or "cuda:N". On a GPU it retains the primary context, which CUDA's runtime
 * and PyTorch use as well. */
swiftep_result swiftep_device_open(const char *name, swiftep_device *device);
swiftep_result swiftep_device_describe(swiftep_device device, swiftep_device_info *info);
/* Waits until everything enqueued on the device has completed. On the simulator this is where it runs. */
swiftep_result swiftep_device_synchronize(swiftep_device device);
/* Closes the device; objects made on it keep it open until they are freed. */
swiftep_result swiftep_device_close(swiftep_device device);

typedef uint64_t swiftep_memory;

/* Device memory of `bytes`, at least 1, at a multiple of 256; content undefined. */
swiftep_result swiftep_memory_allocate(
    swiftep_device device, uint64_t bytes, swiftep_memory *memory, uint64_t *address);
/* Simulator only: memory of the host, at a multiple of 16, that kernels read and write in place while the device is
 * being synchronised. Adopt it before passing addresses in it. It must stay until it has been freed here and all work
 * that uses it has been waited for. */
swiftep_result swiftep_memory_adopt_host(
    swiftep_device device, void *pointer, uint64_t bytes, swiftep_memory *memory, uint64_t *address);
swiftep_result swiftep_memory_free(swiftep_memory memory);
/* Copies at once; nothing that uses these bytes may be running. */
swiftep_result swiftep_memory_write(swiftep_device device, uint64_t address, const void *source, uint64_t bytes);
swiftep_result swiftep_memory_read(swiftep_device device, uint64_t address, void *target, uint64_t bytes);

/* A new stream, for callers that have none. */
swiftep_result swiftep_stream_create(swiftep_device device, uint64_t *stream);
swiftep_result swiftep_stream_synchronize(swiftep_device device, uint64_t stream);
swiftep_result swiftep_stream_free(swiftep_device device, uint64_t stream);

typedef uint64_t swiftep_graph;

/* Records the work that `body` enqueues on `stream`, instead of running it. On a GPU engines may as well capture by
 * themselves. `body` returns 0, or another number to give up: then buffers and layers that it has called must be reset,
 * as they have counted its calls. Objects and memory that the graph uses must stay until it is freed. */
swiftep_result swiftep_graph_capture(
    swiftep_device device, uint64_t stream, int32_t (*body)(void *context), void *context, swiftep_graph *graph);
/* [enqueues] Runs the graph in the order of `stream`, which may not be under capture itself. */
swiftep_result swiftep_graph_replay(swiftep_graph graph, uint64_t stream);
swiftep_result swiftep_graph_free(swiftep_graph graph);

/* ---- Groups of ranks ------------------------------------------------------------------------------------------- */

typedef uint64_t swiftep_group;

typedef struct {
    uint32_t size;
    uint32_t ranks;
    uint32_t processes;
    uint32_t process;
    /* Ranks of this process: `local_ranks` of them from `first_rank` on. */
    uint32_t first_rank;
    uint32_t local_ranks;
    /* Ranks of the group on this process's device. */
    uint32_t ranks_on_device;
    uint32_t devices;
} swiftep_group_info;

/* The most bytes of an identity, with its terminating zero. */
#define SWIFTEP_IDENTITY_BYTES 256

/* Begins a group of `processes`, in the one that will be its process 0: writes a text to pass to the others by any
 * means that connect them already, with which all then join. It names a socket of this machine and a secret. */
swiftep_result swiftep_group_identify(uint32_t processes, char *identity, size_t bytes);
/* The same where processes are on several machines: they meet at a free port of `host`, a name or address of this
 * machine by which the others reach it. */
swiftep_result swiftep_group_identify_at(const char *host, uint32_t processes, char *identity, size_t bytes);
/* Joins the group as `process` of `processes`. All processes do so; each has `ranks / processes` ranks on `device`.
 * Waits for the others, `seconds` at most; when they do not come, the group is over and needs another identity. */
swiftep_result swiftep_group_join(
    swiftep_device device, const char *identity, uint32_t process, uint32_t processes, uint32_t ranks, double seconds,
    swiftep_group *group);
/* All ranks in this process, on `device`. */
swiftep_result swiftep_group_local(swiftep_device device, uint32_t ranks, swiftep_group *group);
swiftep_result swiftep_group_describe(swiftep_group group, swiftep_group_info *info);

/* The network that reaches ranks of other nodes: none, as all ranks are of one; an adapter that itself loads and
 * stores; a network engine, which only the simulator has; NVSHMEM between processes on GPUs, even of several
 * machines. */
#define SWIFTEP_NETWORK_NONE 0
#define SWIFTEP_NETWORK_LOOPBACK 1
#define SWIFTEP_NETWORK_ENGINE 2
#define SWIFTEP_NETWORK_NVSHMEM 3

/* Sets the network of layers that are made from now on: `ranks_per_node` consecutive ranks are of one node. The same in
 * all processes. Buffers have no network: they cannot be made in a group that has one.
 *
 * With NVSHMEM `ranks_per_node` may be 0: the ranks of a machine where there are several machines, else 1. All
 * processes make the call together, which starts NVSHMEM, once in a process: SWIFTEP_TRANSPORT where it is missing or
 * cannot be started. From then on all processes make layers together, those of a process in one order, and close the
 * group together; these calls wait for each other as long as `swiftep_group_join`. Memory of layers that all processes
 * have freed is used again for the next ones. Layers with NVSHMEM have no masks. */
swiftep_result swiftep_group_network(swiftep_group group, uint32_t network, uint32_t ranks_per_node);
/* Waits until all processes have called it, `seconds` at most. */
swiftep_result swiftep_group_barrier(swiftep_group group, double seconds);
/* Leaves, when buffers and layers of the group are freed: waits for the others, `seconds` at most. When that fails, the
 * group is still there. */
swiftep_result swiftep_group_close(swiftep_group group, double seconds);

/* ---- Dispatch and combine -------------------------------------------------------------------------------------- */

typedef uint64_t swiftep_buffer;

#define SWIFTEP_BFLOAT16 0
#define SWIFTEP_FLOAT8 1

/* Scales of dispatched rows: Float32 of any value; Float32 powers of two; exponents of powers of two, four to a
 * word. */
#define SWIFTEP_SCALES_FLOAT32 0
#define SWIFTEP_SCALES_POWER_OF_TWO 1
#define SWIFTEP_SCALES_EXPONENTS 2

typedef struct {
    uint32_t size;
    /* A multiple of 128 up to 12,800; of 512 with exponents as scales. */
    uint32_t hidden;
    /* A multiple of the ranks, up to 1,024. */
    uint32_t experts;
    /* 1 to 32. */
    uint32_t top_k;
    /* Most tokens that a rank brings to a step, 1 to 4,096. */
    uint32_t max_tokens;
    /* SWIFTEP_BFLOAT16 or SWIFTEP_FLOAT8. */
    uint32_t format;
    /* SWIFTEP_SCALES_…; without effect with SWIFTEP_BFLOAT16, with which SWIFTEP_SCALES_EXPONENTS is refused. */
    uint32_t scales;
    /* Rows per signal of a combine beside its producer: 16, 32, 64 or 128; 0 for 64. */
    uint32_t block_m;
    /* Multiprocessors that the rank may use; 0 for its share of the device. */
    uint32_t multiprocessors;
    /* 1: a rank for which a wait times out is masked, and the others go on; 0: such a wait is an error. */
    uint32_t mask;
    /* Seconds after which a wait is given up; 0 for 10. */
    double wait_seconds;
    /* A modelled link between each two ranks; 0 for none. */
    double link_bytes_per_second;
    double link_latency_seconds;
} swiftep_buffer_configuration;

/* Where a dispatch leaves the received rows. There are two such places, which dispatches take in turns. */
typedef struct {
    uint32_t size;
    /* Rows of a scale array. */
    uint32_t scale_rows;
    /* FP8 or BF16 `[local experts, max_rows, hidden]`, where `max_rows` is `ranks * max_tokens`. */
    uint64_t rows;
    /* Float32 `[local experts, hidden / 128, scale_rows]`, or UInt32 `[local experts, hidden / 512, scale_rows]` with
     * the exponents of four neighbouring groups, the first one lowest. */
    uint64_t row_scales;
    /* Int32 `[local experts]`. */
    uint64_t received_count;
    /* Int64 `[local experts, max_rows]`: source rank in the high half, its token in the low one. Rows of an expert are
     * sorted by source rank, then by token. */
    uint64_t source_info;
    /* Int64 `[local experts, ranks]`: first row in the high half, rows in the low one. */
    uint64_t layout_range;
} swiftep_received;

/* Makes the memory of a rank of this process for dispatch and combine. All ranks make theirs with the same
 * configuration and in the same order; then all connect. */
swiftep_result swiftep_buffer_create(
    swiftep_group group, uint32_t rank, const swiftep_buffer_configuration *configuration, swiftep_buffer *buffer);
/* Bytes of device memory that `swiftep_buffer_create` takes for this configuration and `ranks` ranks, before the device
 * rounds up. */
swiftep_result swiftep_buffer_bytes(
    const swiftep_buffer_configuration *configuration, uint32_t ranks, uint64_t *bytes);
/* Waits until the memory of all ranks is known, `seconds` at most. */
swiftep_result swiftep_buffer_connect(swiftep_buffer buffer, double seconds);
/* Frees the buffer; the other ranks must be done with it. */
swiftep_result swiftep_buffer_free(swiftep_buffer buffer);
/* The place where dispatch number `turn`, and every second one after it, leaves the received rows. */
swiftep_result swiftep_buffer_received(swiftep_buffer buffer, uint64_t turn, swiftep_received *received);

/* Memory of that place for rows to be combined, for callers that have none: BF16 `[local experts, max_rows,
 * hidden]`. The first call for each place allocates it. */
swiftep_result swiftep_buffer_expert_output(swiftep_buffer buffer, uint64_t turn, uint64_t *address);

/* [enqueues] Sends `tokens` tokens to their experts' ranks.
 *
 * hidden_states: BF16 `[tokens, hidden]`, at a multiple of 16. topk_indices: Int64 `[tokens, top_k]`; any number that
 * is no expert selects nothing; no token may name an expert twice. turn: written, names the dispatch in later calls.
 * The rows of the dispatch before the last one are overwritten. */
swiftep_result swiftep_dispatch_send(
    swiftep_buffer buffer, uint64_t stream, uint64_t hidden_states, uint64_t topk_indices, uint32_t tokens,
    uint64_t *turn);
/* [enqueues] Waits on the stream until all rows of the dispatch have arrived.
 *
 * totals: 0, or Int32 `[local experts]`, to which the rows received are added. waits: 0, or Int64 `[ranks]`, to which
 * nanoseconds waited for each rank are added. */
swiftep_result swiftep_dispatch_receive(
    swiftep_buffer buffer, uint64_t turn, uint64_t stream, uint64_t totals, uint64_t waits);

/* How a combine runs beside the producer of its rows. */
typedef struct {
    uint32_t size;
    /* Rows per signal; the buffer's `block_m`. */
    uint32_t block_m;
    /* UInt32 or Int32 `[local experts, ceil(max_rows / block_m)]`, zero before the producer starts, which adds to
     * it with release. */
    uint64_t signals;
    /* A block is complete when its signal is at least this. */
    uint32_t threshold;
    /* Multiprocessors for the send, at least 1. The producer must leave them free, and must not wait for this send: it
     * runs on another stream. */
    uint32_t multiprocessors;
} swiftep_overlap;

/* [enqueues] Sends rows home.
 *
 * rows: BF16 `[local experts, max_rows, hidden]`, at a multiple of 16; those beyond each expert's count are not read.
 * overlap: NULL if all rows are there when the stream gets here. A combine may be repeated for the same dispatch. */
swiftep_result swiftep_combine_send(
    swiftep_buffer buffer, uint64_t turn, uint64_t stream, uint64_t rows, const swiftep_overlap *overlap);
/* [enqueues] Adds up the rows that have come home, weighted: in Float32, in the order of a token's choices, rounded
 * once.
 *
 * topk_indices as in the dispatch, topk_weights: Float32 `[tokens, top_k]`, output: BF16 `[tokens, hidden]` at a
 * multiple of 16, waits: as in `swiftep_dispatch_receive`. */
swiftep_result swiftep_combine_receive(
    swiftep_buffer buffer, uint64_t turn, uint64_t stream, uint64_t topk_indices, uint64_t topk_weights,
    uint32_t tokens, uint64_t output, uint64_t waits);

/* [enqueues] A barrier of all ranks: the stream waits until the streams of all have come to it. */
swiftep_result swiftep_buffer_barrier(swiftep_buffer buffer, uint64_t stream);
/* Tells without waiting whether a kernel's wait has timed out and the buffer must be reset. A failure shows a fraction
 * of a second late, and not while the calling thread captures. */
swiftep_result swiftep_buffer_poll(swiftep_buffer buffer);
/* Waits for all work of the device and tells whether a wait has timed out. */
swiftep_result swiftep_buffer_check(swiftep_buffer buffer);
/* Resets the buffer to its first state after a failure, together with all other ranks; waits for them, `seconds` at
 * most. */
swiftep_result swiftep_buffer_reset(swiftep_buffer buffer, double seconds);
/* Masks a rank, or unmasks it when all ranks are between two steps. The buffer may have no work running. */
swiftep_result swiftep_buffer_mask(swiftep_buffer buffer, uint32_t rank, uint32_t masked);
/* [enqueues] Writes Int32 `[ranks]`: 1 for each rank that is masked. */
swiftep_result swiftep_buffer_masks(swiftep_buffer buffer, uint64_t stream, uint64_t status);

/* ---- Grouped GEMM ------------------------------------------------------------------------------------------------ */

typedef uint64_t swiftep_weights;

/* FP8 weights of a GEMM as checkpoints and engines have them. */
typedef struct {
    uint32_t size;
    uint32_t experts;
    /* Output channels and channels summed over, multiples of 128. */
    uint32_t n;
    uint32_t k;
    /* FP8 E4M3 `[experts, n, k]`, at a multiple of 16. */
    uint64_t values;
    /* Float32 `[experts, n / 128, k / 128]`. */
    uint64_t scales;
    /* 1 for gate above up in `n`, to be used with SWIFTEP_SWIGLU. */
    uint32_t gated;
    /* 1: values, and scales of gate and up, are packed in place, and are then of use to these kernels only; for an `n`
     * that is a multiple of 256. */
    uint32_t in_place;
} swiftep_matrix;

/* Packs weights on the device in the order in which kernels stream them; waits until it is done. In place, the memory
 * must stay until the weights are freed; otherwise it may be freed at once. */
swiftep_result swiftep_weights_pack(swiftep_device device, const swiftep_matrix *matrix, swiftep_weights *weights);
swiftep_result swiftep_weights_free(swiftep_weights weights);

typedef uint64_t swiftep_gemm;

/* The epilogue of a GEMM. */
#define SWIFTEP_STORE 0
#define SWIFTEP_SWIGLU 1

typedef struct {
    uint32_t size;
    /* Room for rows of each expert. */
    uint32_t max_rows;
    /* Rows of a tile, and per signal: 16, 32, 64 or 128. */
    uint32_t block_m;
    /* SWIFTEP_STORE: BF16 sums. SWIFTEP_SWIGLU: silu(gate) * up, quantised per row and 128 channels. */
    uint32_t output;
    /* 1: raises signals. With SWIFTEP_STORE only. */
    uint32_t signals;
    /* SWIFTEP_SCALES_FLOAT32 or SWIFTEP_SCALES_POWER_OF_TWO, of quantised output. */
    uint32_t scales;
    /* Rows of scale arrays: a multiple of 4, at least `max_rows` rounded up to a multiple of `block_m`; 0 for
     * `max_rows` rounded up to a multiple of 128, as dispatch has them. */
    uint32_t scale_rows;
} swiftep_gemm_configuration;

/* Prepares a GEMM with weights. */
swiftep_result swiftep_gemm_create(
    swiftep_weights weights, const swiftep_gemm_configuration *configuration, swiftep_gemm *gemm);
/* The value at which a signal is complete: the number of tiles across `n`. */
swiftep_result swiftep_gemm_threshold(swiftep_gemm gemm, uint32_t *threshold);
/* [enqueues] `rows x weights^T` for the first `counts[e]` rows of each expert.
 *
 * rows: FP8 `[experts, max_rows, k]` at a multiple of 16. row_scales: Float32 `[experts, k / 128, scale_rows]` at a
 * multiple of 16; of row blocks with rows all scales are read. counts: Int32 `[experts]`. output: BF16 `[experts,
 * max_rows, n]`, or FP8 `[experts, max_rows, n / 2]` with SwiGLU; then output_scales: Float32 `[experts, n / 256,
 * scale_rows]`, else 0. signals: UInt32 `[experts, ceil(max_rows / block_m)]`, one add with release at GPU scope for
 * each finished tile; 0 without. multiprocessors: the number that it runs on; 0 for all. Calls on one stream share
 * scratch memory; the first call on a stream allocates it. */
swiftep_result swiftep_gemm_run(
    swiftep_gemm gemm, uint64_t stream, uint64_t rows, uint64_t row_scales, uint64_t counts, uint64_t output,
    uint64_t output_scales, uint64_t signals, uint32_t multiprocessors);
swiftep_result swiftep_gemm_free(swiftep_gemm gemm);

/* ---- Whole layers -------------------------------------------------------------------------------------------------- */

typedef uint64_t swiftep_layer;

#define SWIFTEP_OVERLAP_NONE 0
#define SWIFTEP_OVERLAP_SINGLE_BATCH 1
#define SWIFTEP_OVERLAP_TWO_BATCH 2
#define SWIFTEP_OVERLAP_DIRECT 3

/* The value that limits of SwiGLU clamp from above: the gate, or silu of the gate. */
#define SWIFTEP_CLAMP_GATE 0
#define SWIFTEP_CLAMP_SILU 1

typedef struct {
    uint32_t size;
    /* Channels of a token, a multiple of 16 up to 12,800. Rows between ranks are padded to a multiple of 128. */
    uint32_t hidden;
    /* Channels between the GEMMs of a routed expert, a multiple of 16. */
    uint32_t intermediate;
    uint32_t experts;
    uint32_t top_k;
    uint32_t max_tokens;
    /* Channels between the GEMMs of the shared expert, a multiple of 16; 0 if there is none. */
    uint32_t shared_intermediate;
    /* SWIFTEP_SCALES_FLOAT32 or SWIFTEP_SCALES_POWER_OF_TWO, of dispatched rows and activations. */
    uint32_t scales;
    /* Rows of a tile: 16, 32, 64 or 128; 0 for the height that suits an even spread of tokens. */
    uint32_t block_m;
    /* Multiprocessors that the rank may use; 0 for its share of the device. */
    uint32_t multiprocessors;
    /* How many of them communicate in overlapped phases, plus 1; 0 for the usual split. */
    uint32_t communication_multiprocessors;
    /* 1: sets memory aside for SWIFTEP_OVERLAP_TWO_BATCH. */
    uint32_t two_batch;
    uint32_t mask;
    /* 1: the shared expert has a gate, and steps are those of `swiftep_layer_step_gated`. */
    uint32_t shared_gate;
    double wait_seconds;
    double link_bytes_per_second;
    double link_latency_seconds;
    /* The activation between an expert's GEMMs is silu(gate) * (up + swiglu_offset), with silu(g) = g / (1 +
     * exp(-swiglu_alpha * g)): plain SwiGLU where all of these are 0. A limit above 0 also clamps up from both sides,
     * before the offset is added; 0 for none. */
    double swiglu_limit;
    /* The limit of the shared expert, to which `swiglu_limit` does not apply; 0 for none. */
    double swiglu_shared_limit;
    /* Above 0, or 0 for 1. */
    double swiglu_alpha;
    double swiglu_offset;
    /* SWIFTEP_CLAMP_…; without effect without a limit. */
    uint32_t swiglu_clamp;
    /* 1: sets a part of the L2 cache aside for data that the layer's kernels hand on to each other, as long as the
     * layer lives and for all work of the process on the device, which that slows down; 0: sets none aside. Results are
     * the same. */
    uint32_t set_l2_aside;
} swiftep_layer_configuration;

/* Weights of a rank's own experts: FP8 E4M3 with Float32 scales of 128 x 128 blocks. They are copied. Scales of a
 * matrix `[rows, columns]` are `[rows / 128, columns / 128]`, both rounded up; of gate above up those of gate, then
 * those of up. */
typedef struct {
    uint32_t size;
    uint32_t reserved;
    /* `[local experts, 2 * intermediate, hidden]`, gate above up. */
    uint64_t gate_up;
    uint64_t gate_up_scales;
    /* `[local experts, hidden, intermediate]`. */
    uint64_t down;
    uint64_t down_scales;
    /* `[2 * shared_intermediate, hidden]` and `[hidden, shared_intermediate]`; 0 without a shared expert. */
    uint64_t shared_gate_up;
    uint64_t shared_gate_up_scales;
    uint64_t shared_down;
    uint64_t shared_down_scales;
} swiftep_layer_weights;

/* Makes a rank's layer and packs its weights on the device. All ranks make theirs in the same order; then all
 * connect. */
swiftep_result swiftep_layer_create(
    swiftep_group group, uint32_t rank, const swiftep_layer_configuration *configuration,
    const swiftep_layer_weights *weights, swiftep_layer *layer);
swiftep_result swiftep_layer_connect(swiftep_layer layer, double seconds);
swiftep_result swiftep_layer_free(swiftep_layer layer);
/* [enqueues] A whole step: dispatch, experts, combine, with the sum of the shared expert. Types and shapes as in
 * `swiftep_dispatch_send` and `swiftep_combine_receive`. */
swiftep_result swiftep_layer_step(
    swiftep_layer layer, uint64_t stream, uint32_t overlap, uint64_t hidden_states, uint64_t topk_indices,
    uint64_t topk_weights, uint32_t tokens, uint64_t output);
/* [enqueues] The same where the shared expert has a gate. shared_weights: Float32 `[tokens]`, by which its output is
 * multiplied; in Qwen's models the sigmoid of a product with the token. */
swiftep_result swiftep_layer_step_gated(
    swiftep_layer layer, uint64_t stream, uint32_t overlap, uint64_t hidden_states, uint64_t topk_indices,
    uint64_t topk_weights, uint64_t shared_weights, uint32_t tokens, uint64_t output);
/* As `swiftep_buffer_poll`, `swiftep_buffer_check`, `swiftep_buffer_reset` and `swiftep_buffer_mask`. */
swiftep_result swiftep_layer_poll(swiftep_layer layer);
swiftep_result swiftep_layer_check(swiftep_layer layer);
swiftep_result swiftep_layer_reset(swiftep_layer layer, double seconds);
swiftep_result swiftep_layer_mask(swiftep_layer layer, uint32_t rank, uint32_t masked);
/* [enqueues] As `swiftep_buffer_masks`. */
swiftep_result swiftep_layer_masks(swiftep_layer layer, uint64_t stream, uint64_t status);

#ifdef __cplusplus
}
#endif

#endif
