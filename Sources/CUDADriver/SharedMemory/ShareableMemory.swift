/// Memory on a GPU that other processes can open, freed here when the last reference goes.
package final class ShareableMemory: DeviceRegion {
    /// A handle by which another process opens the memory.
    package enum Handle: Sendable {
        /// A descriptor, which the caller closes.
        case descriptor(Int32)
        case legacy(IPCHandle)
        case fabric([UInt8])
    }

    private enum Kind {
        case mapped(MappedMemory)
        case legacy(DeviceMemory)
    }

    private let kind: Kind
    private var region: any DeviceRegion {
        switch kind {
        case .mapped(let memory): memory
        case .legacy(let memory): memory
        }
    }

    /// The context that owns the memory.
    package var context: Context { region.context }
    /// The address of the first byte.
    package var address: UInt64 { region.address }
    /// The size in bytes, as it was asked for; the GPU gives more.
    package let byteCount: Int

    /// Allocates `byteCount` bytes, whose contents are undefined: to be exported by a descriptor where the
    /// driver allows that, with `fabric` by a fabric handle if it allows that, and by the older handles otherwise.
    ///
    /// Throws `DriverError.invalidArgument` for less than 1 byte, `.callFailed`.
    package init(byteCount: Int, fabric: Bool, context: Context) throws {
        self.byteCount = byteCount
        var choices: [MemoryHandleTypes] = []
        if context.driver.functions.virtualMemory != nil, try context.attribute(.virtualMemory) > 0 {
            if fabric, try context.attribute(.fabricHandles) > 0 { choices.append([.fabric, .fileDescriptor]) }
            if try context.attribute(.descriptorHandles) > 0 { choices.append(.fileDescriptor) }
        }
        for types in choices {
            if let memory = try Self.shareable(byteCount, types, context) {
                kind = .mapped(memory)
                return
            }
        }
        guard byteCount > 0, byteCount <= Int.max - Self.legacyStep else {
            throw DriverError.invalidArgument(
                "Device memory of \(byteCount) bytes cannot be allocated; ask for at least 1 byte that fits a GPU.")
        }
        let size = (byteCount + Self.legacyStep - 1) / Self.legacyStep * Self.legacyStep
        kind = .legacy(try DeviceMemory(byteCount: size, context: context))
    }

    /// The driver places smaller allocations together, and would share their neighbours too.
    private static let legacyStep = 2 << 20

    /// Memory whose export has been tried; nil if the driver does not allow such handles here.
    private static func shareable(
        _ byteCount: Int, _ types: MemoryHandleTypes, _ context: Context
    ) throws -> MappedMemory? {
        do {
            let physical = try PhysicalMemory(byteCount: byteCount, handleTypes: types, context: context)
            if types.contains(.fabric) {
                _ = try physical.exportFabricHandle()
            } else {
                closeDescriptor(try physical.exportDescriptor())
            }
            return try MappedMemory(physical, byteCount: byteCount)
        } catch DriverError.callFailed(let failure) where ResultCode.notShareable.contains(failure.code) {
            return nil
        }
    }

    /// A new handle. Throws `DriverError.callFailed`.
    package func handle() throws -> Handle {
        switch kind {
        case .legacy(let memory): .legacy(try memory.ipcHandle())
        case .mapped(let memory):
            memory.physical.handleTypes.contains(.fabric)
                ? .fabric(try memory.physical.exportFabricHandle())
                : .descriptor(try memory.physical.exportDescriptor())
        }
    }
}
