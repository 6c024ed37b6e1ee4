import Synchronization

/// The objects that callers hold, by number. No number is given twice, so that the number of a freed object is refused.
struct Handles: Sendable {
    private var last: UInt64 = 0
    private var objects: [UInt64: Unchecked<AnyObject>] = [:]

    /// An object that is used from one thread at a time, as the header asks of callers.
    private struct Unchecked<Value>: @unchecked Sendable { let value: Value }

    private static let table = Mutex(Handles())

    /// Keeps an object; returns its number.
    static func keep(_ object: sending AnyObject) -> UInt64 {
        let object = Unchecked(value: object)
        return table.withLock { table in
            table.last += 1
            table.objects[table.last] = object
            return table.last
        }
    }

    /// The object with this number. Throws `ABIError.noObject` for others.
    static func find<Object: AnyObject>(
        _ number: UInt64, _ type: Object.Type, _ what: String
    ) throws(ABIError) -> Object {
        let found = table.withLock { $0.objects[number] }
        guard let object = found?.value as? Object else { throw .noObject(what, number: number) }
        return object
    }

    /// Releases the object with this number.
    static func drop<Object: AnyObject>(_ number: UInt64, _ type: Object.Type, _ what: String) throws(ABIError) {
        _ = try find(number, type, what)
        // Freed outside of the lock.
        _ = table.withLock { $0.objects.removeValue(forKey: number) }
    }
}
