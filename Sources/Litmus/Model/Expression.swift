/// A value, which may depend on reads that have no source yet.
indirect enum Expression {
    case known(Int)
    /// What the read with this number gets.
    case read(Int)
    case arithmetic(LitmusArithmetic, Expression, Expression)
    case minimum(Expression, Expression)
    case maximum(Expression, Expression)

    /// The value, if what it reads is known.
    func value(_ read: (Int) -> Int?) -> Int? {
        switch self {
        case .known(let value): return value
        case .read(let number): return read(number)
        case .arithmetic(let operation, let a, let b):
            guard let a = a.value(read), let b = b.value(read) else { return nil }
            return operation.apply(a, b)
        case .minimum(let a, let b):
            guard let a = a.value(read), let b = b.value(read) else { return nil }
            return min(a, b)
        case .maximum(let a, let b):
            guard let a = a.value(read), let b = b.value(read) else { return nil }
            return max(a, b)
        }
    }
}
