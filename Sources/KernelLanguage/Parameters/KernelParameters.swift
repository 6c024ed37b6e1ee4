/// The parameters of a kernel, or some that several kernels have in common: one declaration for the kernel, which reads
/// its values from it, and for the host, which fills it.
///
/// A struct whose stored properties are `MemoryParameter`, `ScalarParameter`, `TensorParameter` and other packs. Swift
/// synthesises the conformance to `Decodable` by which the builder goes through them:
///
/// ```swift
/// struct ScaleParameters: KernelParameters {
///     /// Float32 `[count]`.
///     var values: MemoryParameter<Float>
///     var factor: ScalarParameter<Float>
/// }
///
/// let kernel = try KernelBuilder.build("scale", threads: 128) { k in
///     let p = k.parameters(ScaleParameters.self)
///     let x = p.values + k.blockIndex * 128 + k.threadIndex
///     k.store(k.load(x) * p.factor, to: x)
/// }
/// let parameters = ScaleParameters(values: MemoryParameter(address: address), factor: ScalarParameter(2))
/// let arguments = try KernelArguments([parameters]).ordered(for: kernel)
/// ```
///
/// The compiler refuses a parameter that is left out or of another type; which argument a parameter gets follows from
/// its name, never from a position.
public protocol KernelParameters: Decodable, Sendable {}

/// The content of a parameter of a pack.
enum ParameterContent: Hashable, Sendable {
    /// On the host: the argument that a launch passes.
    case argument(KernelArgument)
    /// In a kernel being built: its number.
    case number(Int)
}

/// A parameter of a pack, whatever its type.
protocol PackedParameter {
    var kind: Kernel.Parameter.Kind { get }
    var content: ParameterContent { get }
}

/// The address of elements in global memory.
public struct MemoryParameter<Element: Scalar>: PackedParameter, Hashable, Decodable, Sendable {
    let content: ParameterContent
    var kind: Kernel.Parameter.Kind { .pointer(Element.scalarType) }

    /// An address in the memory of the device that launches, of elements of this type.
    public init(address: UInt64) { content = .argument(.address(address)) }

    /// See `KernelParameters`.
    public init(from decoder: any Decoder) throws {
        content = try .declared(.pointer(Element.scalarType), by: decoder)
    }
}

/// A value.
public struct ScalarParameter<Element: ArithmeticScalar>: PackedParameter, Hashable, Decodable, Sendable {
    let content: ParameterContent
    var kind: Kernel.Parameter.Kind { .scalar(Element.scalarType) }

    /// See `KernelParameters`.
    public init(from decoder: any Decoder) throws {
        content = try .declared(.scalar(Element.scalarType), by: decoder)
    }
}

extension ScalarParameter<UInt32> {
    /// A value.
    public init(_ value: UInt32) { content = .argument(.uint32(value)) }
}

extension ScalarParameter<Int32> {
    /// A value.
    public init(_ value: Int32) { content = .argument(.int32(value)) }
}

extension ScalarParameter<UInt64> {
    /// A value.
    public init(_ value: UInt64) { content = .argument(.uint64(value)) }
}

extension ScalarParameter<Float> {
    /// A value.
    public init(_ value: Float) { content = .argument(.float32(value)) }
}

/// A tensor map.
public struct TensorParameter: PackedParameter, Hashable, Decodable, Sendable {
    let content: ParameterContent
    var kind: Kernel.Parameter.Kind { .tensorMap }

    /// A tensor map.
    public init(_ map: TensorMap) { content = .argument(.tensorMap(map)) }

    /// See `KernelParameters`.
    public init(from decoder: any Decoder) throws { content = try .declared(.tensorMap, by: decoder) }
}
