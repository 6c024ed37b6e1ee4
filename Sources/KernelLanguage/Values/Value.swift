/// A value of type `Element` that each thread of a kernel holds: a register or a constant.
///
/// Values never change; what changes is a `Variable`. Operators take a value on the left, and a value or a Swift
/// constant on the right.
public struct Value<Element: Scalar> {
    /// The operand that operations read.
    public let operand: Operand
    /// The kernel being built.
    public let builder: KernelBuilder

    init(_ operand: Operand, _ builder: KernelBuilder) {
        self.operand = operand
        self.builder = builder
    }
}

/// Bool of each thread.
public typealias Condition = Value<Bool>

/// A register that a kernel assigns more than once.
public struct Variable<Element: Scalar> {
    /// The register.
    public let register: Register
    /// The kernel being built.
    public let builder: KernelBuilder

    /// The variable's value at this point of the kernel; later assignments do not change it.
    public var value: Value<Element> {
        get {
            let copy = builder.newRegister(Element.scalarType)
            builder.emit(.move(copy, .register(register)))
            return Value(.register(copy), builder)
        }
        nonmutating set { builder.emit(.move(register, newValue.operand)) }
    }
}

extension Variable where Element == Float {
    /// `self += a * b`, rounded once.
    public func add(_ a: Value<Float>, times b: Value<Float>) {
        builder.emit(.multiplyAdd(register, a.operand, b.operand, .register(register)))
    }

    /// Adds a product whose first factor is another variable's current value.
    public func add(_ a: Variable<Float>, times b: Value<Float>) {
        builder.emit(.multiplyAdd(register, .register(a.register), b.operand, .register(register)))
    }
}

extension Variable where Element: IntegerScalar & ArithmeticScalar {
    /// `self += amount`
    public func add(_ amount: Value<Element>) {
        builder.emit(.binary(.add, register, .register(register), amount.operand))
    }

    /// `self += amount`
    public func add(_ amount: Int) {
        builder.emit(.binary(.add, register, .register(register), .constant(Element.bits(amount))))
    }
}
