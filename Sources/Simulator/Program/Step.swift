/// The code of one step: takes the warp's `WarpCore` and the `Step`, and says how to go on.
///
/// A C function pointer has no context, so the interpreter's loop calls it without touching reference counts; that is
/// also why both arguments are raw pointers.
typealias StepHandler = @convention(c) (UnsafeMutableRawPointer, UnsafeRawPointer) -> Int32

/// What a handler returns.
enum StepOutcome {
    /// Go on with the step that the program counter names.
    static let proceed: Int32 = 0
    /// The warp cannot go on; its state says why.
    static let blocked: Int32 = 1
    /// All lanes have ended.
    static let finished: Int32 = 2
    /// The machine's failure is set.
    static let failed: Int32 = 3
}

/// One decoded operation: a handler and its operands.
///
/// `d` is where the result goes, `a`, `b` and `c` are operands: offsets into the warp's register file, or the
/// complement of an offset into the program's constants. What `x`, `y` and `z` mean depends on the handler.
struct Step {
    var handler: StepHandler
    var d: Int32 = 0
    var a: Int32 = 0
    var b: Int32 = 0
    var c: Int32 = 0
    var x: Int = 0
    var y: Int = 0
    var z: Int = 0
}
