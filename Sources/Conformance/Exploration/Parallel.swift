import Dispatch
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Number of active processors.
var processors: Int { ProcessInfo.processInfo.activeProcessorCount }

/// Calls `body` with every number below `count`, on as many threads as there are processors. The numbers are taken one
/// at a time, as some may take a hundred times as long as others.
func inParallel(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let next = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: min(count, processors)) { _ in
        while true {
            let index = next.add(1, ordering: .relaxed).oldValue
            guard index < count else { return }
            body(index)
        }
    }
}
