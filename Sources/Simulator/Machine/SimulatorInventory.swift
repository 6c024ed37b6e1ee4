/// What a machine holds at the moment, to check that released objects are gone.
public struct SimulatorInventory: Hashable, Sendable {
    /// Allocations, adopted ones included.
    public var allocations: Int
    /// Streams.
    public var streams: Int
    /// Events.
    public var events: Int
}

extension SimulatedMachine {
    /// What the machine keeps now.
    public var inventory: SimulatorInventory {
        SimulatorInventory(
            allocations: memory.table.pointee.count, streams: streams.count, events: recordings.count)
    }
}
