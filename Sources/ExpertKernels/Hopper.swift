/// Properties of the GPUs that the kernels are written for: H100 and H200.
package enum Hopper {
    /// Multiprocessors of an H100 or H200 with SXM socket.
    package static let multiprocessors = 132
    /// Threads of a warp.
    static let warpThreads = 32
    /// Warps of a warp group, which multiplies together.
    static let warpGroupWarps = 4
    /// Threads of a warp group.
    static let warpGroupThreads = warpGroupWarps * warpThreads
    /// Rows of the first operand of a warp group's multiplication (M of WGMMA); N is any multiple of 8 up to 256.
    static let matrixRows = 64
    /// Bytes of shared memory for the ring of stages: what a thread block can have, less some 5 KB for all else.
    static let stageRingBytes = 222_000
    /// Bytes of a line of the L2, and of a row that the tensor memory accelerator swizzles.
    static let lineBytes = 128
}
