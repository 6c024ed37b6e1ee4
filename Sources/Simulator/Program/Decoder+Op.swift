import KernelLanguage

/// The meaning of every operation, as an exhaustive switch.
extension Decoder {
    mutating func decode(_ op: Op) {
        switch op {
        case .move(let result, let a):
            emit(moveHandler(type(result)), d: place(result), a: place(a, type(result)))
        case .unary(let operation, let result, let a):
            emit(unaryHandler(operation, type(result)), d: place(result), a: place(a, type(result)))
        case .binary(let operation, let result, let a, let b):
            let left = operation == .multiplyWide ? .uint32 : type(result)
            let isShift = operation == .shiftLeft || operation == .shiftRight
            let right = isShift ? .uint32 : left
            emit(binaryHandler(operation, type(result)), d: place(result), a: place(a, left), b: place(b, right))
        case .multiplyAdd(let result, let a, let b, let c):
            let type = type(result)
            emit(multiplyAddHandler(type), d: place(result), a: place(a, type), b: place(b, type), c: place(c, type))
        case .compare(let comparison, let type, let result, let a, let b):
            emit(comparisonHandler(comparison, type), d: place(result), a: place(a, type), b: place(b, type))
        case .select(let result, let condition, let a, let b):
            let type = type(result)
            emit(
                selectHandler(type), d: place(result), a: place(condition, .bool), b: place(a, type), c: place(b, type))
        case .convert(let result, let from, let a):
            emit(conversionHandler(from, type(result)), d: place(result), a: place(a, from))
        case .reinterpret(let result, let from, let a):
            emit(moveHandler(type(result)), d: place(result), a: place(a, from))
        case .pack(let operation, let result, let values): decode(pack: operation, result, values)
        case .unpack(let operation, let results, let a):
            let packed: ScalarType = operation == .uint64 ? .uint64 : .uint32
            emit(unpackHandler(operation), a: place(a, packed), x: list(results.map { place($0) }))
        case .special(let result, let register): emit(specialHandler(register), d: place(result))
        case .parameter(let result, let number): emit(parameterHandler(type(result)), d: place(result), x: number)
        case .sharedAddress(let result, let offset):
            emit(sharedAddressHandler, d: place(result), x: Int(BlockState.firstSharedAddress) + offset)

        case .shuffle(let mode, let result, let a, let lane):
            emit(wholeWarpHandler)
            emit(shuffleHandler(mode), d: place(result), a: place(a, type(result)), b: place(lane, .uint32))
        case .transpose(let result, let a):
            emit(wholeWarpHandler)
            emit(transposeHandler, d: place(result), a: place(a, .uint32))
        case .vote(let mode, let result, let a):
            emit(wholeWarpHandler)
            emit(voteHandler(mode), d: place(result), a: place(a, .bool))
        case .elect(let result):
            emit(wholeWarpHandler)
            emit(electHandler, d: place(result))
        case .syncWarp: emit(wholeWarpHandler)

        case .load(let access, let results, let address):
            emit(
                Self.reachesSystem(access)
                    ? systemLoadHandler(access.element) : loadHandler(access.element, access.space),
                a: base(address, access.space), x: address.offset,
                y: results.count, z: list(results.map { place($0) }))
        case .store(let access, let values, let address):
            let places = values.map { place($0, access.element) }
            emit(
                Self.reachesSystem(access)
                    ? systemStoreHandler(access.element) : storeHandler(access.element, access.space),
                a: base(address, access.space), x: address.offset,
                y: values.count, z: list(places))
        case .atomic(let operation, let access, let result, let address, let value, let compare):
            emit(
                atomicHandler(operation, access.element), d: result.map { place($0) } ?? -1,
                a: base(address, access.space), b: place(value, access.element),
                c: compare.map { place($0, access.element) } ?? place(value, access.element), x: address.offset,
                y: access.space == .shared ? 1 : Self.reachesSystem(access) ? 2 : 0, z: compare == nil ? 0 : 1)
        case .discard(let address):
            emit(discardHandler, a: base(address, .global), x: address.offset, y: Op.discardedBytes / 4)
        // The machine is sequentially consistent: fences have nothing to order, but what other processes see.
        case .fence(let order):
            emit(order.scope == .system ? systemFenceHandler(order.strength) : MachineHandlers.nothing)
        case .proxyFence: emit(MachineHandlers.nothing)

        case .barrier(let action, let id, let threads):
            emit(BarrierHandlers.barrier, a: place(id, .uint32), x: threads ?? 0, y: action == .sync ? 1 : 0)
        case .clusterBarrier(let action):
            emit(action == .arrive ? BarrierHandlers.clusterArrive : BarrierHandlers.clusterWait)
        case .mbarrierInit(let address, let arrivals):
            emit(BarrierHandlers.initialise, a: base(address, .shared), b: place(arrivals, .uint32), x: address.offset)
        case .mbarrierInvalidate(let address):
            emit(BarrierHandlers.invalidate, a: base(address, .shared), x: address.offset)
        case .mbarrierArrive(let address, let bytes):
            let bytes = place(bytes ?? .constant(0), .uint32)
            emit(BarrierHandlers.arrive, a: base(address, .shared), b: bytes, x: address.offset)
        case .mbarrierTryWait(let result, let address, let parity):
            emit(
                BarrierHandlers.tryWait, d: place(result), a: base(address, .shared), b: place(parity, .uint32),
                x: address.offset)

        case .bulkLoad(let shared, let global, let bytes, let mbarrier, _):
            let places = [base(shared, .shared), base(global, .global), place(bytes, .uint32), base(mbarrier, .shared)]
            let offsets = [shared.offset, global.offset, mbarrier.offset]
            emit(CopyHandlers.bulkLoad, x: list(places), y: list(offsets))
        case .bulkStore(let global, let shared, let bytes):
            let places = [base(global, .global), base(shared, .shared), place(bytes, .uint32)]
            emit(CopyHandlers.bulkStore, x: list(places), y: list([global.offset, shared.offset]))
        case .bulkPrefetch(let global, let bytes):
            let places = [base(global, .global), place(bytes, .uint32)]
            emit(CopyHandlers.bulkPrefetch, x: list(places), y: list([global.offset]))
        case .tensorLoad(let shared, let map, let coordinates, let mbarrier, _):
            let places = [base(shared, .shared), base(mbarrier, .shared)] + coordinates.map { place($0, .int32) }
            let values = [shared.offset, mbarrier.offset, coordinates.count]
            emit(CopyHandlers.tensorLoad, x: list(places), y: list(values), z: map)
        case .tensorStore(let map, let coordinates, let shared):
            let places = [base(shared, .shared)] + coordinates.map { place($0, .int32) }
            emit(CopyHandlers.tensorStore, x: list(places), y: list([shared.offset, coordinates.count]), z: map)
        case .tensorPrefetch: emit(MachineHandlers.nothing)
        case .bulkCommit: emit(CopyHandlers.commit)
        case .bulkWait(let pending, let reading): emit(CopyHandlers.wait, x: pending, y: reading ? 1 : 0)

        case .network(let operation): decode(operation)

        case .wgmmaFence: emit(MachineHandlers.nothing)
        case .wgmma(let multiply): decode(multiply)
        case .wgmmaCommit: emit(MultiplyHandlers.commit)
        case .wgmmaWait(let pending): emit(MultiplyHandlers.wait, x: pending)

        case .setRegisterCount: emit(MachineHandlers.nothing)
        case .dependentLaunch(let action):
            emit(action == .wait ? MachineHandlers.waitForPredecessors : MachineHandlers.launchDependents)
        case .nanosleep(let time): emit(MachineHandlers.sleep, a: place(time, .uint32))

        case .if(let condition, let then, let otherwise): decode(if: condition, then, otherwise)
        case .loop(let body): decode(loop: body)
        case .breakIf(let condition):
            emit(ControlHandlers.breakIf, to: end, a: place(condition, .bool), y: loopLevel, z: level)
        case .exit: emit(ControlHandlers.exit, to: end, z: level)
        }
    }

