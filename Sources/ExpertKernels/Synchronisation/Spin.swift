import KernelLanguage

extension KernelBuilder {
    /// Polls until `isOver` holds, without a deadline. For words of shared memory that a warp of the same thread block
    /// is sure to write: if that warp waits for something outside, it has a `Watchdog`.
    func spin(file: StaticString = #fileID, line: Int = #line, until isOver: () -> Condition) {
        loop(file: file, line: line) {
            breakIf(isOver(), file: file, line: line)
            sleep(nanoseconds: 20, file: file, line: line)
        }
    }
}
