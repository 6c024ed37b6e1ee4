import KernelLanguage

extension KernelBuilder {
    /// Asks again and again until `isOver`. For words of shared memory that a warp of the same block is sure to write:
    /// if that waits for something outside the block, it has a `Watchdog`.
    func spin(file: StaticString = #fileID, line: Int = #line, until isOver: () -> Condition) {
        loop(file: file, line: line) {
            breakIf(isOver(), file: file, line: line)
            sleep(nanoseconds: 20, file: file, line: line)
        }
    }
}
