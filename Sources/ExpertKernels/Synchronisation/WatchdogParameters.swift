import KernelLanguage

/// Parameters of every kernel that waits on memory.
package struct WatchdogParameters: KernelParameters {
    /// UInt64 `[WaitFault.words]`, of the rank: zero until a wait fails.
    package var faultRecord: MemoryParameter<UInt64>
    /// Nanoseconds of the device's clock that a wait may take.
    package var waitLimit: ScalarParameter<UInt64>

    /// A record and a limit in seconds.
    package init(faultRecord: MemoryParameter<UInt64>, seconds: Double) {
        self.faultRecord = faultRecord
        waitLimit = ScalarParameter(UInt64(seconds * 1e9))
    }
}
