/* Dispatch and combine of all ranks in one process, through the C interface, checked against sums in C.
 *
 * Every token's row is a small whole number, and so are weights, so that all sums are exact. */
#include <math.h>
#include <string.h>

#include "check.h"

enum { RANKS = 2, EXPERTS = 4, LOCAL = EXPERTS / RANKS, TOP_K = 2, HIDDEN = 256, TOKENS = 3, MAX_ROWS = RANKS * TOKENS };

static uint16_t bfloat16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (uint16_t)(bits >> 16);
}

static float from_bfloat16(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}

typedef struct {
    swiftep_buffer buffer;
    uint64_t stream, turn;
    uint64_t hidden, indices, weights, output, rows;
} rank_state;

static float element(int rank, int token) { return (float)(1 + rank * 8 + token); }
static int64_t choice(int rank, int token, int k) {
    return rank == 1 && token == 2 && k == 1 ? -1 : (rank + token + 2 * k) % EXPERTS;
}

static uint64_t upload(swiftep_device device, const void *bytes, uint64_t count) {
    swiftep_memory memory;
    uint64_t address;
    OK(swiftep_memory_allocate(device, count, &memory, &address));
    OK(swiftep_memory_write(device, address, bytes, count));
    return address;
}

/* Reads what a dispatch has received, and checks each row. */
static void check_received(swiftep_device device, const rank_state *state, int rank) {
    swiftep_received received = {.size = sizeof received};
    OK(swiftep_buffer_received(state->buffer, state->turn, &received));
    int32_t counts[LOCAL];
    OK(swiftep_memory_read(device, received.received_count, counts, sizeof counts));
    for (int local = 0; local < LOCAL; local++) {
        int expected = 0;
        int64_t sources[MAX_ROWS];
        static uint16_t rows[MAX_ROWS][HIDDEN];
        OK(swiftep_memory_read(device, received.source_info + local * sizeof sources, sources, sizeof sources));
        for (int source = 0; source < RANKS; source++)
            for (int token = 0; token < TOKENS; token++)
                for (int k = 0; k < TOP_K; k++) {
                    if (choice(source, token, k) != rank * LOCAL + local) continue;
                    CHECK(sources[expected] == (((int64_t)source << 32) | token), "row %d of expert %d of rank %d: %lld",
                          expected, local, rank, (long long)sources[expected]);
                    OK(swiftep_memory_read(
                        device, received.rows + (uint64_t)(local * MAX_ROWS + expected) * HIDDEN * 2, rows[expected],
                        HIDDEN * 2));
                    CHECK(from_bfloat16(rows[expected][HIDDEN - 1]) == element(source, token), "row %d of expert %d",
                          expected, local);
                    expected++;
                }
        CHECK(counts[local] == expected, "expert %d of rank %d has %d rows, expected %d", local, rank, counts[local],
              expected);
    }
}

