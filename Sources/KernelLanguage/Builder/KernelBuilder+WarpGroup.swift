extension KernelBuilder {
    /// The descriptor of a K-major matrix operand at `pointer` in shared memory (PTX ISA, wgmma matrix descriptor).
    ///
    /// - Parameters:
    ///   - pointer: Where the tile begins.
    ///   - swizzle: As the tile was written. Rows are `swizzle.rawValue` bytes long.
    ///   - leadingBytes: Without swizzle: bytes between 8×16-byte core matrices along K.
    ///   - strideBytes: Bytes between groups of 8 rows; with swizzle `8 * swizzle.rawValue` for a dense tile.
    public func matrixDescriptor<T: Scalar>(
        _ pointer: SharedPointer<T>, swizzle: Swizzle, leadingBytes: Int = 16, strideBytes: Int? = nil
    ) -> Value<UInt64> {
        let fields = MatrixDescriptorFields(
            leadingBytes: UInt32(leadingBytes), strideBytes: UInt32(strideBytes ?? 8 * swizzle.rawValue),
            swizzle: swizzle)
        let start = ((pointer.bits & 0x3FFFF) >> 4).wide
        let bits = newRegister(.uint64)
        emit(.binary(.or, bits, start.operand, .constant(fields.bits)))
        return Value<UInt64>(.register(bits), self)
    }

    /// `D[64, columns] += A[64, depth] × B[columns, depth]ᵀ` by the calling warp group; see `WarpGroupMultiply`.
    ///
    /// - Parameters:
    ///   - element: BFloat16 or Float8E4M3, of both operands.
    ///   - a: Descriptor of A, of 64 rows.
    ///   - b: Descriptor of B, of `columns` rows.
    ///   - accumulators: `columns / 2` variables per thread.
    ///   - accumulate: False replaces the accumulators' old content.
    ///   - file: Where the call is, for errors and race reports.
    ///   - line: Its line.
    public func multiply<T: Scalar>(
        _ element: T.Type, a: Value<UInt64>, b: Value<UInt64>, into accumulators: [Variable<Float>],
        accumulate: Condition, file: StaticString = #fileID, line: Int = #line
    ) {
        multiply(element, .descriptor(a.operand), b, accumulators, accumulate, file, line)
    }

    /// The same with A in registers: four UInt32 of packed elements per thread.
    public func multiply<T: Scalar>(
        _ element: T.Type, a: [Value<UInt32>], b: Value<UInt64>, into accumulators: [Variable<Float>],
        accumulate: Condition, file: StaticString = #fileID, line: Int = #line
    ) {
        multiply(element, .registers(a.map(\.operand)), b, accumulators, accumulate, file, line)
    }

    private func multiply<T: Scalar>(
        _ element: T.Type, _ a: MatrixOperand, _ b: Value<UInt64>, _ accumulators: [Variable<Float>],
        _ accumulate: Condition, _ file: StaticString, _ line: Int
    ) {
        let multiply = WarpGroupMultiply(
            element: T.scalarType, columns: accumulators.count * 2, accumulators: accumulators.map(\.register), a: a,
            b: b.operand, accumulate: accumulate.operand)
        emit(.wgmma(multiply), file, line)
    }

    /// Orders register and shared memory accesses of the warp group before its next multiplies.
    public func multiplyFence(file: StaticString = #fileID, line: Int = #line) { emit(.wgmmaFence, file, line) }

    /// Commits the current group of multiplies.
    public func multiplyCommit(file: StaticString = #fileID, line: Int = #line) { emit(.wgmmaCommit, file, line) }

    /// Waits until at most `pending` groups of multiplies have not completed.
    public func multiplyWait(pending: Int = 0, file: StaticString = #fileID, line: Int = #line) {
        emit(.wgmmaWait(pending: pending), file, line)
    }

    // MARK: The multiprocessor

    /// Gives registers of the warp group back, down to `count` per thread (a multiple of 8 from 24 to 256).
    public func decreaseRegisters(to count: Int) { emit(.setRegisterCount(count, increase: false)) }

    /// Takes registers that other warp groups gave back, up to `count` per thread (a multiple of 8 from 24 to 256).
    public func increaseRegisters(to count: Int) { emit(.setRegisterCount(count, increase: true)) }

    /// Lets the next kernel of the stream start once every block has called this or ended.
    public func launchDependents(file: StaticString = #fileID, line: Int = #line) {
        emit(.dependentLaunch(.launchDependents), file, line)
    }

    /// Waits until the kernels before this one have completed and their memory is visible.
    public func waitForPrerequisites(file: StaticString = #fileID, line: Int = #line) {
        emit(.dependentLaunch(.wait), file, line)
    }

    /// Sleeps for about `nanoseconds`.
    public func sleep(nanoseconds: Int, file: StaticString = #fileID, line: Int = #line) {
        emit(.nanosleep(.constant(UInt64(nanoseconds))), file, line)
    }
}
