/* A layer of two ranks through the C interface: all overlap modes and a captured step give the same bits, with SwiGLU plain and
 * clamped, with and without a gate on the shared expert; a layer whose weights make every expert's output zero gives zeros, and
 * shared weights multiply what the shared expert gives. Layers by a network have the bits of loads and stores. */
#include <string.h>

#include "check.h"

enum {
    RANKS = 2, EXPERTS = 4, LOCAL = EXPERTS / RANKS, TOP_K = 2, HIDDEN = 256, INTERMEDIATE = 128, TOKENS = 5,
    OUTPUT_BYTES = TOKENS * HIDDEN * 2
};

typedef struct {
    swiftep_layer layer;
    uint64_t stream, hidden, indices, weights, shared_weights, output;
} rank_state;

static uint32_t state = 2463534242u;
static uint32_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

static swiftep_device device;

static uint64_t upload(const void *bytes, uint64_t count) {
    swiftep_memory memory;
    uint64_t address;
    OK(swiftep_memory_allocate(device, count, &memory, &address));
    OK(swiftep_memory_write(device, address, bytes, count));
    return address;
}

/* FP8 codes of small magnitude, and scales of one. */
static uint64_t codes(int count, int is_zero) {
    uint8_t *values = malloc((size_t)count);
    for (int i = 0; i < count; i++) {
        uint32_t number = next_random();
        values[i] = is_zero ? 0 : (uint8_t)(0x20 + number % 16 + (number >> 8) % 2 * 0x80);
    }
    uint64_t address = upload(values, (uint64_t)count);
    free(values);
    return address;
}

static uint64_t ones(int count) {
    float *values = malloc((size_t)count * 4);
    for (int i = 0; i < count; i++) values[i] = 1;
    uint64_t address = upload(values, (uint64_t)count * 4);
    free(values);
    return address;
}

static void step(rank_state *rank, uint32_t overlap) {
    if (rank->shared_weights)
        OK(swiftep_layer_step_gated(rank->layer, rank->stream, overlap, rank->hidden, rank->indices, rank->weights,
                                    rank->shared_weights, TOKENS, rank->output));
    else
        OK(swiftep_layer_step(rank->layer, rank->stream, overlap, rank->hidden, rank->indices, rank->weights, TOKENS,
                              rank->output));
}

static int32_t captured(void *rank) {
    step(rank, SWIFTEP_OVERLAP_SINGLE_BATCH);
    return 0;
}

/* The outputs of both ranks; the memory held something else before. */
static void read_outputs(rank_state *ranks, uint8_t *target) {
    static uint8_t nothing[OUTPUT_BYTES];
    memset(nothing, 0x7f, sizeof nothing);
    for (int rank = 0; rank < RANKS; rank++) OK(swiftep_layer_check(ranks[rank].layer));
    for (int rank = 0; rank < RANKS; rank++) {
        OK(swiftep_memory_read(device, ranks[rank].output, target + rank * OUTPUT_BYTES, OUTPUT_BYTES));
        OK(swiftep_memory_write(device, ranks[rank].output, nothing, OUTPUT_BYTES));
    }
}

/* Tokens of the shared expert alone, with these shared weights. */
static void step_shared(rank_state *ranks, const float *factors, uint8_t *target) {
    int64_t nothing[TOKENS][TOP_K];
    memset(nothing, 0xff, sizeof nothing);
    for (int rank = 0; rank < RANKS; rank++) {
        OK(swiftep_memory_write(device, ranks[rank].indices, nothing, sizeof nothing));
        OK(swiftep_memory_write(device, ranks[rank].shared_weights, factors, TOKENS * sizeof *factors));
    }
    for (int rank = 0; rank < RANKS; rank++) step(&ranks[rank], SWIFTEP_OVERLAP_DIRECT);
    read_outputs(ranks, target);
}

