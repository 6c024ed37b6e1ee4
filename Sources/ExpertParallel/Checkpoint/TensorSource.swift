import KernelLanguage

/// One tensor together with the file it lies in, and the ways to read it.
struct TensorSource: Sendable {
    let file: SafetensorsFile
    let tensor: SafetensorsFile.Tensor
    /// Range of the tensor's elements; nil for all.
    var part: Range<Int>?

    /// Throws `typeMismatch` or `shapeMismatch` unless the tensor is as the model needs it.
    func expect(types: [ElementType], shape: [Int]) throws(CheckpointError) {
        guard types.contains(tensor.type) else {
            throw .typeMismatch(
                file: file.path, tensor: tensor.name, expected: types.map(\.rawValue), found: tensor.type.rawValue)
        }
        guard tensor.shape == shape else {
            throw .shapeMismatch(file: file.path, tensor: tensor.name, expected: shape, found: tensor.shape)
        }
    }

    /// All elements of an F32, BF16, F8_E8M0 or F8_E4M3 tensor. Throws `valueNotFinite`.
    func floats() throws(CheckpointError) -> [Float] {
        let values: [Float] =
            switch tensor.type {
            case .bfloat16: elements(of: UInt16.self).map { Float(bitPattern: UInt32(UInt16(littleEndian: $0)) << 16) }
            case .float8e8m0: try powersOfTwo()
            case .float8e4m3: try float8Codes().map { Float8E4M3(bits: $0).float }
            default: elements(of: UInt32.self).map { Float(bitPattern: UInt32(littleEndian: $0)) }
            }
        if let index = values.firstIndex(where: { !$0.isFinite }) {
            throw .valueNotFinite(file: file.path, tensor: tensor.name, index: index)
        }
        return values
    }

    /// All elements of a BF16 tensor. Throws `valueNotFinite`.
    func bfloats() throws(CheckpointError) -> [BFloat16] {
        let values = elements(of: UInt16.self).map { BFloat16(bits: UInt16(littleEndian: $0)) }
        if let index = values.firstIndex(where: { $0.bits & 0x7F80 == 0x7F80 }) {
            throw .valueNotFinite(file: file.path, tensor: tensor.name, index: index)
        }
        return values
    }

    /// All codes of an F8_E4M3 tensor. Throws `valueNotFinite`.
    func float8Codes() throws(CheckpointError) -> [UInt8] {
        let codes = elements(of: UInt8.self)
        // Without a branch for each element, so that the compiler can use vector instructions.
        let hasNaN = codes.withUnsafeBufferPointer { codes in
            var found: UInt8 = 0
            for code in codes {
                found |= code & 0x7F == 0x7F ? 1 : 0
            }
            return found != 0
        }
        if hasNaN, let index = codes.firstIndex(where: { $0 & 0x7F == 0x7F }) {
            throw .valueNotFinite(file: file.path, tensor: tensor.name, index: index)
        }
        return codes
    }

    /// All codes of an F8_E8M0 tensor, or of a U8 tensor that holds such: powers of two. Throws `valueNotFinite`.
    func powersOfTwo() throws(CheckpointError) -> [Float] {
        let codes = elements(of: UInt8.self)
        if let index = codes.firstIndex(of: 0xFF) {
            throw .valueNotFinite(file: file.path, tensor: tensor.name, index: index)
        }
        // 2^(code - 127); code 0 is a subnormal number.
        return codes.map { $0 == 0 ? 0x1p-127 : Float(bitPattern: UInt32($0) << 23) }
    }

    /// All bytes.
    func bytes() -> [UInt8] { elements(of: UInt8.self) }

    /// All elements of an I32 or U32 tensor, as unsigned numbers.
    func words() -> [UInt32] { elements(of: UInt32.self).map { UInt32(littleEndian: $0) } }

    private func elements<Element: BitwiseCopyable>(of type: Element.Type) -> [Element] {
        file.withBytes(of: tensor) { all in
            let size = tensor.type.size
            let bytes =
                part.map {
                    UnsafeRawBufferPointer(rebasing: all[$0.lowerBound * size..<$0.upperBound * size])
                } ?? all
            let count = bytes.count / MemoryLayout<Element>.size
            return [Element](unsafeUninitializedCapacity: count) { buffer, initialised in
                // The bytes in the file need not be aligned for the element type.
                UnsafeMutableRawBufferPointer(buffer).copyMemory(
                    from: UnsafeRawBufferPointer(rebasing: bytes[..<(count * MemoryLayout<Element>.size)]))
                initialised = count
            }
        }
    }
}
