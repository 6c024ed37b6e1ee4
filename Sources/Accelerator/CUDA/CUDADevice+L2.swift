import CUDADriver

extension CUDADevice {
    /// See ``Device/keepInL2(bytes:)``.
    ///
    /// Three quarters more are set aside, as lines are not spread evenly, in sixteenths of the L2, as the hardware has
    /// them: at least five, as fewer gain nothing, and at most eight, as kernels that stream weights would miss more.
    /// See docs/measurements.md.
    public func keepInL2(bytes: Int) throws -> L2Share {
        guard bytes >= 0 else { throw DeviceError.keptBytes(bytes) }
        try refuseDuringCapture(to: "set a part of the L2 aside")
        return try l2Shares.withLock { shares in
            let number = shares.begin(bytes)
            do {
                return L2Share(setAsideBytes: try apply(shares)) { [self] in endShare(number) }
            } catch {
                shares.end(number)
                throw error
            }
        }
    }

    private func endShare(_ number: Int) {
        l2Shares.withLock { shares in
            shares.end(number)
            // A capture under way must not be disturbed; then more than needed stays set aside, until the next share
            // begins or ends.
            guard !isCapturing else { return }
            _ = try? apply(shares)
        }
    }

    private func apply(_ shares: L2Shares) throws -> Int {
        try driverCall { try context.setAsideL2(bytes: shares.setAsideBytes(of: context.l2Bytes)) }
    }
}