/* BF16 number `i` of outputs. */
static float number(const uint8_t *outputs, int i) {
    uint32_t bits = (uint32_t)outputs[2 * i] << 16 | (uint32_t)outputs[2 * i + 1] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Outputs are those of an open gate, times the token's weight. */
static void check_gate(rank_state *ranks) {
    static uint8_t open[RANKS * OUTPUT_BYTES], weighted[RANKS * OUTPUT_BYTES];
    const float all[TOKENS] = {1, 1, 1, 1, 1}, factors[TOKENS] = {1, 0.5f, 0, -2, 0.25f};
    step_shared(ranks, all, open);
    step_shared(ranks, factors, weighted);
    for (int i = 0; i < RANKS * TOKENS * HIDDEN; i++) {
        float wanted = number(open, i) * factors[i / HIDDEN % TOKENS];
        CHECK(number(weighted, i) == wanted, "number %d is %g, expected %g", i, number(weighted, i), wanted);
        CHECK(number(open, i) != 0, "number %d of the shared expert is 0", i);
    }
    rank_state *own = &ranks[0];
    FAILS(SWIFTEP_INVALID, swiftep_layer_step(own->layer, own->stream, 0, own->hidden, own->indices, own->weights,
                                              TOKENS, own->output));
    FAILS(SWIFTEP_INVALID, swiftep_layer_step_gated(own->layer, own->stream, 0, own->hidden, own->indices, own->weights,
                                                    0, TOKENS, own->output));
    FAILS(SWIFTEP_INVALID, swiftep_layer_step_gated(own->layer, own->stream, 0, own->hidden, own->indices, own->weights,
                                                    own->shared_weights + 2, TOKENS, own->output));
}

enum { PLAIN, ZERO, CLAMPED, GATED, BY_LOOPBACK, BY_ENGINE, IN_ONE_NODE, KINDS };

/* How ranks reach each other in layers of a kind. */
static void choose_network(swiftep_group group, int kind) {
    const uint32_t network = kind == BY_LOOPBACK                     ? SWIFTEP_NETWORK_LOOPBACK
                             : kind == BY_ENGINE || kind == IN_ONE_NODE ? SWIFTEP_NETWORK_ENGINE
                                                                        : SWIFTEP_NETWORK_NONE;
    OK(swiftep_group_network(group, network, kind == IN_ONE_NODE ? RANKS : 1));
}

int main(void) {
    OK(swiftep_device_open("simulator", &device));
    swiftep_group group;
    OK(swiftep_group_local(device, RANKS, &group));
    FAILS(SWIFTEP_INVALID, swiftep_group_network(group, 4, 1));
    /* NVSHMEM is for GPUs. */
    FAILS(SWIFTEP_INVALID, swiftep_group_network(group, SWIFTEP_NETWORK_NVSHMEM, 0));
    FAILS(SWIFTEP_INVALID, swiftep_group_network(group, SWIFTEP_NETWORK_NVSHMEM, UINT32_MAX));
    FAILS(SWIFTEP_INVALID, swiftep_group_network(group, SWIFTEP_NETWORK_LOOPBACK, 0));
    static uint8_t of_kind[KINDS][RANKS * OUTPUT_BYTES];
    for (int kind = 0; kind < KINDS; kind++) {
        const int is_zero = kind == ZERO, is_clamped = kind == CLAMPED, is_gated = kind == GATED;
        choose_network(group, kind);
        /* The same weights and inputs every time. */
        state = 2463534242u;
        rank_state ranks[RANKS];
        for (int rank = 0; rank < RANKS; rank++) {
            rank_state *own = &ranks[rank];
            swiftep_layer_configuration configuration = {
                .size = sizeof configuration, .hidden = HIDDEN, .intermediate = INTERMEDIATE, .experts = EXPERTS,
                .top_k = TOP_K, .max_tokens = TOKENS, .shared_intermediate = 128, .multiprocessors = 6, .two_batch = 1,
                .shared_gate = (uint32_t)is_gated, .swiglu_limit = is_clamped ? 2 : 0,
                .swiglu_shared_limit = is_clamped ? 1 : 0};
            swiftep_layer_weights weights = {
                .size = sizeof weights, .gate_up = codes(LOCAL * 2 * INTERMEDIATE * HIDDEN, 0),
                .gate_up_scales = ones(LOCAL * 2 * INTERMEDIATE * HIDDEN / 16384),
                .down = codes(LOCAL * HIDDEN * INTERMEDIATE, is_zero),
                .down_scales = ones(LOCAL * HIDDEN * INTERMEDIATE / 16384),
                .shared_gate_up = codes(2 * 128 * HIDDEN, 0), .shared_gate_up_scales = ones(2 * 128 * HIDDEN / 16384),
                .shared_down = codes(HIDDEN * 128, is_zero), .shared_down_scales = ones(HIDDEN * 128 / 16384)};
            OK(swiftep_layer_create(group, (uint32_t)rank, &configuration, &weights, &own->layer));
            OK(swiftep_stream_create(device, &own->stream));
            uint16_t hidden[TOKENS][HIDDEN];
            int64_t indices[TOKENS][TOP_K];
            float factors[TOKENS][TOP_K];
            for (int token = 0; token < TOKENS; token++) {
                for (int i = 0; i < HIDDEN; i++)
                    hidden[token][i] = (uint16_t)(0x3f00 + next_random() % 256 + (next_random() % 2 << 15));
                for (int k = 0; k < TOP_K; k++) {
                    indices[token][k] = (token + rank + k) % EXPERTS;
                    factors[token][k] = 0.25f * (float)(k + 1);
                }
            }
            const float gates[TOKENS] = {0.125f, 0.75f, 1, 0, 0.5f};
            own->shared_weights = is_gated ? upload(gates, sizeof gates) : 0;
            own->hidden = upload(hidden, sizeof hidden);
            own->indices = upload(indices, sizeof indices);
            own->weights = upload(factors, sizeof factors);
            own->output = upload(hidden, sizeof hidden);
            swiftep_layer none;
            configuration.swiglu_limit = -1;
            FAILS(SWIFTEP_INVALID, swiftep_layer_create(group, (uint32_t)rank, &configuration, &weights, &none));
            configuration.swiglu_limit = 2;
            configuration.swiglu_clamp = 2;
            FAILS(SWIFTEP_INVALID, swiftep_layer_create(group, (uint32_t)rank, &configuration, &weights, &none));
            configuration.swiglu_clamp = SWIFTEP_CLAMP_SILU;
            configuration.hidden = 100;
            FAILS(SWIFTEP_INVALID, swiftep_layer_create(group, (uint32_t)rank, &configuration, &weights, &none));
            configuration.hidden = HIDDEN;
            configuration.shared_intermediate = 0;
            configuration.shared_gate = 1;
            FAILS(SWIFTEP_INVALID, swiftep_layer_create(group, (uint32_t)rank, &configuration, &weights, &none));
        }
        for (int rank = 0; rank < RANKS; rank++) OK(swiftep_layer_connect(ranks[rank].layer, 10));
        static uint8_t first[RANKS * OUTPUT_BYTES], other[RANKS * OUTPUT_BYTES];
        for (uint32_t overlap = SWIFTEP_OVERLAP_NONE; overlap <= SWIFTEP_OVERLAP_DIRECT; overlap++) {
            for (int rank = 0; rank < RANKS; rank++) step(&ranks[rank], overlap);
            read_outputs(ranks, overlap == SWIFTEP_OVERLAP_NONE ? first : other);
            if (overlap > SWIFTEP_OVERLAP_NONE)
                CHECK(memcmp(first, other, sizeof first) == 0, "mode %u gives other bits than mode 0", overlap);
        }
        swiftep_graph graphs[RANKS];
        for (int rank = 0; rank < RANKS; rank++)
            OK(swiftep_graph_capture(device, ranks[rank].stream, captured, &ranks[rank], &graphs[rank]));
        for (int replay = 0; replay < 2; replay++) {
            for (int rank = 0; rank < RANKS; rank++) OK(swiftep_graph_replay(graphs[rank], ranks[rank].stream));
            read_outputs(ranks, other);
            CHECK(memcmp(first, other, sizeof first) == 0, "replay %d gives other bits than a step", replay);
        }
        memcpy(of_kind[kind], first, sizeof first);
        int ones_found = 0;
        for (size_t i = 0; i < sizeof first; i++) ones_found += first[i] != 0;
        CHECK(is_zero ? ones_found == 0 : ones_found > (int)sizeof first / 2, "%d bytes are not 0", ones_found);
        FAILS(SWIFTEP_INVALID, swiftep_layer_step(ranks[0].layer, ranks[0].stream, 9, ranks[0].hidden, ranks[0].indices,
                                                  ranks[0].weights, TOKENS, ranks[0].output));
        if (is_gated)
            check_gate(ranks);
        else
            FAILS(SWIFTEP_INVALID,
                  swiftep_layer_step_gated(ranks[0].layer, ranks[0].stream, 0, ranks[0].hidden, ranks[0].indices,
                                           ranks[0].weights, ranks[0].weights, TOKENS, ranks[0].output));
        FAILS(SWIFTEP_INVALID, swiftep_layer_step(ranks[0].layer, ranks[0].stream, 0, ranks[0].hidden, ranks[0].indices,
                                                  ranks[0].weights, TOKENS + 1, ranks[0].output));
        for (int rank = 0; rank < RANKS; rank++) {
            OK(swiftep_graph_free(graphs[rank]));
            OK(swiftep_layer_free(ranks[rank].layer));
        }
    }
    /* Bytes that limits change: every output is a sum over channels of which some are beyond them. */
    int changed = 0;
    for (size_t i = 0; i < sizeof of_kind[0]; i++) changed += of_kind[PLAIN][i] != of_kind[CLAMPED][i];
    CHECK(changed > (int)sizeof of_kind[0] / 4, "limits change %d bytes", changed);
    for (int kind = BY_LOOPBACK; kind < KINDS; kind++)
        CHECK(memcmp(of_kind[PLAIN], of_kind[kind], sizeof of_kind[0]) == 0, "kind %d has other bits than loads and stores",
              kind);
    choose_network(group, BY_LOOPBACK);
    swiftep_buffer_configuration in_network = {
        .size = sizeof in_network, .hidden = HIDDEN, .experts = EXPERTS, .top_k = TOP_K, .max_tokens = TOKENS};
    swiftep_buffer buffer;
    FAILS(SWIFTEP_INVALID, swiftep_buffer_create(group, 0, &in_network, &buffer));
    OK(swiftep_group_close(group, 10));
    OK(swiftep_device_close(device));
    puts("layer: all right");
    return 0;
}
