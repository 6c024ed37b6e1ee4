/// Declares the parameters of a pack in a kernel being built: `Decodable` reads their numbers, property by
/// property.
final class ParameterDecoder: Decoder {
    private let builder: KernelBuilder
    let codingPath: [any CodingKey]
    let userInfo: [CodingUserInfoKey: Any] = [:]

    init(_ builder: KernelBuilder, codingPath: [any CodingKey] = []) {
        self.builder = builder
        self.codingPath = codingPath
    }

    /// Declares the parameter that the property read now stands for.
    fileprivate func declare(_ kind: Kernel.Parameter.Kind) throws -> Int {
        guard let name = codingPath.last?.stringValue else { throw unsupported("a pack is a struct with properties") }
        return builder.declare(Kernel.Parameter(name: name, kind: kind))
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        KeyedDecodingContainer(Properties(decoder: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { throw unsupported("arrays have no names") }

    func singleValueContainer() throws -> any SingleValueDecodingContainer {
        throw unsupported("a property is a parameter or another pack")
    }

    private func unsupported(_ why: String) -> DecodingError {
        .dataCorrupted(.init(codingPath: codingPath, debugDescription: why))
    }

    private struct Properties<Key: CodingKey>: KeyedDecodingContainerProtocol {
        let decoder: ParameterDecoder
        var codingPath: [any CodingKey] { decoder.codingPath }
        var allKeys: [Key] { [] }

        func contains(_ key: Key) -> Bool { true }
        func decodeNil(forKey key: Key) -> Bool { false }

        func decode<T: Decodable>(_ type: T.Type, forKey key: Key) throws -> T {
            try T(from: ParameterDecoder(decoder.builder, codingPath: decoder.codingPath + [key]))
        }

        func nestedContainer<NestedKey: CodingKey>(
            keyedBy type: NestedKey.Type, forKey key: Key
        ) throws -> KeyedDecodingContainer<NestedKey> { throw decoder.unsupported("a nested pack is a property") }

        func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
            try decoder.unkeyedContainer()
        }

        func superDecoder() throws -> any Decoder { decoder }
        func superDecoder(forKey key: Key) throws -> any Decoder { decoder }
    }
}

extension ParameterContent {
    /// The parameter that `decoder` declares for the property being read.
    static func declared(_ kind: Kernel.Parameter.Kind, by decoder: any Decoder) throws -> ParameterContent {
        guard let decoder = decoder as? ParameterDecoder else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "parameters are read by kernels alone"))
        }
        return .number(try decoder.declare(kind))
    }
}
