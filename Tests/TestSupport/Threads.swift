import Dispatch
import Synchronization

/// Runs `body` for each number on a thread of its own, as processes would, and waits for all of them.
///
/// - Returns: What each gave or threw, in order.
package func onThreads<Value: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (Int) throws -> Value
) -> [Result<Value, any Error>] {
    let results = Mutex<[Int: Result<Value, any Error>]>([:])
    let group = DispatchGroup()
    for number in 0..<count {
        DispatchQueue(label: "process \(number)").async(group: group) {
            let result = Result { try body(number) }
            results.withLock { $0[number] = result }
        }
    }
    group.wait()
    let found = results.withLock { $0 }
    return (0..<count).compactMap { found[$0] }
}
