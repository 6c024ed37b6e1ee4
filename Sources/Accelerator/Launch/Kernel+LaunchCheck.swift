import CUDADriver
import KernelLanguage

extension Kernel {
    /// Checks a launch before anything is enqueued, the same on every device.
    ///
    /// Throws `DeviceError.blockCount`, `.clusterSize`, `.argumentCount`, `.argumentKind`, `.tensorMap` or
    /// `.tensorMapElement`.
    func checkLaunch(blocks: Int, arguments: [KernelArgument]) throws(DeviceError) {
        guard blocks >= 1, blocks <= Int(Int32.max) else { throw .blockCount(kernel: name, blocks: blocks) }
        guard blocks % max(clusterSize, 1) == 0 else {
            throw .clusterSize(kernel: name, blocks: blocks, clusterSize: clusterSize)
        }
        guard arguments.count == parameters.count else {
            throw .argumentCount(kernel: name, parameters: parameters.map(\.name), given: arguments.count)
        }
        for (parameter, argument) in zip(parameters, arguments) {
            guard argument.fits(parameter.kind) else {
                throw .argumentKind(
                    kernel: name, parameter: parameter.name, expected: parameter.kind.expectation,
                    given: argument.words)
            }
            if case .tensorMap(let map) = argument { try check(map, parameter: parameter.name) }
        }
    }

    private func check(_ map: KernelLanguage.TensorMap, parameter: String) throws(DeviceError) {
        guard let layout = map.layout else {
            throw .tensorMapElement(kernel: name, parameter: parameter, map.element)
        }
        do {
            try layout.check(address: map.address)
        } catch let error as TensorMapError {
            throw .tensorMap(kernel: name, parameter: parameter, error)
        } catch {
            throw .driver(.invalidArgument("\(error)"))
        }
    }
}

extension KernelArgument {
    /// Whether the argument can be passed for a parameter of this kind.
    fileprivate func fits(_ kind: Kernel.Parameter.Kind) -> Bool {
        switch (self, kind) {
        case (.uint32, .scalar(.uint32)), (.int32, .scalar(.int32)), (.uint64, .scalar(.uint64)),
            (.float32, .scalar(.float32)), (.address, .pointer), (.tensorMap, .tensorMap):
            true
        // An address is a number to a kernel that computes with it.
        case (.address, .scalar(.uint64)): true
        default: false
        }
    }

    /// The argument in words, with its value.
    fileprivate var words: String {
        switch self {
        case .uint32(let value): "the uint32 \(value)"
        case .int32(let value): "the int32 \(value)"
        case .uint64(let value): "the uint64 \(value)"
        case .float32(let value): "the float32 \(value)"
        case .address(let value): "the address 0x\(String(value, radix: 16))"
        case .tensorMap: "a tensor map"
        }
    }
}

extension Kernel.Parameter.Kind {
    /// The argument that has to be passed, in words.
    fileprivate var expectation: String {
        switch self {
        case .scalar(let type): "a \(type.rawValue)"
        case .pointer(let type): "an address of \(type.rawValue) elements"
        case .tensorMap: "a tensor map"
        }
    }
}
