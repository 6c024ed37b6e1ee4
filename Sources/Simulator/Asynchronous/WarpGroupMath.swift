import KernelLanguage

/// The arithmetic of warp-group multiplies: one warp's 16 rows at a time.
///
/// Products of the narrow formats are exact in Float32; they are added to the accumulator one after the other along K.
/// The hardware adds groups of products with fewer bits, so results agree with it to a tolerance only.
struct WarpGroupMath {
    /// Bytes of one row along K, of both formats.
    private static let rowBytes = 32
    private static let rows = 16
    /// Floats from one row of `b` to the next; not a power of two, so that rows do not compete for cache lines.
    private static let columnPitch = 272

    private let bytes = UnsafeMutableRawPointer.allocate(byteCount: 256 * rowBytes, alignment: 64)
    private let a = UnsafeMutablePointer<Float>.allocate(capacity: rows * rowBytes)
    private let b = UnsafeMutablePointer<Float>.allocate(capacity: rowBytes * columnPitch)
    private let d = UnsafeMutablePointer<Float>.allocate(capacity: rows * columnPitch)

    func deallocate() {
        bytes.deallocate()
        a.deallocate()
        b.deallocate()
        d.deallocate()
    }

    /// Multiplies for `warp`.
    ///
    /// - Returns: The first shared address outside of the block's memory, if there is one; nothing is written then.
    func run(_ operation: MultiplyQueue.Operation, _ plan: MultiplyPlan, _ warp: Warp) -> UInt64? {
        let core = warp.core
        let depth = plan.element == .bfloat16 ? 16 : 32
        if plan.fragment.isEmpty {
            let first = (warp.index & 3) * Self.rows
            if let outside = gather(operation.a, rows: first..<first + Self.rows, core.pointee.shared) {
                return outside
            }
        } else {
            gather(fragment: plan.fragment, core)
        }
        decode(plan.element, rows: Self.rows, depth: depth, into: a, rowPitch: depth, columnPitch: 1)
        if let outside = gather(operation.b, rows: 0..<plan.columns, core.pointee.shared) { return outside }
        decode(plan.element, rows: plan.columns, depth: depth, into: b, rowPitch: 1, columnPitch: Self.columnPitch)
        loadAccumulators(operation.accumulates ? plan.accumulators : nil, plan.columns, core)
        for row in 0..<Self.rows { multiply(row: row, depth: depth, columns: plan.columns) }
        storeAccumulators(plan.accumulators, core)
        return nil
    }

    /// Calls `body` with the offset of each 16 bytes of shared memory that a multiply reads, until it gives false.
    func forEachChunk(
        _ operation: MultiplyQueue.Operation, _ plan: MultiplyPlan, _ warp: Warp, _ body: (Int) -> Bool
    ) -> Bool {
        let shared = warp.core.pointee.shared
        func visit(_ descriptor: UInt64, _ rows: Range<Int>) -> Bool {
            var goesOn = true
            _ = Self.forEachChunk(descriptor, rows: rows, shared) { _, _, offset in
                goesOn = goesOn && body(offset)
            }
            return goesOn
        }
        let first = (warp.index & 3) * Self.rows
        return (!plan.fragment.isEmpty || visit(operation.a, first..<first + Self.rows))
            && visit(operation.b, 0..<plan.columns)
    }

    /// Collects rows of 32 bytes from shared memory.
    private func gather(_ descriptor: UInt64, rows: Range<Int>, _ shared: UnsafeMutablePointer<Region>) -> UInt64? {
        Self.forEachChunk(descriptor, rows: rows, shared) { slot, chunk, offset in
            (bytes + slot * Self.rowBytes + chunk * 16).copyMemory(from: shared.pointee.data + offset, byteCount: 16)
        }
    }

    /// Calls `body` with row, half and offset in shared memory of each 16 bytes of an operand (PTX ISA, "Matrix
    /// descriptor" and "Canonical layouts", K-major). Gives the first address outside of the memory.
    @inline(__always)
    private static func forEachChunk(
        _ descriptor: UInt64, rows: Range<Int>, _ shared: UnsafeMutablePointer<Region>, _ body: (Int, Int, Int) -> Void
    ) -> UInt64? {
        let fields = MatrixDescriptorFields(descriptor: descriptor)
        let start = UInt32(descriptor & 0x3FFF) << 4
        let span = fields.swizzle == .none ? 16 : UInt32(fields.swizzle.rawValue)
        let next = fields.swizzle == .none ? fields.leadingBytes : 16
        for (slot, row) in rows.enumerated() {
            let line = start &+ UInt32(row / 8) &* fields.strideBytes &+ UInt32(row % 8) &* span
            for chunk in 0..<2 {
                let address = UInt64(fields.swizzle.apply(line &+ UInt32(chunk) &* next))
                guard let offset = shared.pointee.offset(of: address, count: 16) else { return address }
                body(slot, chunk, offset)
            }
        }
        return nil
    }

