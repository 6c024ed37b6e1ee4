// Names and documentation are those of swiftep.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation

import Accelerator
import CSwiftEP
import ExpertKernels
import ExpertParallel

@c @implementation
public func swiftep_buffer_create(
    _ group: swiftep_group, _ rank: UInt32, _ configuration: UnsafePointer<swiftep_buffer_configuration>!,
    _ buffer: UnsafeMutablePointer<swiftep_buffer>!
) -> swiftep_result {
    attempt {
        let object = try GroupObject.find(group)
        let given = try structure(configuration, .init(), "the buffer's configuration")
        _ = try require(buffer, "buffer")
        try write(Handles.keep(BufferObject(object, rank: Int(rank), given)), to: buffer, "buffer")
    }
}

@c @implementation
public func swiftep_buffer_bytes(
    _ configuration: UnsafePointer<swiftep_buffer_configuration>!, _ ranks: UInt32,
    _ bytes: UnsafeMutablePointer<UInt64>!
) -> swiftep_result {
    attempt {
        let given = try structure(configuration, .init(), "the buffer's configuration")
        let made = try groupConfiguration(
            given, ranks: Int(ranks), ranksOnDevice: 1, deviceMultiprocessors: Hopper.multiprocessors)
        try made.validate(deviceMultiprocessors: Hopper.multiprocessors)
        try write(UInt64(CommunicationBuffer.bytes(made)), to: bytes, "bytes")
    }
}

@c @implementation
public func swiftep_buffer_connect(_ buffer: swiftep_buffer, _ seconds: Double) -> swiftep_result {
    attempt { try BufferObject.find(buffer).buffer.connect(within: Choices.seconds(seconds)) }
}

@c @implementation
public func swiftep_buffer_free(_ buffer: swiftep_buffer) -> swiftep_result {
    attempt { try Handles.drop(buffer, BufferObject.self, "buffer") }
}

@c @implementation
public func swiftep_buffer_received(
    _ buffer: swiftep_buffer, _ turn: UInt64, _ received: UnsafeMutablePointer<swiftep_received>!
) -> swiftep_result {
    attempt {
        let own = try BufferObject.find(buffer).buffer
        let place = own.received(turn)
        var result = swiftep_received()
        result.scale_rows = UInt32(own.configuration.shape.scaleRows)
        result.rows = place.rows.address
        result.row_scales = place.rowScales.address
        result.received_count = place.receivedCount.address
        result.source_info = place.sourceInfo.address
        result.layout_range = place.layoutRange.address
        try writeStructure(result, to: received, "what is received")
    }
}

@c @implementation
public func swiftep_buffer_expert_output(
    _ buffer: swiftep_buffer, _ turn: UInt64, _ address: UnsafeMutablePointer<UInt64>!
) -> swiftep_result {
    attempt {
        let own = try BufferObject.find(buffer).buffer
        _ = try require(address, "address")
        try write(own.expertOutput(turn).address, to: address, "address")
    }
}

// MARK: Calls that enqueue

@c @implementation
public func swiftep_dispatch_send(
    _ buffer: swiftep_buffer, _ stream: UInt64, _ hiddenStates: UInt64, _ topkIndices: UInt64, _ tokens: UInt32,
    _ turn: UnsafeMutablePointer<UInt64>!
) -> swiftep_result {
    attempt {
        let object = try BufferObject.find(buffer)
        _ = try require(turn, "turn")
        let number = try object.buffer.dispatchSend(
            tokens: Int(tokens), hiddenStates: hiddenStates, experts: topkIndices,
            on: object.device.stream(stream))
        try write(number, to: turn, "turn")
    }
}

@c @implementation
public func swiftep_dispatch_receive(
    _ buffer: swiftep_buffer, _ turn: UInt64, _ stream: UInt64, _ totals: UInt64, _ waits: UInt64
) -> swiftep_result {
    attempt {
        let object = try BufferObject.find(buffer)
        try object.buffer.dispatchReceive(
            turn, totals: address(totals), waits: address(waits), on: object.device.stream(stream))
    }
}

@c @implementation
public func swiftep_combine_send(
    _ buffer: swiftep_buffer, _ turn: UInt64, _ stream: UInt64, _ rows: UInt64,
    _ overlap: UnsafePointer<swiftep_overlap>!
) -> swiftep_result {
    attempt {
        let object = try BufferObject.find(buffer)
        let given = try overlap.map { try structure($0, .init(), "the overlap") }
        try object.buffer.combineSend(
            turn, rows: rows,
            overlap: given.map {
                .init(
                    signals: $0.signals, blockM: Int($0.block_m), threshold: Int($0.threshold),
                    multiprocessors: Int($0.multiprocessors))
            }, on: object.device.stream(stream))
    }
}

@c @implementation
public func swiftep_combine_receive(
    _ buffer: swiftep_buffer, _ turn: UInt64, _ stream: UInt64, _ topkIndices: UInt64, _ topkWeights: UInt64,
    _ tokens: UInt32, _ output: UInt64, _ waits: UInt64
) -> swiftep_result {
    attempt {
        let object = try BufferObject.find(buffer)
        try object.buffer.combineReceive(
            turn, tokens: Int(tokens), experts: topkIndices, weights: topkWeights, output: output,
            waits: address(waits), on: object.device.stream(stream))
    }
}

@c @implementation
public func swiftep_buffer_barrier(_ buffer: swiftep_buffer, _ stream: UInt64) -> swiftep_result {
    attempt {
        let object = try BufferObject.find(buffer)
        try object.buffer.barrier(on: object.device.stream(stream))
    }
}

@c @implementation
public func swiftep_buffer_masks(_ buffer: swiftep_buffer, _ stream: UInt64, _ status: UInt64) -> swiftep_result {
    attempt {
        let object = try BufferObject.find(buffer)
        try object.buffer.noteMasks(at: status, on: object.device.stream(stream))
    }
}

// MARK: Completion

@c @implementation
public func swiftep_buffer_poll(_ buffer: swiftep_buffer) -> swiftep_result {
    attempt { try BufferObject.find(buffer).buffer.poll() }
}

@c @implementation
public func swiftep_buffer_check(_ buffer: swiftep_buffer) -> swiftep_result {
    attempt { try BufferObject.find(buffer).buffer.synchronize() }
}

@c @implementation
public func swiftep_buffer_reset(_ buffer: swiftep_buffer, _ seconds: Double) -> swiftep_result {
    attempt { try BufferObject.find(buffer).buffer.reset(within: Choices.seconds(seconds)) }
}

@c @implementation
public func swiftep_buffer_mask(_ buffer: swiftep_buffer, _ rank: UInt32, _ masked: UInt32) -> swiftep_result {
    attempt { try BufferObject.find(buffer).buffer.setMask(of: Int(rank), Choices.flag("masked", masked)) }
}

/// An address that may be left out, as 0.
private func address(_ number: UInt64) -> UInt64? { number == 0 ? nil : number }
