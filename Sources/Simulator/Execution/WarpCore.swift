/// The part of a warp that the interpreter's loop works on: plain values and pointers, no references.
struct WarpCore {
    /// Register file: per register 32 lanes of 4 or 8 bytes, or 4 bytes of lane bits for a Bool.
    let registers: UnsafeMutableRawPointer
    /// Values of the program's constants, laid out like registers.
    let constants: UnsafeRawPointer
    let steps: UnsafePointer<Step>
    /// Where a step collects its result before it goes to the active lanes; 256 bytes.
    let scratch: UnsafeMutableRawPointer
    /// Addresses in the simulator's own memory that an access resolved to, per lane.
    let pointers: UnsafeMutablePointer<UnsafeMutableRawPointer>
    /// Two masks for each level of nesting: lanes to restore, lanes that wait for the other side of a branch.
    let frames: UnsafeMutablePointer<UInt32>
    let shared: UnsafeMutablePointer<Region>
    let global: UnsafeMutablePointer<DeviceMemory.Table>
    let counters: UnsafeMutablePointer<MachineCounters>
    /// Bits of the kernel's scalar arguments.
    let arguments: UnsafePointer<UInt64>
    unowned(unsafe) let warp: Warp

    /// Index of the next step.
    var programCounter: Int32 = 0
    /// Lanes that run now.
    var mask: UInt32 = .max
    /// Lanes that have not exited.
    var live: UInt32 = .max

    // Values of special registers.
    let firstThread: UInt32
    let blockThreads: UInt32
    let blockIndex: UInt32
    let gridSize: UInt32
    let clusterRank: UInt32
    let multiprocessor: UInt32
}

/// Counters that the interpreter's loop updates.
struct MachineCounters {
    /// Simulated nanoseconds.
    var clock: UInt64 = 0
    /// Warp instructions run.
    var instructions: UInt64 = 0
    /// Times that another warp was picked.
    var switches: UInt64 = 0
    /// Grows with everything that another warp could notice: stores, arrivals, completions.
    var progress: UInt64 = 0
}