    private mutating func base(_ address: Address, _ space: MemorySpace) -> Int32 {
        place(address.base, space == .global ? .uint64 : .uint32)
    }

    private mutating func decode(pack operation: PackOperation, _ result: Register, _ values: [Operand]) {
        let single: ScalarType = operation == .uint64 ? .uint32 : .float32
        let places = values.map { place($0, single) }
        switch operation {
        case .bfloat16Pair, .uint64:
            emit(packHandler(operation), d: place(result), a: places[0], b: places[1])
        case .float8Quad: emit(packHandler(operation), d: place(result), x: list(places))
        }
    }

    private mutating func decode(_ multiply: WarpGroupMultiply) {
        var a: Int32 = 0
        var fragment: [Int32] = []
        switch multiply.a {
        case .descriptor(let descriptor): a = place(descriptor, .uint64)
        case .registers(let registers): fragment = registers.map { place($0, .uint32) }
        }
        let plan = plan(
            MultiplyPlan(
                element: multiply.element, columns: multiply.columns,
                accumulators: multiply.accumulators.map { place($0) }, fragment: fragment))
        emit(
            MultiplyHandlers.multiply, a: a, b: place(multiply.b, .uint64), c: place(multiply.accumulate, .bool),
            x: plan)
    }

    private mutating func decode(if condition: Operand, _ then: Block, _ otherwise: Block) {
        let outer = end
        let between = makeLabel()
        let join = makeLabel()
        let depth = level
        emit(ControlHandlers.branch, to: between, a: place(condition, .bool), z: depth)
        nested(end: between, then)
        define(between)
        if !otherwise.instructions.isEmpty {
            emit(ControlHandlers.otherwise, to: join, z: depth)
            nested(end: join, otherwise)
        }
        define(join)
        emit(ControlHandlers.join, to: outer, z: depth)
    }

    private mutating func decode(loop body: Block) {
        let outer = end
        let bottom = makeLabel()
        let depth = level
        emit(ControlHandlers.enterLoop, z: depth)
        let start = steps.count
        nested(end: bottom, isLoop: true, body)
        define(bottom)
        emit(ControlHandlers.repeatLoop, to: outer, y: start, z: depth)
    }
}
