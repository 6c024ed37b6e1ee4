import KernelLanguage

/// A number of the tile schedule, UInt32 modulo 2³²: a value of the kernel language in a kernel, an integer on the
/// host. The schedule is written once for both.
///
/// Only what the schedule needs: each more operator costs the type checker time in all expressions of the module.
protocol ScheduleNumber {
    /// Whether something is so.
    associatedtype Truth: ScheduleTruth where Truth.Number == Self

    static func + (a: Self, b: Self) -> Self
    static func + (a: Self, b: Int) -> Self
    static func - (a: Self, b: Self) -> Self
    static func - (a: Self, b: Int) -> Self
    static func * (a: Self, b: Self) -> Self
    static func * (a: Self, b: Int) -> Self
    /// Rounded towards zero; all ones if `b` is zero.
    static func / (a: Self, b: Self) -> Self
    static func / (a: Self, b: Int) -> Self
    static func < (a: Self, b: Self) -> Truth
    static func >= (a: Self, b: Self) -> Truth

    func isMore(than other: Int) -> Truth
    func isLess(than other: Int) -> Truth
    var isZero: Truth { get }
    func minimum(_ other: Self) -> Self
    func maximum(_ other: Self) -> Self
    /// A constant beside this number.
    func constant(_ value: Int) -> Self
}

/// Whether something is so, of numbers of the tile schedule.
protocol ScheduleTruth {
    associatedtype Number

    func and(_ other: Self) -> Self
    func or(_ other: Self) -> Self
    var not: Self { get }
    /// `a` if it is so, else `b`.
    func select(_ a: Number, _ b: Number) -> Number
}

extension ScheduleNumber {
    /// Whether it is less than a share of `all`.
    func isLess(than share: Share, of all: Self) -> Truth { self * share.denominator < all * share.numerator }
}

extension Value: ScheduleNumber where Element == UInt32 {
    typealias Truth = Condition

    func isMore(than other: Int) -> Condition { self > other }
    func isLess(than other: Int) -> Condition { self < other }
    var isZero: Condition { self == 0 }
    func constant(_ value: Int) -> Self { builder.constant(UInt32(value)) }
}

extension Value: ScheduleTruth where Element == Bool {
    typealias Number = Value<UInt32>

    func and(_ other: Self) -> Self { self && other }
    func or(_ other: Self) -> Self { self || other }
    var not: Self { !self }
}
