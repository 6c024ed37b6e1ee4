/// What the processes of a group tell each other when they come.
struct ProcessMember: Hashable, Sendable, Codable {
    /// The machine: processes of the same one can hand descriptors to each other.
    let host: String
    /// `DeviceProperties.uniqueID` of the device that its ranks are on.
    let device: String
    /// The system's number of the process.
    let pid: Int32
    /// Where its windows are to be had.
    let windows: String
    /// What must be the same in all processes: names and values, in order.
    let agreed: [Agreed]

    /// One that had gone before this process came.
    static let gone = ProcessMember(host: "", device: "", pid: 0, windows: "", agreed: [])

    /// What the process has for something that must be the same.
    func value(_ name: String) -> String { agreed.first { $0.name == name }?.value ?? "not given" }

    struct Agreed: Hashable, Sendable, Codable {
        let name: String
        let value: String
    }
}
