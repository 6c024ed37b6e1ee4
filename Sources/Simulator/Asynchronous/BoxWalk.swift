import KernelLanguage

/// The rows of a box: where each lies in the tensor and in shared memory.
enum BoxWalk {
    /// Calls `body` for each run of bytes that is contiguous in shared memory (16 with a swizzle, a whole row without):
    /// its address there, its length, and for its part inside the tensor the address in global memory and the range in
    /// the run.
    static func forEachRun<E: Error>(
        _ map: TensorMap, at coordinates: [Int], shared: UInt32,
        _ body: (_ shared: UInt32, _ bytes: Int, _ global: UInt64, _ inside: Range<Int>) throws(E) -> Void
    ) throws(E) {
        let element = map.element.bytes
        let rowBytes = map.box[0] * element
        // Bytes of the row that lie inside the innermost dimension.
        let first = min(max(-coordinates[0], 0), map.box[0]) * element
        let last = min(max(map.dimensions[0] - coordinates[0], 0), map.box[0]) * element
        let inner = first..<max(first, last)
        var position = [Int](repeating: 0, count: map.box.count)
        var linear = shared
        let run = map.swizzle == .none ? rowBytes : 16
        let rows = map.box.dropFirst().reduce(1, *)
        for _ in 0..<rows {
            var address = map.address &+ UInt64(truncatingIfNeeded: coordinates[0] &* element)
            var isInside = true
            for dimension in map.box.indices.dropFirst() {
                let index = coordinates[dimension] + position[dimension]
                isInside = isInside && (0..<map.dimensions[dimension]).contains(index)
                address = address &+ UInt64(truncatingIfNeeded: index &* map.strides[dimension - 1])
            }
            let valid = isInside ? inner : 0..<0
            for offset in stride(from: 0, to: rowBytes, by: run) {
                let inside = valid.clamped(to: offset..<offset + run)
                try body(
                    map.swizzle.apply(linear &+ UInt32(offset)), run,
                    address &+ UInt64(inside.lowerBound), inside.lowerBound - offset..<inside.upperBound - offset)
            }
            linear &+= UInt32(rowBytes)
            for dimension in map.box.indices.dropFirst() {
                position[dimension] += 1
                if position[dimension] < map.box[dimension] { break }
                position[dimension] = 0
            }
        }
    }
}
