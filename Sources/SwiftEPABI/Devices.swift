// Names and documentation are those of swiftep.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation

import Accelerator
import CSwiftEP
import ExpertParallel

extension DeviceObject {
    /// The device with this number.
    static func find(_ number: swiftep_device) throws(ABIError) -> DeviceObject {
        try Handles.find(number, DeviceObject.self, "device")
    }
}

@c @implementation
public func swiftep_device_open(
    _ name: UnsafePointer<CChar>!, _ device: UnsafeMutablePointer<swiftep_device>!
) -> swiftep_result {
    attempt {
        guard let name else { throw ABIError.null("the device's name") }
        let text = String(cString: name)
        guard let choice = DeviceChoice(text), choice != .auto else {
            throw ABIError.value("the device", given: "\"\(text)\"", choices: "simulator, cuda or cuda:N")
        }
        _ = try require(device, "device")
        let opened = try openDevice(choice)
        try write(Handles.keep(DeviceObject(opened.device)), to: device, "device")
    }
}

@c @implementation
public func swiftep_device_describe(
    _ device: swiftep_device, _ info: UnsafeMutablePointer<swiftep_device_info>!
) -> swiftep_result {
    attempt {
        let properties = try DeviceObject.find(device).device.properties
        var result = swiftep_device_info()
        result.kind = UInt32(properties.kind == .cuda ? SWIFTEP_CUDA : SWIFTEP_SIMULATOR)
        result.multiprocessors = UInt32(properties.multiprocessors)
        result.memory_bytes = UInt64(properties.memoryBytes)
        result.l2_bytes = UInt64(properties.l2Bytes)
        withUnsafeMutableBytes(of: &result.name) { room in
            room.copyBytes(from: properties.name.utf8.prefix(room.count - 1))
        }
        try writeStructure(result, to: info, "the device's description")
    }
}

@c @implementation
public func swiftep_device_synchronize(_ device: swiftep_device) -> swiftep_result {
    attempt {
        let object = try DeviceObject.find(device)
        try object.device.synchronize()
        try object.scratch.requireNoFault()
    }
}

@c @implementation
public func swiftep_device_close(_ device: swiftep_device) -> swiftep_result {
    attempt { try Handles.drop(device, DeviceObject.self, "device") }
}

// MARK: Memory

@c @implementation
public func swiftep_memory_allocate(
    _ device: swiftep_device, _ bytes: UInt64, _ memory: UnsafeMutablePointer<swiftep_memory>!,
    _ address: UnsafeMutablePointer<UInt64>!
) -> swiftep_result {
    attempt {
        let object = try DeviceObject.find(device)
        _ = (try require(memory, "memory"), try require(address, "address"))
        let buffer = try object.device.allocate(
            bytes: Int(clamping: bytes), label: "\(bytes) bytes of the caller")
        try write(buffer.address, to: address, "address")
        try write(Handles.keep(MemoryObject(buffer)), to: memory, "memory")
    }
}

@c @implementation
public func swiftep_memory_adopt_host(
    _ device: swiftep_device, _ pointer: UnsafeMutableRawPointer!, _ bytes: UInt64,
    _ memory: UnsafeMutablePointer<swiftep_memory>!, _ address: UnsafeMutablePointer<UInt64>!
) -> swiftep_result {
    attempt {
        let object = try DeviceObject.find(device)
        _ = (try require(memory, "memory"), try require(address, "address"))
        guard let simulator = object.device as? SimulatedDevice else {
            throw ABIError.simulatorOnly("swiftep_memory_adopt_host")
        }
        guard let pointer else { throw ABIError.null("the memory of the host") }
        let buffer = try simulator.adopt(
            host: UnsafeMutableRawBufferPointer(start: pointer, count: Int(clamping: bytes)),
            label: "\(bytes) bytes of the host")
        try write(buffer.address, to: address, "address")
        try write(Handles.keep(MemoryObject(buffer)), to: memory, "memory")
    }
}

@c @implementation
public func swiftep_memory_free(_ memory: swiftep_memory) -> swiftep_result {
    attempt { try Handles.drop(memory, MemoryObject.self, "memory") }
}

@c @implementation
public func swiftep_memory_write(
    _ device: swiftep_device, _ address: UInt64, _ source: UnsafeRawPointer!, _ bytes: UInt64
) -> swiftep_result {
    attempt {
        let device = try DeviceObject.find(device).device
        guard let source else { throw ABIError.null("source") }
        let buffer = try device.adopt(
            address: address, bytes: Int(clamping: bytes), label: "the target of a copy"
        ) {}
        try device.write(UnsafeRawBufferPointer(start: source, count: Int(bytes)), to: buffer, offset: 0)
    }
}

@c @implementation
public func swiftep_memory_read(
    _ device: swiftep_device, _ address: UInt64, _ target: UnsafeMutableRawPointer!, _ bytes: UInt64
) -> swiftep_result {
    attempt {
        let device = try DeviceObject.find(device).device
        guard let target else { throw ABIError.null("target") }
        let buffer = try device.adopt(
            address: address, bytes: Int(clamping: bytes), label: "the source of a copy"
        ) {}
        try device.read(
            buffer, offset: 0, into: UnsafeMutableRawBufferPointer(start: target, count: Int(bytes)))
    }
}

// MARK: Streams and graphs

@c @implementation
public func swiftep_stream_create(
    _ device: swiftep_device, _ stream: UnsafeMutablePointer<UInt64>!
) -> swiftep_result {
    attempt {
        let object = try DeviceObject.find(device)
        _ = try require(stream, "stream")
        try write(object.makeStream(), to: stream, "stream")
    }
}

@c @implementation
public func swiftep_stream_synchronize(_ device: swiftep_device, _ stream: UInt64) -> swiftep_result {
    attempt {
        let object = try DeviceObject.find(device)
        try object.device.synchronize(object.stream(stream))
    }
}

@c @implementation
public func swiftep_stream_free(_ device: swiftep_device, _ stream: UInt64) -> swiftep_result {
    attempt { try DeviceObject.find(device).freeStream(stream) }
}

@c @implementation
public func swiftep_graph_capture(
    _ device: swiftep_device, _ stream: UInt64, _ body: (@convention(c) (UnsafeMutableRawPointer?) -> Int32)!,
    _ context: UnsafeMutableRawPointer!, _ graph: UnsafeMutablePointer<swiftep_graph>!
) -> swiftep_result {
    attempt {
        let object = try DeviceObject.find(device)
        _ = try require(graph, "graph")
        guard let body else { throw ABIError.null("the captured body") }
        let captured = try object.device.capture(on: object.stream(stream)) {
            let code = body(context)
            if code != 0 { throw ABIError.captureGivenUp(code) }
        }
        try write(Handles.keep(GraphObject(object, captured)), to: graph, "graph")
    }
}

@c @implementation
public func swiftep_graph_replay(_ graph: swiftep_graph, _ stream: UInt64) -> swiftep_result {
    attempt {
        let object = try Handles.find(graph, GraphObject.self, "graph")
        try object.device.device.replay(object.graph, on: object.device.stream(stream))
    }
}

@c @implementation
public func swiftep_graph_free(_ graph: swiftep_graph) -> swiftep_result {
    attempt { try Handles.drop(graph, GraphObject.self, "graph") }
}
