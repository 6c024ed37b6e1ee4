/// The linker of the driver, which joins PTX text with other text and with libraries of device code.
package struct DriverLinker {
    /// An input of the linker.
    package enum Input: Sendable {
        /// PTX text.
        case ptx(String, name: String)
        /// A library of objects, of which only those that other inputs reference are linked.
        case library([UInt8], name: String)

        /// The input's name, for errors.
        package var name: String {
            switch self {
            case .ptx(_, let name), .library(_, let name): name
            }
        }
    }

    private let context: Context

    /// The linker for the GPU of a context.
    package init(context: Context) { self.context = context }

    /// Links inputs into one program for the GPU, a cubin.
    ///
    /// Throws `DriverError.moduleRejected` with the linker's log.
    package func link(_ inputs: [Input]) throws -> [UInt8] {
        let logs = (0..<2).map { _ in
            UnsafeMutableRawBufferPointer.allocate(byteCount: Module.logBytes, alignment: 16)
        }
        defer { for log in logs { log.deallocate() } }
        for log in logs { log.initializeMemory(as: UInt8.self, repeating: 0) }
        // Information log, its size, error log, its size. Both stay in use until the linker is destroyed.
        var options: [Int32] = [3, 4, 5, 6]
        let size = UnsafeMutableRawPointer(bitPattern: Module.logBytes)
        var values: [UnsafeMutableRawPointer?] = [logs[0].baseAddress, size, logs[1].baseAddress, size]
        return try options.withUnsafeMutableBufferPointer { options in
            try values.withUnsafeMutableBufferPointer { values in
                guard let options = options.baseAddress, let values = values.baseAddress else { return [] }
                do {
                    return try link(inputs, options, values)
                } catch DriverError.callFailed(let failure) {
                    let all = logs.reversed().map(Module.text).filter { !$0.isEmpty }
                    throw DriverError.moduleRejected(failure, log: all.joined(separator: "\n"))
                }
            }
        }
    }

    private func link(
        _ inputs: [Input], _ options: UnsafeMutablePointer<Int32>, _ values: DriverFunctions.HandleResult
    ) throws -> [UInt8] {
        let linker = try context.create("cuLinkCreate_v2", "starting the driver's linker") {
            $0.cuLinkCreate(4, options, values, $1)
        }
        defer { context.release { $0.cuLinkDestroy(linker) } }
        for input in inputs {
            // CU_JIT_INPUT_PTX, whose text ends with a zero byte, and CU_JIT_INPUT_LIBRARY.
            var (kind, bytes): (Int32, [UInt8]) =
                switch input {
                case .ptx(let text, _): (1, Array(text.utf8) + [0])
                case .library(let bytes, _): (4, bytes)
                }
            try context.call("cuLinkAddData_v2", "adding \(input.name) to a program") { functions in
                bytes.withUnsafeMutableBytes { bytes in
                    guard let start = bytes.baseAddress else { return 1 }
                    return functions.cuLinkAddData(linker, kind, start, bytes.count, input.name, 0, nil, nil)
                }
            }
        }
        var (program, size): (UnsafeMutableRawPointer?, Int) = (nil, 0)
        try context.call("cuLinkComplete", "joining \(inputs.map(\.name).joined(separator: ", "))") {
            $0.cuLinkComplete(linker, &program, &size)
        }
        // The linker owns the program.
        return program.map { Array(UnsafeRawBufferPointer(start: $0, count: size)) } ?? []
    }
}
