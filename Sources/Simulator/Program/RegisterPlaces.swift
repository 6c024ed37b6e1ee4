import KernelLanguage

/// Gives every register its place in the warps' register files. Registers whose lives do not overlap share a place.
struct RegisterPlaces {
    /// Byte offset of each register, by index.
    private(set) var offsets: [Int32]
    /// Size of a register file in bytes.
    private(set) var bytes = 0

    init(_ kernel: Kernel) {
        var lives = RegisterLives(count: kernel.registerTypes.count)
        lives.visit(kernel.body)
        offsets = [Int32](repeating: 0, count: kernel.registerTypes.count)
        var starts = [[Int]](repeating: [], count: lives.position + 1)
        var ends = starts
        for register in offsets.indices where lives.first[register] >= 0 {
            let pinned = lives.pinned.contains(register)
            starts[pinned ? 0 : lives.first[register]].append(register)
            if !pinned { ends[lives.last[register]].append(register) }
        }
        var free: [Int: [Int32]] = [:]
        for position in starts.indices {
            // Results get their places before operands give theirs up, so that no step writes what it still reads.
            for register in starts[position] {
                let size = Self.size(kernel.registerTypes[register])
                if let place = free[size]?.popLast() {
                    offsets[register] = place
                } else {
                    offsets[register] = Int32(bytes)
                    // Places are multiples of 16 so that vector code finds them aligned.
                    bytes += (size + 15) / 16 * 16
                }
            }
            for register in ends[position] {
                free[Self.size(kernel.registerTypes[register]), default: []].append(offsets[register])
            }
        }
    }

    /// Bytes of a register: 32 lanes, or one bit each for Bool.
    static func size(_ type: ScalarType) -> Int {
        switch type {
        case .bool: 4
        case .uint64: 256
        case .uint32, .int32, .float32, .bfloat16, .float8E4M3: 128
        }
    }
}

/// From which to which operation, in program order, each register is needed.
private struct RegisterLives {
    var first: [Int]
    var last: [Int]
    var position = 0
    /// Registers of multiplies: used after the operation that names them, until it has completed.
    var pinned: Set<Int> = []
    /// Registers that occur in each of the loops around the current operation.
    private var occurring: [Set<Int>] = []

    init(count: Int) {
        first = [Int](repeating: -1, count: count)
        last = first
    }

    mutating func visit(_ block: Block) {
        for instruction in block.instructions {
            position += 1
            for case .register(let register) in instruction.op.operands { occurs(register.index) }
            for register in instruction.op.results { occurs(register.index) }
            switch instruction.op {
            case .if(_, let then, let otherwise):
                visit(then)
                visit(otherwise)
            case .loop(let body): visitLoop(body)
            case .wgmma(let multiply):
                pinned.formUnion(multiply.accumulators.map(\.index))
                if case .registers(let fragment) = multiply.a {
                    for case .register(let register) in fragment { pinned.insert(register.index) }
                }
            default: break
            }
        }
    }

    private mutating func visitLoop(_ body: Block) {
        let start = position
        occurring.append([])
        visit(body)
        position += 1
        let inside = occurring.removeLast()
        // A register defined before the loop is needed until its last iteration.
        for register in inside where first[register] <= start { last[register] = position }
        if let outer = occurring.indices.last { occurring[outer].formUnion(inside) }
    }

    private mutating func occurs(_ register: Int) {
        if first[register] < 0 { first[register] = position }
        last[register] = position
        if let inner = occurring.indices.last { occurring[inner].insert(register) }
    }
}
