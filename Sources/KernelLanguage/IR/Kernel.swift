/// A kernel in the intermediate representation: what the PTX printer prints and the simulator runs.
public struct Kernel: Hashable, Sendable {
    /// Entry name, a C identifier.
    public var name: String
    /// Parameters in order.
    public var parameters: [Parameter]
    /// Type of each virtual register.
    public var registerTypes: [ScalarType]
    /// The operations.
    public var body: Block
    /// Threads per block: a multiple of 32 from 32 to 1024. Blocks and grids are one-dimensional.
    public var threads: Int
    /// Bytes of shared memory per block.
    public var sharedBytes: Int
    /// Blocks per cluster; 1 for none.
    public var clusterSize: Int

    /// One kernel parameter.
    public struct Parameter: Hashable, Sendable {
        /// Name, a C identifier.
        public var name: String
        /// Kind of its value.
        public var kind: Kind

        /// The kinds of values that a parameter passes.
        public enum Kind: Hashable, Sendable {
            /// A value: UInt32, Int32, UInt64 or Float32.
            case scalar(ScalarType)
            /// The address of elements in global memory.
            case pointer(ScalarType)
            /// A tensor map, 128 bytes passed by value.
            case tensorMap
        }

        /// A parameter as given.
        public init(name: String, kind: Kind) {
            self.name = name
            self.kind = kind
        }
    }

    /// A kernel as given; `verify()` says whether it is valid.
    public init(
        name: String, parameters: [Parameter], registerTypes: [ScalarType], body: Block, threads: Int, sharedBytes: Int,
        clusterSize: Int
    ) {
        self.name = name
        self.parameters = parameters
        self.registerTypes = registerTypes
        self.body = body
        self.threads = threads
        self.sharedBytes = sharedBytes
        self.clusterSize = clusterSize
    }

    /// Hashes properties in which most kernels differ; hashing all operations would take long for a large kernel.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(registerTypes.count)
        hasher.combine(body.instructions.count)
        hasher.combine(threads)
        hasher.combine(sharedBytes)
    }

    /// Largest number of bytes of shared memory that a block can have on Hopper.
    public static let maximumSharedBytes = 227 * 1024
}

/// The argument of one parameter of a kernel at launch.
public enum KernelArgument: Hashable, Sendable {
    case uint32(UInt32)
    case int32(Int32)
    case uint64(UInt64)
    case float32(Float)
    /// An address in global memory of the device.
    case address(UInt64)
    case tensorMap(TensorMap)
}