int main(void) {
    CHECK(swiftep_abi_version() == SWIFTEP_ABI_VERSION, "library %u", swiftep_abi_version());
    swiftep_device device;
    FAILS(SWIFTEP_INVALID, swiftep_device_open("toaster", &device));
    FAILS(SWIFTEP_INVALID, swiftep_device_open("simulator", NULL));
    OK(swiftep_device_open("simulator", &device));
    swiftep_device_info info = {.size = sizeof info};
    OK(swiftep_device_describe(device, &info));
    CHECK(info.kind == SWIFTEP_SIMULATOR && info.multiprocessors > 0 && strlen(info.name) > 0, "%s", info.name);
    printf("%s, %u multiprocessors\n", info.name, info.multiprocessors);

    swiftep_group group;
    OK(swiftep_group_local(device, RANKS, &group));
    swiftep_buffer_configuration configuration = {
        .size = sizeof configuration, .hidden = HIDDEN, .experts = EXPERTS, .top_k = TOP_K, .max_tokens = TOKENS,
        .format = SWIFTEP_BFLOAT16, .multiprocessors = 4};
    uint64_t bytes;
    OK(swiftep_buffer_bytes(&configuration, RANKS, &bytes));
    printf("%llu bytes for a rank\n", (unsigned long long)bytes);

    rank_state ranks[RANKS];
    for (int rank = 0; rank < RANKS; rank++) {
        rank_state *state = &ranks[rank];
        OK(swiftep_buffer_create(group, (uint32_t)rank, &configuration, &state->buffer));
        OK(swiftep_stream_create(device, &state->stream));
        uint16_t hidden[TOKENS][HIDDEN];
        int64_t indices[TOKENS][TOP_K];
        float weights[TOKENS][TOP_K];
        for (int token = 0; token < TOKENS; token++) {
            for (int i = 0; i < HIDDEN; i++) hidden[token][i] = bfloat16(element(rank, token));
            for (int k = 0; k < TOP_K; k++) {
                indices[token][k] = choice(rank, token, k);
                weights[token][k] = (float)(k + 1);
            }
        }
        state->hidden = upload(device, hidden, sizeof hidden);
        state->indices = upload(device, indices, sizeof indices);
        state->weights = upload(device, weights, sizeof weights);
        state->output = upload(device, hidden, sizeof hidden);
    }
    FAILS(SWIFTEP_STATE, swiftep_dispatch_send(ranks[0].buffer, ranks[0].stream, ranks[0].hidden, ranks[0].indices, TOKENS,
                                               &ranks[0].turn));
    for (int rank = 0; rank < RANKS; rank++) OK(swiftep_buffer_connect(ranks[rank].buffer, 10));

    /* Dispatches that are never combined, combines that are repeated: four dispatches, the last of which is combined
     * three times. */
    for (int round = 0; round < 4; round++) {
        for (int rank = 0; rank < RANKS; rank++) {
            rank_state *state = &ranks[rank];
            OK(swiftep_dispatch_send(state->buffer, state->stream, state->hidden, state->indices, TOKENS, &state->turn));
            OK(swiftep_dispatch_receive(state->buffer, state->turn, state->stream, 0, 0));
        }
        OK(swiftep_device_synchronize(device));
        for (int rank = 0; rank < RANKS; rank++) check_received(device, &ranks[rank], rank);
    }
    for (int repeat = 0; repeat < 3; repeat++) {
        for (int rank = 0; rank < RANKS; rank++) {
            rank_state *state = &ranks[rank];
            swiftep_received received = {.size = sizeof received};
            OK(swiftep_buffer_received(state->buffer, state->turn, &received));
            OK(swiftep_combine_send(state->buffer, state->turn, state->stream, received.rows, NULL));
            OK(swiftep_combine_receive(state->buffer, state->turn, state->stream, state->indices, state->weights, TOKENS,
                                       state->output, 0));
        }
        for (int rank = 0; rank < RANKS; rank++) OK(swiftep_buffer_check(ranks[rank].buffer));
        for (int rank = 0; rank < RANKS; rank++) {
            uint16_t output[TOKENS][HIDDEN];
            OK(swiftep_memory_read(device, ranks[rank].output, output, sizeof output));
            for (int token = 0; token < TOKENS; token++) {
                float expected = 0;
                for (int k = 0; k < TOP_K; k++)
                    if (choice(rank, token, k) >= 0) expected += (float)(k + 1) * element(rank, token);
                for (int i = 0; i < HIDDEN; i++)
                    CHECK(from_bfloat16(output[token][i]) == expected, "rank %d token %d channel %d: %g, expected %g", rank,
                          token, i, from_bfloat16(output[token][i]), expected);
            }
        }
    }

    /* What cannot be. */
    rank_state *first = &ranks[0];
    FAILS(SWIFTEP_STATE, swiftep_dispatch_receive(first->buffer, first->turn - 2, first->stream, 0, 0));
    FAILS(SWIFTEP_STATE, swiftep_dispatch_receive(first->buffer, first->turn, first->stream, 0, 0));
    FAILS(SWIFTEP_INVALID, swiftep_dispatch_send(first->buffer, first->stream, first->hidden + 2, first->indices, 1,
                                                 &first->turn));
    FAILS(SWIFTEP_INVALID, swiftep_dispatch_send(first->buffer, first->stream, first->hidden, first->indices, TOKENS + 1,
                                                 &first->turn));
    FAILS(SWIFTEP_INVALID, swiftep_dispatch_send(first->buffer, 12345, first->hidden, first->indices, 1, &first->turn));
    FAILS(SWIFTEP_INVALID, swiftep_dispatch_send(0, first->stream, first->hidden, first->indices, 1, &first->turn));
    FAILS(SWIFTEP_INVALID, swiftep_dispatch_send(group, first->stream, first->hidden, first->indices, 1, &first->turn));
    FAILS(SWIFTEP_INVALID, swiftep_buffer_mask(first->buffer, 1, 1));
    swiftep_buffer_configuration wrong = configuration;
    wrong.hidden = 200;
    FAILS(SWIFTEP_INVALID, swiftep_buffer_bytes(&wrong, RANKS, &bytes));
    wrong = configuration;
    wrong.size = 4000;
    FAILS(SWIFTEP_INVALID, swiftep_buffer_bytes(&wrong, RANKS, &bytes));
    FAILS(SWIFTEP_INVALID, swiftep_buffer_bytes(NULL, RANKS, &bytes));
    wrong = configuration;
    wrong.scales = SWIFTEP_SCALES_EXPONENTS;
    FAILS(SWIFTEP_INVALID, swiftep_buffer_bytes(&wrong, RANKS, &bytes));
    wrong = configuration;
    wrong.link_bytes_per_second = nan("");
    FAILS(SWIFTEP_INVALID, swiftep_buffer_bytes(&wrong, RANKS, &bytes));
    wrong = configuration;
    wrong.block_m = 7;
    FAILS(SWIFTEP_INVALID, swiftep_buffer_bytes(&wrong, RANKS, &bytes));
    FAILS(SWIFTEP_INVALID, swiftep_buffer_connect(first->buffer, nan("")));
    FAILS(SWIFTEP_INVALID, swiftep_buffer_reset(first->buffer, -1));
    FAILS(SWIFTEP_INVALID, swiftep_dispatch_send(first->buffer, first->stream, 0, first->indices, 1, &first->turn));
    FAILS(SWIFTEP_INVALID, swiftep_combine_send(first->buffer, first->turn, first->stream, 0, NULL));
    swiftep_group refused;
    char identity[SWIFTEP_IDENTITY_BYTES];
    FAILS(SWIFTEP_INVALID, swiftep_group_local(device, UINT32_MAX, &refused));
    FAILS(SWIFTEP_INVALID, swiftep_group_local(device, 0, &refused));
    FAILS(SWIFTEP_INVALID, swiftep_group_identify(UINT32_MAX, identity, sizeof identity));
    FAILS(SWIFTEP_INVALID, swiftep_group_identify_at(NULL, 2, identity, sizeof identity));
    FAILS(SWIFTEP_INVALID, swiftep_group_identify_at("two words", 2, identity, sizeof identity));
    FAILS(SWIFTEP_INVALID, swiftep_group_identify_at("127.0.0.1", 2, identity, 8));
    /* An address for documentation, which no machine has. */
    FAILS(SWIFTEP_TRANSPORT, swiftep_group_identify_at("192.0.2.1", 2, identity, sizeof identity));
    OK(swiftep_group_identify_at("localhost", 2, identity, sizeof identity));
    CHECK(strncmp(identity, "localhost:", 10) == 0, "the identity is %s", identity);
    OK(swiftep_group_identify(2, identity, sizeof identity));
    FAILS(SWIFTEP_INVALID, swiftep_group_join(device, identity, 0, 2, UINT32_MAX, 1, &refused));
    FAILS(SWIFTEP_INVALID, swiftep_group_join(device, identity, 5, 2, 2, 1, &refused));
    swiftep_memory huge;
    uint64_t place;
    FAILS(SWIFTEP_DEVICE, swiftep_memory_allocate(device, 1ull << 50, &huge, &place));
    FAILS(SWIFTEP_INVALID, swiftep_memory_adopt_host(device, (void *)(uintptr_t)0xFFFFFFFFFFFFFFF0, 64, &huge, &place));

    /* A rank whose buffer was refused makes the next one, and finds the others'. */
    rank_state others[RANKS];
    wrong = configuration;
    wrong.multiprocessors = 1;
    FAILS(SWIFTEP_INVALID, swiftep_buffer_create(group, 0, &wrong, &others[0].buffer));
    for (int rank = 0; rank < RANKS; rank++)
        OK(swiftep_buffer_create(group, (uint32_t)rank, &configuration, &others[rank].buffer));
    for (int rank = 0; rank < RANKS; rank++) {
        OK(swiftep_buffer_connect(others[rank].buffer, 10));
        OK(swiftep_buffer_free(others[rank].buffer));
    }
    FAILS(SWIFTEP_INVALID, swiftep_memory_read(device, 1, &bytes, 8));
    for (int rank = 0; rank < RANKS; rank++) {
        OK(swiftep_buffer_free(ranks[rank].buffer));
        FAILS(SWIFTEP_INVALID, swiftep_buffer_check(ranks[rank].buffer));
        OK(swiftep_stream_free(device, ranks[rank].stream));
    }
    OK(swiftep_group_close(group, 10));
    OK(swiftep_device_close(device));
    FAILS(SWIFTEP_INVALID, swiftep_device_synchronize(device));
    puts("communication: all right");
    return 0;
}
