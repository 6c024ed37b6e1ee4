/// A part of the L2 that is set aside as long as this lives; see ``Device/keepInL2(bytes:)``.
public final class L2Share: Sendable {
    /// Bytes that are set aside, for this share and others; 0 where a device cannot set any aside.
    public let setAsideBytes: Int
    private let release: @Sendable () -> Void

    /// A share that calls `release` when it goes.
    init(setAsideBytes: Int, release: @escaping @Sendable () -> Void) {
        self.setAsideBytes = setAsideBytes
        self.release = release
    }

    deinit { release() }
}
