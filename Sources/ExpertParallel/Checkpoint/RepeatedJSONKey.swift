/// The first key that an object of a JSON text has twice, or nil. The text must be valid JSON already.
///
/// JSON decoders keep one of the two silently; in a table of tensors that hides a damaged file. Keys are compared as
/// they are spelled.
func firstRepeatedKey(inJSON text: UnsafeRawBufferPointer) -> String? {
    let quote = UInt8(ascii: "\"")
    /// The keys of each enclosing object; nil for an array.
    var enclosing: [Set<String>?] = []
    var expectsKey = false
    var position = 0
    while position < text.count {
        let byte = text[position]
        position += 1
        switch byte {
        case UInt8(ascii: "{"):
            enclosing.append([])
            expectsKey = true
        case UInt8(ascii: "["):
            enclosing.append(nil)
            expectsKey = false
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            _ = enclosing.popLast()
            expectsKey = false
        case UInt8(ascii: ","):
            expectsKey = (enclosing.last ?? nil) != nil
        case quote:
            let start = position
            while position < text.count, text[position] != quote {
                position += text[position] == UInt8(ascii: "\\") ? 2 : 1
            }
            let end = min(position, text.count)
            position = end + 1
            if expectsKey, let last = enclosing.indices.last {
                let key = String(decoding: text[start..<end], as: UTF8.self)
                if enclosing[last]?.insert(key).inserted == false {
                    return key
                }
                expectsKey = false
            }
        default:
            break
        }
    }
    return nil
}
