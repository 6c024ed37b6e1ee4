// Swift lays out a structure of such members in their order with C's alignments; tests check each offset.

/// `CUlaunchConfig`, field by field.
package struct RawLaunchConfiguration {
    package var gridX, gridY, gridZ: UInt32
    package var blockX, blockY, blockZ: UInt32
    package var sharedBytes: UInt32
    package var stream: UnsafeMutableRawPointer?
    package var attributes: UnsafeMutableRawPointer?
    package var attributeCount: UInt32
}

/// `CUlaunchAttribute`: an identifier, 4 bytes of padding, and a union of 64 bytes.
package struct RawLaunchAttribute {
    package var identifier: UInt32
    package var padding: UInt32 = 0
    package var value: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)

    /// `CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION`, whose value is three 32-bit numbers.
    package static func clusterDimension(_ x: UInt32, _ y: UInt32, _ z: UInt32) -> RawLaunchAttribute {
        var attribute = RawLaunchAttribute(identifier: 4)
        attribute.value.0 = UInt64(x) | UInt64(y) << 32
        attribute.value.1 = UInt64(z)
        return attribute
    }

    /// `CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION`, whose value is the 32-bit number 1.
    package static var programmaticStreamSerialization: RawLaunchAttribute {
        var attribute = RawLaunchAttribute(identifier: 6)
        attribute.value.0 = 1
        return attribute
    }
}
