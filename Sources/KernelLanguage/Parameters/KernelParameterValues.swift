/// The values of a pack of parameters in a kernel: its properties are pointers, values, tensor maps and nested packs.
@dynamicMemberLookup
public struct KernelParameterValues<Pack: KernelParameters> {
    private let pack: Pack
    private let builder: KernelBuilder

    fileprivate init(_ pack: Pack, _ builder: KernelBuilder) {
        self.pack = pack
        self.builder = builder
    }

    /// A parameter that points at memory.
    public subscript<Element: Scalar>(
        dynamicMember property: KeyPath<Pack, MemoryParameter<Element>>
    ) -> Pointer<Element> { Pointer(bits: builder.value(of: pack[keyPath: property].content)) }

    /// A parameter that is a value.
    public subscript<Element: ArithmeticScalar>(
        dynamicMember property: KeyPath<Pack, ScalarParameter<Element>>
    ) -> Value<Element> { builder.value(of: pack[keyPath: property].content) }

    /// A parameter that is a tensor map.
    public subscript(dynamicMember property: KeyPath<Pack, TensorParameter>) -> TensorMapParameter {
        TensorMapParameter(number: builder.number(of: pack[keyPath: property].content))
    }

    /// A pack inside this one.
    public subscript<Nested: KernelParameters>(
        dynamicMember property: KeyPath<Pack, Nested>
    ) -> KernelParameterValues<Nested> { KernelParameterValues<Nested>(pack[keyPath: property], builder) }
}

extension KernelBuilder {
    /// Declares the parameters of a pack, behind those declared before.
    public func parameters<Pack: KernelParameters>(_ type: Pack.Type) -> KernelParameterValues<Pack> {
        do {
            return KernelParameterValues(try Pack(from: ParameterDecoder(self)), self)
        } catch {
            preconditionFailure("\(Pack.self) is no pack of kernel parameters: \(error)")
        }
    }

    fileprivate func number(of content: ParameterContent) -> Int {
        guard case .number(let number) = content else {
            preconditionFailure("a kernel reads parameters that it has declared")
        }
        return number
    }

    fileprivate func value<Element: Scalar>(of content: ParameterContent) -> Value<Element> {
        parameterValue(number(of: content))
    }
}
