import KernelLanguage

/// Checks what is passed to kernels.
extension SimulatedMachine {
    /// The bits of each argument; zero for tensor maps.
    static func bits(of arguments: [KernelArgument], for kernel: Kernel) throws(SimulationError) -> [UInt64] {
        guard arguments.count == kernel.parameters.count else {
            throw .invalidLaunch(
                kernel: kernel.name, problem: "\(arguments.count) arguments for \(kernel.parameters.count) parameters")
        }
        var bits: [UInt64] = []
        for (argument, parameter) in zip(arguments, kernel.parameters) {
            switch (argument, parameter.kind) {
            case (.uint32(let value), .scalar(.uint32)): bits.append(UInt64(value))
            case (.int32(let value), .scalar(.int32)): bits.append(UInt64(UInt32(bitPattern: value)))
            case (.uint64(let value), .scalar(.uint64)): bits.append(value)
            case (.float32(let value), .scalar(.float32)): bits.append(UInt64(value.bitPattern))
            case (.address(let value), .pointer): bits.append(value)
            case (.tensorMap(let map), .tensorMap):
                if let problem = problem(of: map) {
                    throw .invalidLaunch(kernel: kernel.name, problem: "tensor map \(parameter.name): \(problem)")
                }
                bits.append(0)
            default:
                throw .invalidLaunch(
                    kernel: kernel.name,
                    problem: "argument \(argument) for parameter \(parameter.name), which takes \(parameter.kind)")
            }
        }
        return bits
    }

    /// What is wrong with a tensor map, or nil: the rules of `cuTensorMapEncodeTiled`.
    static func problem(of map: TensorMap) -> String? {
        let count = map.dimensions.count
        guard (1...5).contains(count), map.strides.count == count - 1, map.box.count == count else {
            return "\(count) dimensions, \(map.strides.count) strides and \(map.box.count) box sizes; "
                + "1 to 5 dimensions are possible, with one stride fewer and as many box sizes"
        }
        guard map.element != .bool else { return "elements of type bool have no form in memory" }
        guard map.address % 16 == 0 else { return "address \(map.address) is not a multiple of 16" }
        if let size = map.dimensions.first(where: { !(1...1 << 32).contains($0) }) {
            return "a dimension of \(size); 1 to 2^32 are possible"
        }
        if let stride = map.strides.first(where: { $0 <= 0 || $0 % 16 != 0 || $0 >= 1 << 40 }) {
            return "a stride of \(stride) bytes; multiples of 16 below 2^40 are possible"
        }
        if let size = map.box.first(where: { !(1...256).contains($0) }) {
            return "a box of \(size) elements along a dimension; 1 to 256 are possible"
        }
        let rowBytes = map.box[0] * map.element.bytes
        guard rowBytes % 16 == 0 else { return "box rows of \(rowBytes) bytes; they must be multiples of 16" }
        guard map.swizzle == .none || rowBytes <= map.swizzle.rawValue else {
            return "box rows of \(rowBytes) bytes do not fit the swizzle's span of \(map.swizzle.rawValue)"
        }
        return nil
    }
}
