/// A number of the tile schedule on the host, with the arithmetic that kernels have.
struct HostNumber: ScheduleNumber, Hashable {
    let value: UInt32

    init(_ value: Int) { self.value = UInt32(value) }
    private init(value: UInt32) { self.value = value }

    /// The number as Swift's own.
    var int: Int { Int(value) }

    static func + (a: Self, b: Self) -> Self { Self(value: a.value &+ b.value) }
    static func + (a: Self, b: Int) -> Self { a + Self(b) }
    static func - (a: Self, b: Self) -> Self { Self(value: a.value &- b.value) }
    static func - (a: Self, b: Int) -> Self { a - Self(b) }
    static func * (a: Self, b: Self) -> Self { Self(value: a.value &* b.value) }
    static func * (a: Self, b: Int) -> Self { a * Self(b) }
    static func / (a: Self, b: Self) -> Self { Self(value: b.value == 0 ? .max : a.value / b.value) }
    static func / (a: Self, b: Int) -> Self { a / Self(b) }
    static func < (a: Self, b: Self) -> Bool { a.value < b.value }
    static func >= (a: Self, b: Self) -> Bool { a.value >= b.value }

    func isMore(than other: Int) -> Bool { int > other }
    func isLess(than other: Int) -> Bool { int < other }
    var isZero: Bool { value == 0 }
    func minimum(_ other: Self) -> Self { Self(value: min(value, other.value)) }
    func maximum(_ other: Self) -> Self { Self(value: max(value, other.value)) }
    func constant(_ value: Int) -> Self { Self(value) }
}

extension Bool: ScheduleTruth {
    typealias Number = HostNumber

    func and(_ other: Bool) -> Bool { self && other }
    func or(_ other: Bool) -> Bool { self || other }
    var not: Bool { !self }
    func select(_ a: HostNumber, _ b: HostNumber) -> HostNumber { self ? a : b }
}
