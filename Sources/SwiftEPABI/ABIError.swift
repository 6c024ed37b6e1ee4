/// Mistakes of callers of the C interface.
enum ABIError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A number that no object of this kind has.
    case noObject(String, number: UInt64)
    /// A null pointer where there must be something.
    case null(String)
    /// A structure of a size that this version does not know.
    case structureSize(String, bytes: UInt32, known: Int)
    /// A value that is none of the allowed ones.
    case value(String, given: String, choices: String)
    /// A call for the simulator alone.
    case simulatorOnly(String)
    /// Text that does not fit where it is to go.
    case room(String, bytes: Int, needed: Int)
    /// A rank that is not this process's.
    case foreignRank(Int, local: Range<Int>)
    /// A text that is no identity of a group.
    case identity(String)
    /// A captured body that gave up.
    case captureGivenUp(Int32)

    /// One sentence with the value, the limit and the remedy.
    var description: String {
        switch self {
        case .noObject(let what, let number):
            "\(number) is no \(what): it was never given out, or has been freed; pass what its creation gave"
        case .null(let what): "\(what) is a null pointer; pass the address of one"
        case .structureSize(let name, let bytes, let known):
            "\(name) says that it has \(bytes) bytes, and this library knows 4 to \(known); set its size to sizeof, and "
                + "use the header of this library's version"
        case .value(let name, let given, let choices): "\(name) is \(given); choose \(choices)"
        case .simulatorOnly(let call): "\(call) is for the simulator; on a GPU pass addresses of device memory"
        case .room(let what, let bytes, let needed):
            "\(what) takes \(needed) bytes, and there is room for \(bytes); pass more"
        case .foreignRank(let rank, let local):
            "rank \(rank) is not one of this process; its ranks are \(local.lowerBound) to \(local.upperBound - 1)"
        case .identity(let text): "\"\(text)\" is no identity of a group; pass what swiftep_group_identify gave"
        case .captureGivenUp(let code): "the captured body gave up with \(code); nothing has been captured"
        }
    }
}