    /// Collects the rows of A from registers: register r of lane l holds 4 bytes of row l / 4 (+ 8 for odd r) from byte
    /// 4 * (l % 4) (+ 16 for r ≥ 2) on.
    private func gather(fragment: [Int32], _ core: UnsafeMutablePointer<WarpCore>) {
        for (register, place) in fragment.enumerated() {
            let lanes = core.lanes(place, as: UInt32.self)
            for lane in 0..<32 {
                let row = lane / 4 + (register & 1) * 8
                let byte = 4 * (lane % 4) + (register / 2) * 16
                bytes.storeBytes(of: lanes[lane], toByteOffset: row * Self.rowBytes + byte, as: UInt32.self)
            }
        }
    }

    private func decode(
        _ element: ScalarType, rows: Int, depth: Int, into target: UnsafeMutablePointer<Float>, rowPitch: Int,
        columnPitch: Int
    ) {
        if element == .bfloat16 {
            let source = bytes.assumingMemoryBound(to: UInt16.self)
            for row in 0..<rows {
                for k in 0..<depth {
                    target[row &* rowPitch &+ k &* columnPitch] =
                        Float(bitPattern: UInt32(source[row &* depth &+ k]) &<< 16)
                }
            }
        } else {
            let source = bytes.assumingMemoryBound(to: UInt8.self)
            Float8E4M3.decoded.withUnsafeBufferPointer { table in
                guard let table = table.baseAddress else { return }
                for row in 0..<rows {
                    for k in 0..<depth {
                        target[row &* rowPitch &+ k &* columnPitch] = table[Int(source[row &* depth &+ k])]
                    }
                }
            }
        }
    }

    private func loadAccumulators(_ places: [Int32]?, _ columns: Int, _ core: UnsafeMutablePointer<WarpCore>) {
        guard let places else {
            for row in 0..<Self.rows { (d + row * Self.columnPitch).update(repeating: 0, count: columns) }
            return
        }
        forEachAccumulator(places) { place, offset in
            let lanes = core.lanes(place, as: Float.self)
            for row in 0..<8 {
                for pair in 0..<4 { d[offset &+ row &* Self.columnPitch &+ 2 &* pair] = lanes[4 &* row &+ pair] }
            }
        }
    }

    private func storeAccumulators(_ places: [Int32], _ core: UnsafeMutablePointer<WarpCore>) {
        forEachAccumulator(places) { place, offset in
            let lanes = core.result(place, as: Float.self)
            for row in 0..<8 {
                for pair in 0..<4 { lanes[4 &* row &+ pair] = d[offset &+ row &* Self.columnPitch &+ 2 &* pair] }
            }
        }
    }

    /// Calls `body` with each accumulator's place and the offset in `d` of its first lane's element.
    @inline(__always)
    private func forEachAccumulator(_ places: [Int32], _ body: (Int32, Int) -> Void) {
        for (index, place) in places.enumerated() {
            body(place, (index >> 1 & 1) * 8 * Self.columnPitch + (index >> 2) * 8 + (index & 1))
        }
    }

    /// Eight values along K at a time; the compiler vectorises the loop over columns.
    @inline(__always)
    private func multiply(row: Int, depth: Int, columns: Int) {
        let sums = d + row * Self.columnPitch
        var k = 0
        while k < depth {
            let left = a + (row &* depth &+ k)
            let right = b + k &* Self.columnPitch
            let (a0, a1, a2, a3) = (left[0], left[1], left[2], left[3])
            let (a4, a5, a6, a7) = (left[4], left[5], left[6], left[7])
            let pitch = Self.columnPitch
            for column in 0..<columns {
                var sum = sums[column]
                sum += a0 * right[column]
                sum += a1 * right[column &+ pitch]
                sum += a2 * right[column &+ 2 &* pitch]
                sum += a3 * right[column &+ 3 &* pitch]
                sum += a4 * right[column &+ 4 &* pitch]
                sum += a5 * right[column &+ 5 &* pitch]
                sum += a6 * right[column &+ 6 &* pitch]
                sum += a7 * right[column &+ 7 &* pitch]
                sums[column] = sum
            }
            k += 8
        }
    }
}
