/// A process's description of itself, which the processes of a group exchange when they join.
struct ProcessMember: Hashable, Sendable, Codable {
    /// The machine: processes of the same one can hand descriptors to each other.
    let host: String
    /// `DeviceProperties.uniqueID` of the device that its ranks are on.
    let device: String
    /// The system's number of the process.
    let pid: Int32
    /// The socket address of its `WindowServer`.
    let windows: String
    /// Values that must be the same in all processes, with their names, in order.
    let agreed: [Agreed]

    /// A process that had gone before this one came.
    static let gone = ProcessMember(host: "", device: "", pid: 0, windows: "", agreed: [])

    /// The process's value of this name that must be the same.
    func value(_ name: String) -> String { agreed.first { $0.name == name }?.value ?? "not given" }

    struct Agreed: Hashable, Sendable, Codable {
        let name: String
        let value: String
    }
}
